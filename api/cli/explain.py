"""What `search --explain` adds: what each score is made of, and where each word looked."""

from __future__ import annotations

from rich.columns import Columns
from rich.text import Text

from api.cli.output import name_of, plain, stdout
from engine.types import Explanation, Floats, Hit, Plan, Result, WordMap

SHADES = " ░▒▓█"
GRIDS_SHOWN = 3
LARGEST_GRID = 16
PLACES = (
    ("upper left", "top", "upper right"),
    ("left", "center", "right"),
    ("lower left", "bottom", "lower right"),
)


def show_explanations(result: Result) -> None:
    """Print how the search was run, and why each hit is where it is."""
    stdout.print(Text(plan_line(result.plan)), soft_wrap=True)
    for hit in result:
        if hit.explanation is None:
            continue
        stdout.print()
        stdout.print(_heading(hit, hit.explanation))
        stdout.print(_contributions(hit, hit.explanation), soft_wrap=True)
        words = sorted(hit.explanation.words, key=lambda word: -word.weight)
        if words:
            stdout.print(Text("  " + "; ".join(describe(word) for word in words)), soft_wrap=True)
            grids = [heat_grid(word) for word in words[:GRIDS_SHOWN] if fits(word)]
            stdout.print(Columns(grids, padding=(0, 2)))


def plan_line(plan: Plan) -> str:
    """Say which way a filter took an explained search, what was estimated, and what it allowed.

    Quoted words alone are looked up, not estimated.
    """
    if plan.name == "unfiltered":
        return f"plan: unfiltered, {plan.held:,} items"
    estimated = "" if plan.estimated is None else f", estimated {plan.estimated:,}"
    return f"plan: {plan.name}, {plan.held:,} items{estimated}, actual {plan.allowed:,}; {plan.reason}"


def describe(word: WordMap) -> str:
    """Say in words where one word of the query looked most."""
    return f"{plain(word.word)} ({word.weight:.0%}): {place_of(word.grid)}"


def place_of(grid: Floats) -> str:
    """Name the ninth of the picture that was looked at most."""
    rows, columns = grid.shape
    mass: dict[tuple[int, int], float] = {}
    for row in range(rows):
        for column in range(columns):
            # by the middle of the cell, so a grid of one cell is the center
            third = (int((row + 0.5) * 3 / rows), int((column + 0.5) * 3 / columns))
            mass[third] = mass.get(third, 0.0) + float(grid[row, column])
    row, column = max(mass, key=lambda third: mass[third])
    return PLACES[row][column]


def heat_grid(word: WordMap) -> Text:
    """Draw one word's map in shades, darkest where it looked most; a cell is two characters wide."""
    top = float(word.grid.max()) or 1.0
    last = len(SHADES) - 1
    lines = ["".join(SHADES[round(float(cell) / top * last)] * 2 for cell in row) for row in word.grid]
    width = 2 * word.grid.shape[1]
    title = plain(word.word)[:width].center(width)
    return Text("\n".join(["  " + title, *("  " + line for line in lines)]), no_wrap=True)


def fits(word: WordMap) -> bool:
    """Say whether a map is small enough to draw in a terminal."""
    return all(side <= LARGEST_GRID for side in word.grid.shape)


def _heading(hit: Hit, explanation: Explanation) -> Text:
    moved = f"recall rank {explanation.recall_rank} -> rank {hit.rank}"
    name = name_of(hit.item.uri) if hit.item.kind == "image" else plain((hit.item.text or "")[:60])
    return Text.assemble((f"{hit.rank}  {name}", "bold"), f"  {moved}")


def _contributions(hit: Hit, explanation: Explanation) -> Text:
    parts = " + ".join(f"{plain(name)} {value:.4f}" for name, value in explanation.contributions.items())
    return Text(f"  score {hit.score:.4f} = {parts}" if parts else f"  score {hit.score:.4f}")
