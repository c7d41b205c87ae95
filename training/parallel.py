"""German and English words of the same thing: captions of one picture, names of one pictograph."""

from __future__ import annotations

import gzip
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CAPTIONS = "captions/flickr30k-captions.jsonl.gz"
ANNOTATIONS = "common/annotations"  # inside Unicode's CLDR
FIRST_PICTOGRAPH = "\u2600"  # what comes before is punctuation and arithmetic


@dataclass(frozen=True, slots=True)
class Pair:
    """What is said of one thing in German and in English; not translations of each other."""

    german: tuple[str, ...]
    english: tuple[str, ...]


def read_captions(data: Path) -> list[Pair]:
    """Read the captions that have a German side, a picture a line."""
    with gzip.open(data / CAPTIONS, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [Pair(tuple(row["de"]), tuple(row["captions"])) for row in rows]


def read_names(cldr: Path) -> list[Pair]:
    """Read names and keywords of pictographs (animals, food, things) from a folder of Unicode's CLDR."""
    german, english = (dict(_names(cldr / ANNOTATIONS / f"{tag}.xml")) for tag in ("de", "en"))
    return [
        Pair(said, english[sign])
        for sign, said in german.items()
        if sign in english and sign >= FIRST_PICTOGRAPH
    ]


def _names(path: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    said: dict[str, dict[str, None]] = {}
    for annotation in ElementTree.parse(path).getroot().iter("annotation"):
        words = dict.fromkeys((annotation.text or "").split(" | "))
        said.setdefault(annotation.get("cp", ""), {}).update(words)
    for sign, words in said.items():
        yield sign, tuple(words)
