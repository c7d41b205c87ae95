"""How German word pieces find their place among English ones."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np

from training.german import learn_pieces, mix, sets, translate
from training.parallel import CAPTIONS, Pair, read_captions, read_names

TAGS = '<annotation cp="{sign}">{words}</annotation><annotation cp="{sign}" type="tts">{name}</annotation>'


def test_words_that_go_together_translate_each_other() -> None:
    # 0 is said of everything; 1, 2 and 3 each have a partner that is one higher
    german = [np.array([0, n]) for n in (1, 2, 3)] * 5
    english = [np.array([0, n + 1]) for n in (1, 2, 3)] * 5
    counts = translate(german, english, (5, 6))
    assert counts[1:4].argmax(1).tolist() == [2, 3, 4]
    assert counts[4].sum() == 0
    assert np.isclose(counts.sum(), 30)  # every English word of every pair is accounted for


def test_a_piece_is_mixed_of_its_translations() -> None:
    counts = np.zeros((3, 20), np.float32)
    counts[0, 7], counts[0, 3] = 9, 1
    counts[1, 19] = 5
    best, shares = mix(counts)
    assert best.shape == shares.shape == (3, 10)
    assert best[0, :2].tolist() == [7, 3]
    assert np.allclose(shares[0, :3], [81 / 82, 1 / 82, 0])  # by their squares
    assert (best[1, 0], shares[1, 0]) == (19, 1)
    assert shares[2].sum() == 0


def test_pieces_keep_umlauts_and_lose_capitals() -> None:
    tokenizer = learn_pieces(["Der Bär läuft"] * 3)
    assert tokenizer.encode("BÄR läuft").tokens == ["bär", "läuft"]
    (pieces,) = sets(tokenizer, [["der Bär", "Bär läuft"]])
    assert len(pieces) == 3


def test_reading(tmp_path: Path) -> None:
    path = tmp_path / CAPTIONS
    path.parent.mkdir()
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write(json.dumps({"captions": ["a dog"], "de": ["ein Hund", "Hund"]}) + "\n")
    assert read_captions(tmp_path) == [Pair(("ein Hund", "Hund"), ("a dog",))]
    folder = tmp_path / "common" / "annotations"
    folder.mkdir(parents=True)
    for tag, name, words in (("de", "Katze", "Haustier | Katze"), ("en", "cat", "cat | pet")):
        signs = TAGS.format(sign="🐈", name=name, words=words) + TAGS.format(sign=";", name=name, words=words)
        (folder / f"{tag}.xml").write_text(f"<ldml><annotations>{signs}</annotations></ldml>", "utf-8")
    assert read_names(tmp_path) == [Pair(("Haustier", "Katze"), ("cat", "pet"))]
