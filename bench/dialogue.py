"""Conversations that look for one picture: R@10 of the picture after each turn, through `Sessions.say`.

    python -m bench.dialogue --data DIR [--sets flickr8k coco] [--dialogues N] [--rerank] [--json FILE]

DIR holds `flickr8k/flickr8k-val-00.tar` and `coco/coco-val-00.tar`. After ChatIR (Levy et al., arXiv
2305.20062), where a questioner draws further details of a picture out of its captions, a dialogue is made of
the captions of its target by a rule: the first turn is the first caption, each further turn what the next
caption says that was not said before, in one of five wordings drawn by seed, one of which is bare. Beside the
session's composed query stand the last utterance alone and all of them as one text. In parentheses are 95 %
intervals from resampling dialogues.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bench.machine import describe
from engine import Item, Part, Query, Result, SearchEngine
from engine.dialogue import Sessions
from engine.evaluate import RESAMPLES, CaptionedPicture
from engine.options import Options
from indexer.captioned import captioned_pictures

SETS = {"flickr8k": "flickr8k/flickr8k-val-00.tar", "coco": "coco/coco-val-00.tar"}
TURNS = 4  # so many captions has every picture of both sets
CUT = 10
SEED = 0
BATCH = 64
WORDINGS = ("also {}", "with {}", "and {}", "there is {}", "{}")
WAYS = ("last utterance", "all as one text", "session")
COMMON = frozenset(
    "a an the this that these those some another other one two its his her their of on in at by with "
    "and or as to into from up over for while which who is are was be being has have it he she they "
    "there near".split()
)


@dataclass(frozen=True, slots=True)
class Dialogue:
    """What is said to find a picture, and the details in it."""

    target: str
    utterances: tuple[str, ...]
    details: tuple[str, ...]


def dialogue_of(pair: CaptionedPicture, generator: np.random.Generator) -> Dialogue:
    """Make the dialogue of a captioned picture."""
    details = [pair.captions[0].strip(" .\n")]
    utterances = [details[0]]
    for caption in pair.captions[1:TURNS]:
        details.append(detail_of(caption, {stem(word) for said in details for word in words_of(said)}))
        utterances.append(str(generator.choice(np.array(WORDINGS))).format(details[-1]))
    return Dialogue(f"picture:{pair.key}", tuple(utterances), tuple(details))


def detail_of(caption: str, said: set[str]) -> str:
    """Return a caption from its first to its last word that is neither common nor said, articles kept.

    The whole caption where it has none.
    """
    words = caption.strip(" .\n").split()
    folded = [re.sub(r"\W", "", word.casefold()) for word in words]
    new = [n for n, word in enumerate(folded) if word and word not in COMMON and stem(word) not in said]
    if not new:
        return " ".join(words)
    first = new[0]
    while first and folded[first - 1] in COMMON:
        first -= 1
    return " ".join(words[first : new[-1] + 1]).strip(" ,.;")


def words_of(text: str) -> list[str]:
    """Return the words of a text, in small letters."""
    return re.findall(r"\w+", text.casefold())


def stem(word: str) -> str:
    """Make singular and plural one."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def measure(
    engine: SearchEngine, dialogues: Sequence[Dialogue], rerank: bool
) -> tuple[dict[str, np.ndarray[Any, Any]], int, int]:
    """Return by way whether the target was found (dialogues, turns), and of bare turns how many went on."""
    found = {way: np.zeros((len(dialogues), TURNS), dtype=bool) for way in WAYS}
    options = Options(k=CUT, rerank=rerank)
    bare = went_on = 0
    with Sessions(engine) as sessions:
        for row, dialogue in enumerate(dialogues):
            target, id = engine.find(dialogue.target).id, sessions.create().id
            for turn, utterance in enumerate(dialogue.utterances):
                done = sessions.say(id, utterance, options)
                if turn and utterance == dialogue.details[turn]:
                    bare, went_on = bare + 1, went_on + (not done.understood[0].startswith("new search"))
                found["session"][row, turn] = target in _nearest(done.result)
                texts = {
                    "last utterance": dialogue.details[turn],
                    "all as one text": fitting(", ".join(dialogue.details[: turn + 1]), engine),
                }
                for way, text in texts.items():
                    hits = engine.search(Query((Part(text=text),), "image"), k=CUT, rerank=rerank)
                    found[way][row, turn] = target in _nearest(hits)
            sessions.delete(id)
            if (row + 1) % 50 == 0:
                print(f"{row + 1} of {len(dialogues)} dialogues", file=sys.stderr)
    return found, bare, went_on


