"""What words find is what FTS5 finds for all of them at once, though each is asked alone and kept."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from engine import Item, SearchEngine
from engine.lexical import KEPT_WORDS, Lexicon
from engine.types import Signal

WORDS = ("red", "blue", "boat", "street", "snow", "dog")


def test_the_scores_of_words_add_up_to_what_fts5_says_of_them_together(tmp_path: Path) -> None:
    chosen = random.Random(0)
    with SearchEngine.open(tmp_path / "g", model="color") as engine:
        texts = [" ".join(chosen.choices(WORDS, k=chosen.randint(1, 9))) for _ in range(60)]
        engine.add(Item(f"note:{n}", "text", text=text) for n, text in enumerate(texts))
        lexicon = Lexicon()
        ids, scores = lexicon.find(engine.store, Signal.LEXICAL, ["red Snow", "dog"], "text")
        with engine.store.asking() as connection:
            asked = "SELECT rowid, -bm25(words) FROM words WHERE words MATCH ? ORDER BY rowid"
            rows = connection.execute(asked, ('"red" OR "snow" OR "dog"',)).fetchall()
        assert ids.tolist() == [row[0] for row in rows]
        together = np.array([row[1] for row in rows])
        np.testing.assert_allclose(scores / scores.max(), together / together.max(), rtol=1e-5)
        again, same = lexicon.find(engine.store, Signal.LEXICAL, ["red Snow", "dog"], "text")
        assert again.tolist() == ids.tolist() and same.tolist() == scores.tolist()
        lexicon.find(engine.store, Signal.LEXICAL, [" ".join(f"{w} note {w}s" for w in WORDS)], "text")
        assert 0 < len(lexicon.read) <= KEPT_WORDS
