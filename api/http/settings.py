"""What the HTTP service can be told: one frozen value, passed in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
ANY_HOST = ("*",)


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the gallery is and what a request may do.

    `hosts` are the names a request may call this service by. The default keeps a web page that
    points a name of its own at this machine (DNS rebinding) from reading the gallery.
    """

    gallery: Path
    model: str | None = None
    device: str | None = None
    max_body_bytes: int = 20 * 1024 * 1024
    hosts: tuple[str, ...] = LOOPBACK_NAMES
