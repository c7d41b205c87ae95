"""What the commands share on their way out: two consoles, one JSON document, errors in one line.

Results go to stdout; progress, notes and errors go to stderr. Names of files and texts of other
people are shown with their control characters escaped, and never read as markup.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn, ParamSpec

import typer
from rich.console import Console
from rich.text import Text

from engine.errors import EngineError

P = ParamSpec("P")

stdout = Console(highlight=False)
stderr = Console(stderr=True, highlight=False)

INTERRUPTED = 130  # what a shell reports for a program ended by Ctrl-C


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """Turn what the user can mend into one clear message and exit code 1."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        as_json = bool(kwargs.get("as_json"))
        try:
            command(*args, **kwargs)
        except BrokenPipeError:
            raise  # the reader of a pipe has gone; click ends quietly
        except (EngineError, OSError) as error:
            fail(error, as_json)
        except KeyboardInterrupt:
            stderr.print("interrupted")
            raise typer.Exit(INTERRUPTED) from None

    return run


def fail(error: Exception, as_json: bool, **more: Any) -> NoReturn:
    """Say what went wrong, and leave with exit code 1."""
    said = "\n".join(plain(line) for line in str(error).split("\n"))  # a caret has a line of its own
    stderr.print(Text.assemble(("error: ", "bold red"), said), soft_wrap=True)
    if as_json:
        show_json({"error": {"kind": type(error).__name__, "message": str(error)}, **more})
    raise typer.Exit(1) from error


def show_json(document: Mapping[str, Any]) -> None:
    """Write one JSON document to stdout, in UTF-8."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2)
    # A byte that was no text in the caller's terminal is a lone surrogate here; JSON can escape it.
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace") + b"\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Write one line to stderr."""
    stderr.print(Text(plain(text)), soft_wrap=True)


def plain(text: str) -> str:
    """Escape what a terminal must not get: control characters, and bytes that are no text."""
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    # Python keeps a byte of a file name that is not UTF-8 as a lone surrogate; show the byte.
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def short_path(path: Path, width: int = 60) -> str:
    """Shorten a path for a table: from here or from home when it lies there, else its last parts."""
    text = str(path)
    for start, name in ((Path.cwd(), ""), (Path.home(), "~")):
        if path.is_relative_to(start) and path != start:
            text = os.path.join(name, path.relative_to(start))
            break
    text = plain(text)
    return text if len(text) <= width else "…" + text[-(width - 1) :]


def name_of(uri: str, width: int = 60) -> str:
    """Name an item in a table: the path of a file, or else its uri."""
    from engine.pictures import uri_path

    path = uri_path(uri)
    return plain(uri) if path is None else short_path(path, width)


def amount(bytes_: float) -> str:
    """Write a number of bytes as people do."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if bytes_ < 1000 or unit == "GB":
            break
        bytes_ /= 1000
    return f"{bytes_:.0f} {unit}" if unit == "bytes" else f"{bytes_:.1f} {unit}"
