"""Shows the place of a mistake in what somebody typed, with a caret below it."""

from __future__ import annotations

WIDEST = 76  # characters of the line that are shown, so that the caret is on the same line of a terminal


def pointed(said: str, text: str, at: int) -> str:
    """Return `said`, the line of `text` that holds the position `at`, and a caret under it."""
    before, after = text[:at].rpartition("\n")[2], text[at:].partition("\n")[0]
    if len(before) > WIDEST // 2:
        before = "…" + before[-(WIDEST // 2 - 1) :]
    if len(before) + len(after) > WIDEST:
        after = after[: WIDEST - len(before) - 1] + "…"
    return f"{said}:\n  {before}{after}\n  {' ' * len(before)}^"
