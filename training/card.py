"""The card of what a gallery has trained: data, seed, figures and origin, as JSON and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from training.gate import Verdict
from training.pairs import Pairs


def make_card(made: Mapping[str, Any], pairs: Pairs, verdict: Verdict) -> dict[str, Any]:
    """Put together what `made` says of the training with its data and its figures."""
    return {
        **made,
        "date": datetime.now(UTC).date().isoformat(),
        "pictures": len(pairs.gallery.pictures),
        "captions": len(pairs.gallery.owner),
        "trained_on": len(pairs.train),
        "calibrated_on": len(pairs.fit),
        "measured_on": len(pairs.gate),
        "figures": verdict.figures,
    }


def readme(card: Mapping[str, Any]) -> str:
    """Write the card for people."""
    stage = card["stage"]
    back = "Go back to the model's own with `crosslight train drop`."
    if stage == "heads":
        back = (
            "They are a model of their own: bring a gallery to them with\n"
            "`crosslight migrate --model heads:FOLDER`, FOLDER being this one, and back with `--back`."
        )
    return f"""# {stage.capitalize()} of this gallery's own

Made on {card["date"]} by `crosslight train {stage}` for the model {card["model"]}, seed {card["seed"]},
{card["steps"]} steps, starting from {card["origin"]}.

It learned from {card["trained_on"]:,} of {card["pictures"]:,} pictures with {card["captions"]:,} captions.
Blend and calibration were fitted on {card["calibrated_on"]:,}; {card["measured_on"]:,} that nothing had seen
were measured among all of them. Percent, with 95 % intervals over pictures:

{table(card["figures"])}

{back}
"""


def table(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """Lay the gate's figures out as Markdown."""
    rows = ["| direction | | R@1 | R@5 | R@10 |", "| --- | --- | --- | --- | --- |"]
    for way, found in figures.items():
        for stage in ("before", "after"):
            cells = (f"{value:.1f} ({low:.1f}-{high:.1f})" for value, low, high in found[stage].values())
            rows.append(f"| {way} | {stage} | {' | '.join(cells)} |")
        gain, low, high = found["gain"]
        rows.append(f"| {way} | gain of their mean | {gain:+.1f} ({low:+.1f} to {high:+.1f}) | | |")
    return "\n".join(rows)
