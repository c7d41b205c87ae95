"""Stage 10, answers: when nothing matches, what looks alike, when reranking can be left out.

    python -m training.answers --data DIR

Also what a score says in galleries of several sizes. Everything is learned on held-back photographs, with
training photographs beside them as wrong answers, and written into the bundle's config.json. To be run
again whenever the weights have changed, after `training.hybrid`.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance

from engine.calibration import MIDDLE, Calibration, NoMatch
from engine.encoders.mini import MiniEncoder, load_mini
from engine.encoders.weights import bundled_mini
from engine.fusion_reranker import AMONG, surroundings
from engine.hybrid import Balance
from training.calibrate import SHOWN
from training.data import HELD_BACK, SEED, Photo, read_photos, read_picture, select
from training.evidence import Asked, Samples, ask, encode, samples
from training.gallery import IMAGE_TO_TEXT, TEXT_TO_IMAGE, Floats
from training.judged import Captioned, Judged, judge, judge_captions
from training.worded import worded

log = logging.getLogger("training")
OTHERS = 1000  # training photographs among those held back, as wrong answers
SIZES = (5, 20, 100, 400, 1400)
QUERIES = 1000
FALSE_ALARMS = 0.015  # share of queries that match and are told they do not; two in a hundred are allowed
FALSE_TWINS = 0.005  # share of photographs that another photograph may be taken for
ALBUMS = (20, 50, 200)  # photographs whose captions a picture asks for, beside all of a set
LEADERS = 400  # queries that are reranked to see what a lead is worth
UPSETS = 0.01  # share of leads that reranking may overturn
VARIED = 100  # photographs that are saved again in other ways


def fit_no_match(*several: Samples, sizes: Sequence[int] = SIZES) -> NoMatch:
    """Fit the logistic, then a threshold for each size, which keeps its promise in each of several galleries.

    A gallery that only the query's own picture was taken out of may still hold others that match, so
    nothing is learned from those.
    """
    several = tuple(found.taken(~found.removed) for found in several)
    found = Samples.joined(several)
    place = np.log(found.items / MIDDLE)[:, None]
    inputs = np.hstack([found.evidence, found.evidence * place, place, np.ones_like(place)])
    raw = _logistic(inputs, found.matches)
    half = found.evidence.shape[1]
    weights, slopes = raw[:half], raw[half : 2 * half]
    scores = (found.evidence * (weights + slopes * place)).sum(1)
    kind = np.repeat(np.arange(len(several)), [len(own.items) for own in several])
    thresholds = []
    for size in sizes:
        of_size = found.matches & (found.items == size)
        lowest = [np.quantile(scores[of_size & (kind == k)], FALSE_ALARMS) for k in set(kind[of_size])]
        thresholds.append(float(min(lowest)))
    return NoMatch(_rounded(weights), _rounded(slopes), tuple(sizes), _rounded(np.array(thresholds)))


def _logistic(inputs: npt.NDArray[np.float64], matches: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Fit a logistic by Newton's method, with a slight pull of the standardized weights toward zero."""
    scale = np.maximum(inputs.std(0), 1e-9)
    scale[-1] = 1  # the constant
    scaled = inputs / scale
    weights = np.zeros(inputs.shape[1])
    pull = 1e-4 * len(inputs) * np.eye(len(weights))
    for _ in range(50):
        chances = 0.5 + 0.5 * np.tanh(scaled @ weights / 2)
        gradient = scaled.T @ (matches - chances) - pull @ weights
        step = np.linalg.solve((scaled * (chances * (1 - chances))[:, None]).T @ scaled + pull, gradient)
        weights += step
        if np.abs(step).max() < 1e-8:
            break
    fitted: npt.NDArray[np.float64] = weights / scale
    return fitted


def _rounded(values: npt.NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(value), 5) for value in values)


def fit_look_alike(encoder: MiniEncoder, photos: Sequence[Photo], vectors: Floats) -> float:
    """Take the cosine that all but a few photographs keep from every other, and say what it finds."""
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -1)
    threshold = round(float(np.quantile(likeness.max(1), 1 - FALSE_TWINS)), 3)
    images = [read_picture(photo) for photo in photos[:VARIED]]
    for name, varied in {n: [v[n] for v in map(variants, images)] for n in variants(images[0])}.items():
        again = np.concatenate([encoder.encode_image([image]).vectors for image in varied])
        same = (again * vectors[: len(images)]).sum(1)
        log.info("%s: %.0f %% look alike from %.3f on", name, 100 * (same >= threshold).mean(), threshold)
    return threshold


