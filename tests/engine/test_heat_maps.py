"""Heat maps as pictures: bright where a word looked, over the item's own picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import BadInput, Explanation, ItemNotFound, SearchEngine, WordMap
from engine.heat_maps import LONGEST, heat_map, overlay

GRAY = Image.new("RGB", (90, 60), (128, 128, 128))


def looked(word: str, row: int, column: int, weight: float = 0.5) -> WordMap:
    """A word that looked at one cell of three by three alone."""
    grid = np.zeros((3, 3), dtype=np.float32)
    grid[row, column] = 1
    return WordMap(word, weight, grid)


def brightest(picture: Image.Image) -> tuple[int, int]:
    """The third, across and down, that is brightest."""
    light = np.asarray(picture.convert("L"), dtype=float)
    height, width = light.shape
    thirds = light.reshape(3, height // 3, 3, width // 3).mean((1, 3))
    down, across = np.unravel_index(thirds.argmax(), thirds.shape)
    return int(across), int(down)


TOLD = Explanation({}, 1, (looked("dog", 0, 2), looked("ball", 2, 0, 0.4), looked("Dog", 0, 2, 0.1)))


def test_a_word_is_bright_where_it_looked_and_dark_elsewhere() -> None:
    assert brightest(overlay(GRAY, TOLD, "dog")) == (2, 0)
    drawn = overlay(GRAY, TOLD, "BALL")
    assert brightest(drawn) == (0, 2) and drawn.size == GRAY.size
    light = np.asarray(drawn.convert("L"))
    assert light[:20, 60:].mean() < 100 < light[45:, :15].mean()  # darker, and lighter, than the gray
    assert GRAY.getpixel((0, 0)) == (128, 128, 128)  # the picture given stays as it was


def test_all_words_together_count_by_their_shares() -> None:
    assert brightest(overlay(GRAY, TOLD)) == (2, 0)


def test_an_even_grid_has_no_peak() -> None:
    even = Explanation({}, 1, (WordMap("a", 1, np.full((3, 3), 1 / 9, np.float32)),))
    light = np.asarray(overlay(GRAY, even).convert("L"), dtype=float)
    assert np.ptp(light) <= 1 and light.mean() < 128


def test_a_large_picture_is_drawn_smaller() -> None:
    assert overlay(Image.new("RGB", (3000, 1500)), TOLD).size == (LONGEST, LONGEST // 2)


def test_a_word_that_was_not_asked_is_named_with_those_that_were() -> None:
    with pytest.raises(BadInput, match="no word 'cat'; it has dog, ball"):
        overlay(GRAY, TOLD, "cat")


def test_what_cannot_be_drawn_is_told(engine: SearchEngine, photos: Path) -> None:
    item = engine.search("red", k=1)[0].item.id or 0
    with pytest.raises(BadInput, match="color does not tell where"):
        heat_map(engine, item, "red")
    with pytest.raises(BadInput, match="is no hit of this query: the query names it"):
        heat_map(engine, item, '"blue"')
    with pytest.raises(ItemNotFound, match="no item has the id 999"):
        heat_map(engine, 999, "red")


@pytest.mark.mini
def test_an_item_of_a_gallery_is_drawn_for_a_query(tmp_path: Path) -> None:
    halves = Image.new("RGB", (120, 60), "white")
    halves.paste("darkgreen", (0, 0, 60, 60))
    halves.save(tmp_path / "halves.png")
    with SearchEngine.open(tmp_path / "gallery") as opened:
        opened.add([tmp_path / "halves.png"])
        item = opened.find((tmp_path / "halves.png").as_uri()).id or 0
        drawn = {
            word: heat_map(opened, item, "green trees", word).tobytes() for word in (None, "green", "trees")
        }
        assert len(set(drawn.values())) == 3
        assert heat_map(opened, item, "green trees").size == (120, 60)
