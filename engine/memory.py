"""How much memory this process may have, and giving back what was freed and the C library keeps."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

ROOT = Path("/")


def allowed_memory(root: Path = ROOT) -> int:
    """Return how many bytes this process may have: the machine's, or what its cgroups leave of them."""
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([installed, *_cgroup_limits(root)])


def _cgroup_limits(root: Path) -> list[int]:
    """Read the limits of this process's cgroups and of those around them, of version 2 and 1."""
    try:
        lines = (root / "proc/self/cgroup").read_text("utf-8").splitlines()
    except OSError:
        return []  # no Linux
    limits = []
    for _, controllers, path in (line.split(":", 2) for line in lines):
        for place, name, mine in (
            ("sys/fs/cgroup", "memory.max", not controllers),
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory" in controllers.split(",")),
        ):
            for folder in [Path(path), *Path(path).parents] if mine else ():
                file = root / place / folder.relative_to("/") / name
                said = file.read_text("utf-8").strip() if file.is_file() else "max"
                limits += [int(said)] if said.isdecimal() else []
    return limits


def give_back() -> None:
    """Give it back to the system, where that can be (glibc): what built an index is more than what stays."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none
        if trim is not None:
            trim(0)
