"""The command line, `crosslight`. Heavy imports wait until a command needs them."""

from __future__ import annotations


def main() -> None:
    """Run the `crosslight` command."""
    from api.cli.app import run

    run()
