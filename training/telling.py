"""Make the bundle `mini-tell`, stage by stage: `python -m training.telling --data DIR`.

Detectors of words and the reader of questions learn from the training photographs; the language model also
from captions without pictures, the reader also from questions that people asked (VQA v2), where it is given
some. What is kept of each stage lies in --work; nothing of the data enters the bundle but single words, and
counts of runs of them that several captions share.
"""

from __future__ import annotations

import argparse
import gzip
import json
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from engine.encoders.mini import MiniEncoder, load_mini
from engine.telling.packing import READER, pack
from engine.telling.reader import Reader
from engine.telling.sentences import Manner
from engine.telling.sight import Seen, Sight
from engine.telling.words import looks, meanings, split
from engine.types import Floats, Tokens
from training import telling_sight
from training.asked import read_asked
from training.data import SEED, Photo, read_photos, read_picture, select
from training.features import claim
from training.questions import Question, Rules
from training.telling_answers import Classroom, calibrate, choose_answers, predict, train
from training.telling_grams import count_runs

log = logging.getLogger("training")
BUNDLE = Path(__file__).parent.parent / "data" / "models" / "mini-tell"
SETS = {"Flickr8k val": "flickr8k", "COCO val": "coco"}
LEAST_SEEN = 8  # captions of photographs that have a word, before it is written
ROUNDS_OF_SIGHT, ROUNDS_OF_READER = 6, 4
SMALL = """
a an the and or of in on at to is are with by for from his her their its it as while that who there up down
out off over under into through near next front top side other another this these has have be
""".split()


def cached_tokens(encoder: MiniEncoder, photos: Sequence[Photo], work: Path) -> Tokens:
    """Return the tokens of every photograph (n, 81, 128) int8, encoding those that no earlier run did."""
    claim(work, photos, encoder.stamp)
    path, done = work / "tokens.npy", work / "tokens.done"
    if not path.exists():
        np.lib.format.open_memmap(path, mode="w+", dtype=np.int8, shape=(len(photos), 81, 128)).flush()
    start = int(done.read_text()) if done.exists() else 0
    tokens: Tokens = np.load(path, mmap_mode="r+")
    for place in range(start, len(photos)):
        found = encoder.encode_image([read_picture(photos[place])]).tokens
        assert found is not None
        tokens[place] = found[0]
        if place % 100 == 99 or place + 1 == len(photos):
            done.write_text(str(place + 1))
    return tokens


