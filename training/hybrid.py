"""Stage 9, hybrid: what a caption's meaning and its words count beside the picture.

    python -m training.hybrid [--data DIR] [--bundle DIR]

On held-back photographs of Flickr8k, each in a gallery with its first caption; others of its captions ask. As
many training photographs stand among them, as wrong answers only. It reads the bundle as it ships, through
the engine, and writes "hybrid" into its config.json. Run it again whenever the weights change.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import torch

from engine import Item, Part, Query, SearchEngine
from engine.encoders.mini import load_mini
from engine.fusion_reranker import FusionReranker
from engine.generation import View
from engine.hybrid import Balance, Learned, total
from engine.index import EVERYTHING
from engine.query import Composed, compose
from engine.recall import RERANK_DEPTH, Recalled, Wanted, recall
from engine.rerank import Candidates
from engine.types import PLACES, Plan, Signal
from training.calibrate import calibration_error, fit_logistic, shown
from training.data import SEED, Photo, read_photos, select
from training.gallery import TEXT_TO_IMAGE, Floats

BUNDLE = Path(__file__).parent.parent / "data" / "models" / "mini"
ASKED = 2  # captions of each photograph that ask
ALL = dict.fromkeys((Signal.VISUAL, Signal.CAPTION, Signal.LEXICAL), 1.0)
Relevant = npt.NDArray[np.bool_]
NOTHING = -1e3  # fills rows up: so far below every candidate that it says nothing


@dataclass(frozen=True)
class Features:
    """q lists of n candidates: `parts` (q, n, 3) are picture, caption and words; `relevant` (q, n)."""

    parts: Floats
    relevant: Relevant

    def ordered(self, scores: Floats, depth: int) -> Features:
        """Keep the best of each list."""
        best = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
        rows = np.arange(len(best))[:, None]
        return Features(self.parts[rows, best], self.relevant[rows, best])


@dataclass(frozen=True)
class Question:
    """A caption that asks, the item it should find, and what recall found for it."""

    composed: Composed
    item: int
    found: Recalled

    def parts(self, picture: Floats, rows: npt.NDArray[np.int64]) -> Floats:
        """Lay out what is known of some candidates: (n, 3)."""
        scores = self.found.scores
        words = np.nan_to_num(scores.get(Signal.LEXICAL, np.zeros(len(self.found.ids), np.float32)))
        return np.stack([picture, scores[Signal.CAPTION][rows], words[rows]], axis=1)


def padded(rows: Sequence[tuple[Floats, Relevant]]) -> Features:
    """Lay lists of different lengths out in one array."""
    width = max(len(relevant) for _, relevant in rows)
    parts = np.full((len(rows), width, 3), NOTHING, np.float32)
    relevant = np.zeros((len(rows), width), np.bool_)
    for row, (own, is_relevant) in enumerate(rows):
        parts[row, : len(own)], relevant[row, : len(own)] = own, is_relevant
    return Features(parts, relevant)


def fill(engine: SearchEngine, photos: Sequence[Photo]) -> None:
    """Index each photograph with its first caption."""
    waiting = iter(photos)
    while some := list(islice(waiting, 32)):
        engine.add(Item(f"photo:{p.key}", text=p.captions[0], picture=_bytes(p)) for p in some)


def _bytes(photo: Photo) -> bytes:
    with photo.tar.open("rb") as file:
        file.seek(photo.offset)
        return file.read(photo.size)


def ask(engine: SearchEngine, photos: Sequence[Photo]) -> tuple[list[Question], View]:
    """Ask for each photograph by captions that are not indexed; return also where the tokens are."""
    engine.search("a dog")  # the index takes in what was added
    serving = engine._serving
    wanted = Wanted("image", ALL, RERANK_DEPTH, None, Plan("unfiltered", None, 0), EVERYTHING, None)
    questions = []
    for photo in photos:
        item = engine.find(f"photo:{photo.key}").id or 0
        for caption in photo.captions[1 : 1 + ASKED]:
            query = Query((Part(text=caption),))
            composed = compose(query, serving.load(), serving.store, engine.open_picture)
            questions.append(
                Question(composed, item, recall(serving.generation, serving.store, composed, wanted))
            )
    return questions, serving.generation.views[PLACES["visual"]]


def recalled(questions: Sequence[Question]) -> Features:
    """Lay out all candidates of recall, the picture being its cosine."""
    rows = []
    for one in questions:
        everything = np.arange(len(one.found.ids))
        rows.append(
            (one.parts(one.found.scores[Signal.VISUAL], everything), np.equal(one.found.ids, one.item))
        )
    return padded(rows)


def reranked(
    questions: Sequence[Question], scores: Floats, reranker: FusionReranker, pictures: View
) -> Features:
    """Lay out the best of each question by `scores`, the picture being all that the reranker says of it."""
    assert pictures.tokens is not None
    rows = []
    for one, own in zip(questions, scores, strict=True):
        best = np.argsort(-own[: len(one.found.ids)], kind="stable")[:RERANK_DEPTH]
        ids, cosines = one.found.ids[best], one.found.scores[Signal.VISUAL][best]
        candidates = Candidates("image", ids, cosines, *pictures.tokens.read(ids))
        said = reranker.score(one.composed.read[0], candidates)
        picture = total(said)
        rows.append((one.parts(picture, best), np.equal(ids, one.item)))
    return padded(rows)


def fit_balance(lists: Features, alone: tuple[float, float]) -> Balance:
    """Fit the weights of a stage, on the scale of what pictures score there alone.

    The weights maximize the likelihood of the relevant candidate under a softmax over each list (a
    conditional logit, none negative); a logistic over their sum (Platt, 1999) then says what it means.
    `alone` is slope and offset of the logistic over the picture's score: the sum is brought to where
    the same logistic holds.
    """
    usable = lists.relevant.any(1)
    parts, relevant = torch.from_numpy(lists.parts[usable]), torch.from_numpy(lists.relevant[usable])
    real = lists.parts[lists.parts[..., 0] > NOTHING]
    scale = torch.from_numpy(real.std(0))  # so that the search starts where the weights are about alike
    raw = torch.full((3,), 1.0, requires_grad=True)
    optimizer = torch.optim.LBFGS([raw], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        logits = parts @ (raw.abs() / scale)
        own = logits.masked_fill(~relevant, -torch.inf).logsumexp(1)
        value = (logits.logsumexp(1) - own).mean()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    weights = (raw.detach().abs() / scale).numpy()
    slope, offset = fit_logistic(*shown(lists.parts @ weights, lists.relevant))
    picture, caption, lexical = (slope * float(weight) / alone[0] for weight in weights)
    return Balance(picture, caption, (offset - alone[1]) / alone[0], lexical)


def scored(lists: Features, balance: Balance) -> Floats:
    """Score lists as the engine does: (q, n)."""
    weights = np.array([balance.pair, balance.caption, balance.lexical], np.float32)
    scores: Floats = lists.parts @ weights + np.float32(balance.shift)
    return scores


def learn(bundle: Path, data: Path) -> Learned:
    """Learn the balance of both stages, and tell what it gains."""
    photos = read_photos(data)
    held = [photos[i] for i in select(photos, "held", "flickr8k")]
    train = select(photos, "train", "flickr8k")
    others = [photos[i] for i in np.random.default_rng(SEED).permutation(train)[: len(held)].tolist()]
    encoder, reranker = load_mini(bundle=bundle)
    with TemporaryDirectory() as folder, SearchEngine.open(folder, model="mini") as engine:
        assert engine.load().encoder.stamp == encoder.stamp, "the bundle is the one that the engine loads"
        fill(engine, [*held, *others])
        questions, pictures = ask(engine, held)
        lists = recalled(questions)
        cosines = lists.parts[..., 0]
        first = fit_balance(lists, fit_logistic(*shown(cosines, lists.relevant)))
        tell("recall", lists, scored(lists, first))
        lists = reranked(questions, scored(lists, first), reranker, pictures)
        second = fit_balance(lists, fit_logistic(*shown(lists.parts[..., 0], lists.relevant)))
        scores = scored(lists, second)
        tell("reranked", lists, scores)
        found = [reranker.probability(row, "text", "image", len(held) + len(others)) for row in scores]
        chances = np.stack([row for row in found if row is not None])
        error = calibration_error(*shown(chances, lists.relevant))
        print(f"calibration error of the first ten {error:.4f}")
    return Learned(first, second)


def tell(stage: str, lists: Features, scores: Floats) -> None:
    """Print how often the best of each list is right, by each part alone and by all together."""
    for name, own in [*zip(("picture", "caption", "words"), np.moveaxis(lists.parts, 2, 0), strict=True)] + [
        ("together", scores)
    ]:
        best = np.take_along_axis(lists.relevant, own.argmax(1)[:, None], 1)
        print(f"{stage}, {name}: R@1 {100 * float(best.mean()):.1f}")


def write(bundle: Path, learned: Learned) -> None:
    """Add what was learned to the bundle's config."""
    path = bundle / "config.json"
    config = json.loads(path.read_text("utf-8"))
    stages = {
        stage: {name: round(value, 5) for name, value in balance.items()}
        for stage, balance in asdict(learned).items()
    }
    path.write_text(json.dumps({**config, "hybrid": {TEXT_TO_IMAGE: stages}}, indent=1) + "\n", "utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Learn from held-back photographs and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=Path("../shared"), help="folder that holds the tars")
    parser.add_argument("--bundle", type=Path, default=BUNDLE, help="the model to write it to")
    chosen = parser.parse_args(arguments)
    learned = learn(chosen.bundle, chosen.data)
    print(learned)
    write(chosen.bundle, learned)


if __name__ == "__main__":
    main()
