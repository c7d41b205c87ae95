"""Runs the real `crosslight` command: in a process of its own, or here where many runs are compared."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from api.cli.app import app

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "api.cli")
CPU = ("--device", "cpu")  # without it the program loads torch to look for a GPU, a second or more
PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document of stdout; fails when there is anything else on it."""
        return json.loads(self.out)


def environment(**more: str) -> dict[str, str]:
    """The environment of a command: none of the reader's own gallery, colors or width."""
    kept = {key: value for key, value in os.environ.items() if key not in ("CROSSLIGHT_GALLERY", "COLUMNS")}
    return {**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "120", "NO_COLOR": "1", **more}


def invoke(*arguments: str | bytes | Path) -> Ran:
    """Run a command in this process."""
    done = CliRunner().invoke(app, [os.fsdecode(argument) for argument in arguments], env=environment())
    return Ran(done.exit_code, done.stdout, done.stderr)


def start(*arguments: str | bytes | Path, stderr: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    """Start a command without waiting for it; `stderr` may be a terminal."""
    env = environment(TERM="xterm")
    return subprocess.Popen([*COMMAND, *arguments], env=env, stdout=subprocess.PIPE, stderr=stderr)


def finish(process: subprocess.Popen[bytes]) -> Ran:
    """Wait for a command's end."""
    out, err = process.communicate(timeout=60)
    return Ran(process.returncode, out.decode(), (err or b"").decode())


def run(
    *arguments: str | bytes | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> Ran:
    """Run a command to its end; `before` runs in the new process, as in `subprocess`."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=environment(**(env or {})),
        capture_output=True,
        timeout=60,
        preexec_fn=before,  # noqa: PLW1509
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


def respect_modes() -> None:
    """Give up root's right to read and write files whatever their modes say; for `before`."""
    libc = ctypes.CDLL(None)
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