def read_captions(data: Path, photos: Sequence[Photo]) -> list[list[str]]:
    """Return the captions that sentences are learned from, in words: of training photographs, and of none."""
    said = [split(caption) for photo in photos if photo.split == "train" for caption in photo.captions]
    for path in sorted(data.rglob("*captions.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            said += [split(caption) for line in lines for caption in json.loads(line)["captions"]]
    return said


def choose_words(photos: Sequence[Photo]) -> list[str]:
    """Choose the words that can be written: those of several captions of training photographs."""
    counts = Counter(
        word for photo in photos if photo.split == "train" for text in photo.captions for word in split(text)
    )
    return sorted(word for word, count in counts.items() if count >= LEAST_SEEN)


def make_questions(photos: Sequence[Photo]) -> list[Question]:
    """Make the questions of every photograph with captions, by rules learned from the training ones."""
    rules, rng = Rules([p.captions for p in photos if p.split == "train"]), np.random.default_rng(SEED)
    return [q for n, photo in enumerate(photos) if photo.captions for q in rules.ask(n, photo.captions, rng)]


@dataclass(frozen=True)
class Material:
    """Photographs, their tokens (n, 81, 128) int8, and the questions on them."""

    photos: list[Photo]
    tokens: Tokens
    questions: list[Question]


def read_material(chosen: argparse.Namespace, encoder: MiniEncoder) -> Material:
    """Read what `add_material` asked for, encoding the photographs that no earlier run did."""
    photos = read_photos(chosen.data)
    tokens, questions = cached_tokens(encoder, photos, chosen.work), make_questions(photos)
    if chosen.vqa is None:
        return Material(photos, tokens, questions)
    more, asked = read_asked(chosen.vqa, chosen.images, len(photos))
    theirs = cached_tokens(encoder, more, chosen.work / Path(chosen.vqa).stem)
    return Material([*photos, *more], np.concatenate([tokens, theirs]), [*questions, *asked])


def add_material(parser: argparse.ArgumentParser) -> None:
    """Let a command line name what to read."""
    parser.add_argument("--data", type=Path, default=Path("../shared"), help="folder that holds the tars")
    parser.add_argument("--work", type=Path, default=Path("data/cache/tell"), help="where tokens are kept")
    parser.add_argument("--vqa", help="vqa:questions.json,annotations.json: questions people asked, as well")
    parser.add_argument("--images", type=Path, help="the folder of their photographs")


def learn_sight(
    photos: Sequence[Photo], words: Sequence[str], tokens: Tokens, look: Floats
) -> tuple[Sight, npt.NDArray[np.float16]]:
    """Train the detectors, and tell what each photograph calls for, by detectors that never saw it."""
    seen = telling_sight.look(tokens, look)
    own = np.array([n for n in select(photos, "train") if photos[n].captions])
    share = telling_sight.shares([[split(c) for c in photos[n].captions] for n in own], words)
    calls = np.zeros((len(photos), len(words)), np.float16)
    half = np.random.default_rng(SEED).permutation(len(own)) % 2
    for side in (0, 1):
        mine, other = own[half == side], own[half != side]
        taught = telling_sight.train(_of(seen, mine), share[half == side], look, ROUNDS_OF_SIGHT)
        calls[other] = taught.calls(taught.judge(_of(seen, other)))
    sight = telling_sight.train(_of(seen, own), share, look, ROUNDS_OF_SIGHT)
    rest = np.setdiff1d(np.arange(len(photos)), own)
    calls[rest] = sight.calls(sight.judge(_of(seen, rest)))
    return sight, calls


def _of(seen: Seen, places: npt.NDArray[np.int64]) -> Seen:
    return Seen(seen.pooled[places], seen.best[places])


def export(
    words: Sequence[str],
    sight: Sight,
    sentences: dict[str, npt.NDArray[np.generic]],
    reader: Reader,
    answers: Sequence[str],
    kinds: dict[str, dict[str, Any]],
) -> None:
    """Write the bundle."""
    BUNDLE.mkdir(parents=True, exist_ok=True)
    (BUNDLE / "words.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    np.savez_compressed(BUNDLE / "sight.npz", **sight.kept())  # type: ignore[arg-type]
    np.savez_compressed(BUNDLE / "sentences.npz", **sentences)  # type: ignore[arg-type]
    weights = pack({name: tensor.numpy() for name, tensor in reader.state_dict().items()})
    np.savez_compressed(BUNDLE / READER, **weights)  # type: ignore[arg-type]
    config = {
        "seed": SEED,
        "manner": asdict(Manner()),
        "small": SMALL,
        "answers": list(answers),
        "kinds": kinds,
    }
    (BUNDLE / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def learn_answers(
    photos: Sequence[Photo],
    questions: Sequence[Question],
    room: Classroom,
    places: dict[str, list[int]],
) -> tuple[Reader, dict[str, dict[str, Any]]]:
    """Teach the reader on training photographs, and calibrate it on those held back, kind by kind."""
    reader = train(room, [q for q in questions if photos[q.photo].split == "train"], places, ROUNDS_OF_READER)
    kinds: dict[str, dict[str, Any]] = {}
    for kind, of_kind in places.items():
        held = [q for q in questions if q.kind == kind and photos[q.photo].split == "held"]
        kinds[kind] = {"answers": of_kind, **calibrate(*predict(reader, room, held, of_kind))}
        log.info("%s: %s", kind, kinds[kind])
        taught = (q for q in questions if q.kind == kind and photos[q.photo].split == "train")
        commonest = Counter(q.answers[0] for q in taught).most_common(1)[0][0]
        for name, group in SETS.items():
            val = set(select(photos, "val", group))
            asked = [q for q in questions if q.kind == kind and q.photo in val]
            logits, right = predict(reader, room, asked, of_kind)
            hits = right[np.arange(len(right)), logits.argmax(1)]
            plain = np.mean([commonest in q.answers for q in asked])
            shown = 100 * float(hits.mean()), commonest, 100 * float(plain)
            log.info("%s, %s: %d questions, %.1f %% right; %s: %.1f %%", name, kind, len(asked), *shown)
    return reader, kinds


def classroom(
    encoder: MiniEncoder,
    questions: Sequence[Question],
    words: Sequence[str],
    calls: npt.NDArray[np.float16],
    tokens: Tokens,
    answers: Sequence[str],
) -> Classroom:
    """Put together what questions are read with."""
    asked = sorted({word for question in questions for word in split(question.text)})
    return Classroom(
        {word: place for place, word in enumerate(asked)},
        torch.from_numpy(meanings(encoder, asked)),
        torch.from_numpy(looks(encoder, asked)),
        calls,
        {word: place for place, word in enumerate(words)},
        tokens,
        answers,
    )


def main() -> None:
    """Run every stage."""
    parser = argparse.ArgumentParser(prog="python -m training.telling", description="Make mini-tell.")
    add_material(parser)
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    encoder = load_mini()[0]
    material = read_material(chosen, encoder)
    photos, tokens, questions = material.photos, material.tokens, material.questions
    words = choose_words(photos)
    sight, calls = learn_sight(photos, words, tokens, looks(encoder, words))
    sentences = count_runs(read_captions(chosen.data, photos), words)
    answers, places = choose_answers([q for q in questions if photos[q.photo].split == "train"])
    room = classroom(encoder, questions, words, calls, tokens, answers)
    reader, kinds = learn_answers(photos, questions, room, places)
    export(words, sight, sentences, reader, answers, kinds)


if __name__ == "__main__":
    main()
