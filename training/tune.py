"""Train a gallery's own reranker, reencoder or heads: pairs, training, calibration, gate, and what is kept.

`crosslight train` runs this. The model's towers stay as they are, so it needs no GPU.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.errors import BadInput
from engine.files import disk_errors
from engine.fusion import CROSS, FAMILIES, FusionModel, Shape
from engine.fusion.judge import HEADS
from engine.fusion_reranker import Blend, FusionReranker, direction
from engine.gallery import Gallery
from engine.heads import Heads
from engine.learned import FOLDER, Learned, keep
from engine.models import Model
from engine.reencoder import Reencoder
from engine.search import SearchEngine
from training import own_heads, reencoder, reranker
from training.calibrate import fit_blend
from training.card import make_card, readme
from training.checkpoints import Note, Resume
from training.gallery import DIRECTIONS, TEXT_TO_IMAGE, lists
from training.gate import System, Verdict, judge
from training.pairs import Captions, Pairs, Progress, read_pairs

log = logging.getLogger("training")
FEWEST_LISTS = 10  # that have a right answer, to learn a blend from
FINE_RATE = 3e-4  # of weights that were trained before


@dataclass(frozen=True)
class Options:
    """What may be chosen of a training; `family`, `depth` and `width` are the reranker's.

    `batch` counts pictures; by default it is the stage's own.
    """

    seed: int = 0
    steps: int = 500
    batch: int | None = None
    family: str = CROSS
    depth: int = 1
    width: int | None = None


@dataclass(frozen=True)
class Work:
    """What a stage trains with."""

    model: Model
    present: System
    pairs: Pairs
    options: Options
    resume: Resume
    progress: Progress


@dataclass(frozen=True)
class Trained:
    """What a stage made: how searches would be answered with it, and what it started from."""

    system: System
    reencoder: Reencoder | None
    origin: str
    heads: Heads | None = None


@dataclass(frozen=True)
class Outcome:
    """What came out: the gate's verdict, the card, and the number of the set, if it was kept.

    `model` is the key of the model that it made, where it did, and a gallery has to be migrated to. `notes`
    tell what was not taken.
    """

    verdict: Verdict
    card: Mapping[str, Any]
    kept: int | None
    model: str | None = None
    notes: tuple[str, ...] = ()


def tune(
    path: Path,
    stage: str,
    options: Options,
    captions: Captions | None = None,
    progress: Progress = lambda stage, done, total: None,
    note: Note = log.warning,
) -> Outcome:
    """Train on the captions of the gallery at `path`, or on `captions` by uri, and keep what is better.

    `stage` is one of STAGES. A killed run goes on where it was when it is called the same way again. `note`
    is told at once of what is not taken. Raises `GalleryBusy` where another trains the same gallery.
    """
    check(options)
    notes: list[str] = []

    def noted(text: str) -> None:
        notes.append(text)
        note(text)

    gallery = Gallery.at(path, create=False)
    with SearchEngine.open(path, device="cpu", create=False) as engine, gallery.training():
        folder = path / FOLDER
        with disk_errors(path):
            folder.mkdir(exist_ok=True)
        model = engine.load()
        pairs = read_pairs(path, model.encoder, captions, options.seed, progress, noted)
        present = _present(model, pairs)
        resume = Resume(folder / f"{stage}.checkpoint", f"{stage} {options} {pairs.digest}", noted)
        trained = STAGES[stage](Work(model, present, pairs, options, resume, progress))
        verdict = judge(present, trained.system, pairs, options.seed, partial(progress, "gate"))
        made = {"stage": stage, "model": engine.model, "origin": trained.origin, **asdict(options)}
        card = make_card(made, pairs, verdict)
        kept = _keep(engine, path, trained, card) if verdict.accepted else None
        resume.path.unlink(missing_ok=True)
        key = f"heads:{folder.absolute() / str(kept)}" if kept and trained.heads else None
        return Outcome(verdict, card, kept, key, tuple(notes))


def _keep(engine: SearchEngine, path: Path, trained: Trained, card: Mapping[str, Any]) -> int:
    """Write what was trained as a set, and return its number."""
    system = trained.system
    made_of = system.fusion, system.blends, trained.reencoder
    learned = Learned(engine.load().encoder.stamp, *made_of, card, trained.heads)
    with engine.writing():
        return keep(path, learned, readme(card))


def check(options: Options) -> None:
    """Raise `BadInput` for options that no training can be run with."""
    if options.family not in FAMILIES:
        raise BadInput(f"there is no family {options.family!r}; there are {', '.join(FAMILIES)}")
    if options.width is not None and (options.width < HEADS or options.width % HEADS):
        raise BadInput(f"the width is {options.width}; it must be a multiple of {HEADS}")
    if options.batch is not None and options.batch < 2:
        raise BadInput(
            f"the batch is {options.batch}; a picture needs another to be told from: give 2 or more"
        )
    if options.steps < 1 or options.depth < 1:
        raise BadInput(
            f"{options.steps} steps at depth {options.depth} train nothing; give 1 or more of each"
        )


def _present(model: Model, pairs: Pairs) -> System:
    """Tell how searches are answered now."""
    texts, own = pairs.gallery.texts, model.reranker
    asked = texts if model.reencoder is None else _asked(texts, model.reencoder)
    if isinstance(own, FusionReranker) and pairs.gallery.cells.numel():
        return System(pairs.gallery, asked, own.model, own.blends)
    return System(pairs.gallery, asked, None, {})


def _asked(texts: Tensor, reencoder: Reencoder) -> Tensor:
    return torch.from_numpy(reencoder.reencode(texts.numpy()))


def _rerank(work: Work) -> Trained:
    """Train a fusion model on the stored tokens, from the present one where that has the same shape."""
    gallery, options = work.present.searched(TEXT_TO_IMAGE), work.options
    if not gallery.cells.numel() or not gallery.words.numel():
        raise BadInput(
            f"{work.model.encoder.name} makes no tokens for a reranker to read; "
            "train what works on vectors alone with: crosslight train reencoder"
        )
    torch.manual_seed(options.seed)
    shape = Shape(gallery.cells.shape[2], options.depth, options.family, options.width, align=True)
    fusion, rate = FusionModel(shape), reranker.Recipe.rate
    origin, old = "new weights", work.present.fusion
    if old is not None and replace(old.shape, align=True) == shape:
        fusion.load_state_dict(
            old.state_dict(), strict=False
        )  # one that learned no map of the words has none
        origin, rate = "the weights in use before", FINE_RATE
    batch = options.batch or reranker.Recipe.batch
    recipe = reranker.Recipe(steps=options.steps, batch=batch, seed=options.seed, rate=rate)
    part = replace(work.pairs, gallery=gallery).part(work.pairs.train)
    fusion = reranker.teach(fusion, part, recipe, work.resume, partial(work.progress, "reranker"))
    system = replace(work.present, fusion=fusion, blends={})
    return Trained(replace(system, blends=_blends(system, DIRECTIONS, work)), work.model.reencoder, origin)


def _reencode(work: Work) -> Trained:
    """Train a new reencoder on the model's own vectors, and fit the present reranker's blend to it."""
    options, pairs = work.options, work.pairs
    batch = options.batch or reencoder.Recipe.batch
    recipe = reencoder.Recipe(steps=options.steps, batch=batch, seed=options.seed)
    part = pairs.part(pairs.train)
    trained = reencoder.teach(part, recipe, work.resume, partial(work.progress, "reencoder"))
    share = reencoder.hold_back(trained, pairs.gallery, pairs.captions(pairs.fit))
    asked = _asked(pairs.gallery.texts, trained)
    system = replace(work.present, asked=asked)
    blends = {**system.blends, **_blends(system, (TEXT_TO_IMAGE,), work)} if system.fusion else {}
    origin = f"the text vectors of {work.model.encoder.name}, moved {share:.0%} of the way learned"
    return Trained(replace(system, blends=blends), trained, origin)


def _head(work: Work) -> Trained:
    """Train heads on the model's own vectors and tokens, and fit the present reranker's blends to them."""
    options, pairs = work.options, work.pairs
    batch = options.batch or own_heads.Recipe.batch
    recipe = own_heads.Recipe(steps=options.steps, batch=batch, seed=options.seed)
    part = pairs.part(pairs.train)
    heads = own_heads.teach(part, recipe, work.resume, partial(work.progress, "heads"))
    share = own_heads.hold_back(heads, pairs.gallery, pairs.captions(pairs.fit))
    gallery = own_heads.moved(heads, pairs.gallery)
    system = replace(work.present, gallery=gallery, asked=gallery.texts, blends={})
    if system.fusion is not None:
        system = replace(system, blends=_blends(system, DIRECTIONS, work))
    origin = f"the vectors of {work.model.encoder.name}, moved {share:.0%} of the way learned"
    return Trained(system, None, origin, heads)


STAGES: dict[str, Callable[[Work], Trained]] = {"reranker": _rerank, "reencoder": _reencode, "heads": _head}


def _blends(system: System, ways: Sequence[str], work: Work) -> dict[tuple[str, str], Blend]:
    """Learn blend and calibration of each direction on the pictures held back for it."""
    assert system.fusion is not None
    pairs, blends = work.pairs, {}
    for done, way in enumerate(ways):
        queries = pairs.captions(pairs.fit) if way == TEXT_TO_IMAGE else pairs.fit
        found = lists(system.fusion, system.searched(way), way, queries)
        if found.relevant.any(1).sum() >= FEWEST_LISTS:
            blends[direction(way)] = fit_blend(found)
        work.progress("calibration", done + 1, len(ways))
    return blends
