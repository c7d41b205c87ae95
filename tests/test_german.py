"""How German word pieces find their place among English ones."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np

from training.german import embed, learn_pieces, quantize, sets, translate
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


def test_a_piece_stands_where_its_translations_do() -> None:
    english = np.eye(3, dtype=np.float32)
    counts = np.array([[9, 1, 0], [0, 0, 5], [0, 0, 0]], np.float32)
    table = embed(counts, english)
    assert table[0, 0] > 0.95 and table[0].sum() == np.float32(
        1
    )  # the likely one counts for more than 9 to 1
    assert table[1].tolist() == [0, 0, 1]
    assert np.allclose(table[2], table[:2].mean(0))


def test_rounding_loses_little() -> None:
    table = np.random.default_rng(0).normal(size=(50, 384)).astype(np.float32)
    kept = quantize(table)
    again = kept["pieces"].float() * kept["scale"].float()
    assert np.abs(again.numpy() - table).max() < 0.02
    assert sum(tensor.nbytes for tensor in kept.values()) == 50 * (384 + 2)


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
