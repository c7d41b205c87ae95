"""The memory of this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

EVERY = 0.02  # seconds between two looks


def resident() -> float:
    """Return the anonymous memory in MB: without the files that are mapped. Linux tells."""
    status = Path("/proc/self/status").read_text("utf-8")
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024


@contextmanager
def watched() -> Iterator[list[float]]:
    """Keep the most that was resident in the one number of a list, which may be set anew."""
    most, over = [resident()], Event()

    def watch() -> None:
        while not over.wait(EVERY):
            most[0] = max(most[0], resident())

    thread = Thread(target=watch)
    thread.start()
    try:
        yield most
    finally:
        over.set()
        thread.join()