def variants(image: Image.Image) -> dict[str, Image.Image]:
    """Save a picture again in the ways pictures are passed on."""
    width, height = image.size
    file = io.BytesIO()
    image.save(file, "JPEG", quality=40)
    edge = (round(0.04 * width), round(0.04 * height), round(0.96 * width), round(0.96 * height))
    return {
        "JPEG of quality 40": Image.open(file).convert("RGB"),
        "half the size": image.resize((width // 2, height // 2), Image.Resampling.BICUBIC),
        "edges cut off": image.crop(edge),
        "a fifth brighter": ImageEnhance.Brightness(image).enhance(1.2),
    }


def least_lead(leads: Floats, upsets: npt.NDArray[np.bool_]) -> float:
    """Return the least lead such that, of all as large, no more than UPSETS are overturned."""
    order = np.argsort(-leads)
    share = np.cumsum(upsets[order]) / np.arange(1, len(order) + 1)
    sound = np.flatnonzero(share <= UPSETS)
    last = int(sound[-1]) if len(sound) else 0
    log.info("a lead of %.4f: %.1f %% of queries", leads[order[last]], 100 * (last + 1) / len(order))
    return round(float(leads[order[last]]) + 5e-5, 4)


def of_set(asked: Asked, groups: npt.NDArray[np.str_], group: str) -> Asked:
    """Put the queries of one set to its pictures alone: those of another are told apart more easily."""
    queries, pictures = groups[asked.owner] == group, groups == group
    place = np.cumsum(pictures) - 1
    return ask(asked, queries, pictures, place[asked.owner[queries]])


def fit_chances(found: Judged) -> dict[str, float]:
    """Fit the logistic of the scores shown, and how much it falls for what is around: as `Blend` has them.

    What a stranger usually scores is read off the smallest galleries, all of which is in the lists.
    """
    real = np.isfinite(found.scores)
    smallest = (found.items == found.items.min())[:, None]
    usual = round(float(found.scores[real & smallest & ~found.right].mean()), 3)
    around = [surroundings(row[here], usual) for row, here in zip(found.scores, real, strict=True)]
    columns = np.column_stack([np.log(found.items / AMONG), around])  # (m, 3)
    real[:, SHOWN:] = False
    outside = np.repeat(-columns, real.sum(1), axis=0)
    inputs = np.column_stack([found.scores[real], outside, np.ones(len(outside))])
    names = ("slope", "crowd", "rivals", "level", "offset")
    fitted = dict(zip(names, _logistic(inputs, found.right[real]).tolist(), strict=True))
    return {name: round(value, 5) for name, value in fitted.items()} | {"usual": usual}


def fit(data: Path, balance: Balance) -> tuple[Calibration, dict[str, dict[str, float]]]:
    """Fit everything on held-back photographs; also what of each direction's blend is of probabilities."""
    encoder, reranker = load_mini()
    photos, rng = read_photos(data), np.random.default_rng(SEED)
    others = rng.permutation(select(photos, "train"))[:OTHERS].tolist()
    chosen = [photos[i] for i in [*select(photos, "held"), *others]]
    held = len(chosen) - len(others)
    asked = encode(encoder, chosen, asking=held)
    log.info("encoded %d photographs", len(chosen))
    found = [samples(asked, SIZES, QUERIES, rng)]
    groups = np.array([photo.group for photo in chosen])
    for here, there in (("flickr8k", "coco"), ("coco", "flickr8k")):
        foreign = ask(asked, groups[asked.owner] == here, groups == there)
        found.append(samples(foreign, SIZES, QUERIES // 2, rng))
    said = worded(encoder, chosen, asked, balance, rng)
    sets = [of_set(asked, groups, group) for group in HELD_BACK]
    sizes = [(*SIZES[1:], len(one.pictures.vectors)) for one in sets]
    judged = Judged.joined(
        [judge(reranker, one, some, LEADERS // 2, rng) for one, some in zip(sets, sizes, strict=True)]
    )
    known = Calibration(
        fit_no_match(*found),
        fit_look_alike(encoder, chosen, asked.pictures.vectors),
        least_lead(judged.lead, judged.upset),
        fit_no_match(*(samples(asked, SIZES, QUERIES // 2, rng, says) for says in said)),
    )
    texts = encoder.encode_text([caption for photo in chosen for caption in photo.captions])
    owner = np.repeat(np.arange(len(chosen)), [len(photo.captions) for photo in chosen])
    captioned = Captioned(chosen, held, asked.pictures, texts, owner)
    chances = {
        TEXT_TO_IMAGE: fit_chances(judged),
        IMAGE_TO_TEXT: fit_chances(judge_captions(reranker, captioned, ALBUMS, LEADERS // 2, rng)),
    }
    return known, chances


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit, and write the numbers into the bundle's config.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=Path("../shared"), help="folder that holds the tars")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    path = bundled_mini() / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    known, chances = fit(chosen.data, Balance(**config["hybrid"][TEXT_TO_IMAGE]["recall"]))
    log.info("probabilities: %s", chances)
    for direction, fitted in chances.items():
        config["blends"][direction] |= fitted
    config["calibration"] = asdict(known)
    path.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
