"""The progress bar, on stderr: count, rate and time left."""

from __future__ import annotations

from collections.abc import Callable

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from api.cli.output import stderr


class Rate(ProgressColumn):
    """How many a second, over the whole run so far."""

    def render(self, task: Task) -> Text:
        elapsed = task.finished_time or task.elapsed
        return Text(f"{task.completed / elapsed:.1f}/s" if elapsed and task.completed else "")


class Left(TimeRemainingColumn):
    """The time left, where it is known how much there is to do."""

    def render(self, task: Task) -> Text:
        return Text("") if task.total is None else Text.assemble("(", super().render(task), " left)")


def progress_bar() -> Progress:
    """Make the bar; use it as a context manager."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
        TextColumn("so far"),
        Left(),
        console=stderr,
    )


def stages(bar: Progress) -> Callable[[str, int, int], None]:
    """Show a line a stage: the function takes its name, how much is done, and of how much."""
    tasks: dict[str, TaskID] = {}

    def progress(stage: str, done: int, total: int) -> None:
        if stage not in tasks:
            tasks[stage] = bar.add_task(stage.replace("_", " "))
        bar.update(tasks[stage], completed=done, total=total)

    return progress
