"""`python -m api.http docs/openapi.json` rewrites the committed OpenAPI document."""

from __future__ import annotations

import sys
from pathlib import Path

from api.http.app import create_app
from api.http.openapi import text
from api.http.settings import Settings


def main(target: str) -> None:
    """Write the document to a file."""
    Path(target).write_text(text(create_app(Settings(gallery=Path()))), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