def _nearest(result: Result | None) -> list[int | None]:
    """Return the ids of the hits, or of what is offered where nothing is said to match."""
    return [hit.item.id for hit in result.hits or result.misses] if result is not None else []


def fitting(text: str, engine: SearchEngine) -> str:
    """Return as much of a text as the model reads."""
    encoder, words = engine.load().encoder, text.split()
    while encoder.count_tokens(" ".join(words)) > encoder.text_limit:
        words.pop()
    return " ".join(words)


def interval(values: np.ndarray[Any, Any]) -> tuple[float, float, float]:
    """Return the mean of values (n,) in percent, and the 95 % interval from resampling them."""
    drawn = np.random.default_rng(SEED).integers(0, len(values), size=(RESAMPLES, len(values)))
    low, high = np.percentile(values[drawn].mean(axis=1), [2.5, 97.5])
    return 100 * float(values.mean()), 100 * float(low), 100 * float(high)


def fill(engine: SearchEngine, pairs: Sequence[CaptionedPicture]) -> None:
    """Index the pictures without a word, those that are not there yet."""
    for start in range(0, len(pairs), BATCH):
        some = pairs[start : start + BATCH]
        engine.add(Item(f"picture:{p.key}", picture=p.picture) for p in some)
        print(f"indexed {min(start + BATCH, len(pairs))} of {len(pairs)}", file=sys.stderr)


def main() -> None:
    """Measure every set and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--dialogues", type=int, help="so many targets, drawn by seed; default all")
    parser.add_argument("--rerank", action="store_true", help="with the second stage too")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--cache", type=Path, help="keep the galleries there")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    document: dict[str, Any] = {"model": options.model, "seed": SEED, "rerank": options.rerank, "sets": {}}
    for name in options.sets:
        pairs = [p for p in captioned_pictures(options.data / SETS[name]) if len(p.captions) >= TURNS]
        generator = np.random.default_rng(SEED)
        dialogues = [dialogue_of(pair, generator) for pair in pairs]
        if options.dialogues:
            dialogues = [dialogues[n] for n in generator.permutation(len(dialogues))[: options.dialogues]]
        with TemporaryDirectory() as folder:
            path = options.cache / f"{name}.gallery" if options.cache else Path(folder) / name
            with SearchEngine.open(path, model=options.model) as engine:
                if len(engine) < len(pairs):
                    fill(engine, pairs)
                document["sets"][name] = report(name, engine, dialogues, options.rerank)
    print(f"\nModel {options.model}, seed {SEED}, on {describe()}.")
    if options.json:
        options.json.write_text(json.dumps(document, indent=1), "utf-8")


def report(name: str, engine: SearchEngine, dialogues: Sequence[Dialogue], rerank: bool) -> dict[str, Any]:
    """Measure one set and print its table."""
    found, bare, went_on = measure(engine, dialogues, rerank)
    print(f"\n{name}: {len(dialogues)} dialogues over {len(engine)} pictures, R@{CUT}\n")
    print("| | " + " | ".join(f"turn {turn}" for turn in range(1, TURNS + 1)) + " |")
    print("| --- |" + " --- |" * TURNS)
    figures: dict[str, Any] = {}
    for way in WAYS:
        figures[way] = [interval(found[way][:, turn]) for turn in range(TURNS)]
        cells = [f"{mean:.1f} ({low:.1f}-{high:.1f})" for mean, low, high in figures[way]]
        print(f"| {way} | {' | '.join(cells)} |", flush=True)
    ahead = found["session"][:, -1].astype(float) - found["all as one text"][:, -1]
    figures["ahead"] = interval(ahead)
    mean, low, high = figures["ahead"]
    print(f"\nSession ahead of one text after the last turn: {mean:+.1f} ({low:+.1f} to {high:+.1f}) points.")
    print(f"Of {bare} turns without a word of joining, {went_on} were taken to go on with the search.")
    return {**figures, "bare": bare, "went_on": went_on, "dialogues": len(dialogues)}


if __name__ == "__main__":
    main()
