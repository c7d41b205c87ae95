"""The memory of this process."""

from __future__ import annotations

from pathlib import Path


def resident() -> float:
    """Return the anonymous memory in MB: without the files that are mapped. Linux tells."""
    status = Path("/proc/self/status").read_text("utf-8")
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024
