"""`python -m api.cli`: the command where its script is not on the path."""

from api.cli import main

main()
