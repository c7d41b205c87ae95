"""The reliability plot of the card: how often a hit is right that is told to be so likely.

matplotlib draws it, which comes with the extra `bench`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from training.gallery import Floats


def draw(lines: Mapping[str, Floats], path: Path) -> None:
    """Write an SVG; a line is `calibrate.reliability`'s (b, 3), whose shares are the areas of its points."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "reliability"  # the same figures make the same file
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 4.5))
    axes.plot((0, 1), (0, 1), color="gray", linestyle=":")
    for name, (said, found, share) in ((name, line.T) for name, line in lines.items()):
        (drawn,) = axes.plot(said, found, linewidth=1, label=name)
        axes.scatter(said, found, s=4 + 200 * share, color=drawn.get_color())
    axes.set_xlabel("probability told")
    axes.set_ylabel("share that is right")
    axes.legend()
    axes.grid(True, alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
