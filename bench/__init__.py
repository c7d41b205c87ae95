"""One script a table: what the README's figures come from."""
