"""The HTTP service and the page: `create_app` for a server of one's own, `serve` to run one here."""

from __future__ import annotations

from api.http.app import create_app
from api.http.server import serve
from api.http.settings import Settings

__all__ = ["Settings", "create_app", "serve"]
