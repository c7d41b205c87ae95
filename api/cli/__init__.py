"""The command line, `crosslight`. Heavy imports wait until a command needs them."""

from __future__ import annotations


def main() -> None:
    """Run the `crosslight` command."""
    import gc

    gc.set_threshold(50_000, 20, 20)  # what is imported stays: to look for garbage meanwhile costs a tenth
    from api.cli.app import run

    run()
