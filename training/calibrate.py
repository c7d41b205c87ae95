"""Stage 7, calibrate: how much each part of a score counts, and what a score says about relevance.

Both are learned on held-back photographs that no other stage trained on, for each direction.
"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import numpy.typing as npt
import torch

from engine.fusion_reranker import Blend
from training.gallery import Floats, Lists

SHOWN = 10  # hits that a user looks at: a probability has to hold for those


def fit_blend(lists: Lists) -> Blend:
    """Fit the weights of the parts, then the logistic over the blended score.

    The weights maximize the likelihood of the relevant candidates under a softmax over each list
    (a conditional logit); lists without a relevant candidate say nothing. None is negative.
    """
    usable = lists.relevant.any(1)
    parts = torch.from_numpy(lists.parts[usable])
    relevant = torch.from_numpy(lists.relevant[usable])
    raw = torch.tensor([20.0, 10.0, 0.5], requires_grad=True)
    optimizer = torch.optim.LBFGS([raw], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        logits = parts @ raw.abs()
        own = logits.masked_fill(~relevant, -torch.inf).logsumexp(1)
        value = (logits.logsumexp(1) - own).mean()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    visual, late, fusion = (float(weight) for weight in raw.detach().abs())
    scores = lists.parts @ np.array([visual, late, fusion], np.float32)
    slope, offset = fit_logistic(*shown(scores, lists.relevant))
    return Blend(visual, late, fusion, slope, offset)


def shown(scores: Floats, relevant: npt.NDArray[np.bool_]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Take the scores and relevance of the best SHOWN of each list, flat."""
    best = np.argsort(-scores, axis=1)[:, :SHOWN]
    return np.take_along_axis(scores, best, 1).ravel(), np.take_along_axis(relevant, best, 1).ravel()


def fit_logistic(scores: Floats, relevant: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Fit slope and offset of a logistic by Newton's method (Platt, 1999)."""
    inputs = np.stack([scores - scores.mean(), np.ones_like(scores)], 1).astype(np.float64)
    weights = np.zeros(2)
    for _ in range(50):
        chances = 1 / (1 + np.exp(-inputs @ weights))
        gradient = inputs.T @ (relevant - chances)
        curvature = (inputs * (chances * (1 - chances))[:, None]).T @ inputs + 1e-6 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        weights += step
        if np.abs(step).max() < 1e-8:
            break
    return float(weights[0]), float(weights[1] - weights[0] * scores.mean())


def reliability(chances: Floats, relevant: npt.NDArray[np.bool_], bins: int = 15) -> Floats:
    """Give, for each of equal bins that is not empty, mean probability, frequency, share of all: (b, 3)."""
    place = np.minimum((chances * bins).astype(int), bins - 1)
    mine = [place == b for b in range(bins)]
    rows = [(chances[own].mean(), relevant[own].mean(), own.mean()) for own in mine if own.any()]
    return np.array(rows, np.float32)


def calibration_error(chances: Floats, relevant: npt.NDArray[np.bool_]) -> float:
    """Expected calibration error: mean gap of probability and frequency over bins (Guo et al. 2017)."""
    said, found, share = reliability(chances, relevant).T
    return float((np.abs(said - found) * share).sum())


def as_config(blends: dict[str, Blend]) -> dict[str, dict[str, float]]:
    """Write blends the way the bundle's config.json holds them."""
    return {
        direction: {n: round(v, 5) for n, v in asdict(blend).items()} for direction, blend in blends.items()
    }
