"""The bundled teller on real photographs: it says what is there, and says when it does not know."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import BadInput, ModelUnavailable
from engine.pictures import load_picture
from engine.telling import Answerer, Captioner, open_answerer, open_captioner
from engine.telling.mini import MiniTeller
from engine.telling.words import split

pytestmark = pytest.mark.mini


def test_captions_name_what_is_there(teller: MiniTeller, sample: Path) -> None:
    pictures = [load_picture(sample / name).image for name in ("cat.png", "flower.jpg", "astronaut.png")]
    cat, flower, astronaut = (set(split(found[0].text)) for found in teller.caption(pictures))
    assert cat & {"cat", "dog", "animal", "puppy", "kitten"}
    assert flower & {"flower", "flowers", "petals", "plant"}
    assert astronaut & {"man", "woman", "person", "girl", "boy", "people"}
    assert len({frozenset(cat), frozenset(flower), frozenset(astronaut)}) == 3


def test_several_captions_are_several_and_in_order(teller: MiniTeller, sample: Path) -> None:
    found = teller.caption([load_picture(sample / "flower.jpg").image], count=4)[0]
    assert len({one.text for one in found}) == 4
    assert all(one.probability is not None and 0 < one.probability < 1 for one in found)


def test_only_the_words_given_are_used(teller: MiniTeller, sample: Path) -> None:
    picture = load_picture(sample / "cat.png").image
    (one,) = teller.caption([picture], words=["red horse", "standing", "field"])[0]
    assert set(split(one.text)) <= {"red", "horse", "standing", "field"} | {
        word for word, small in zip(teller.words, teller.writer.small, strict=True) if small
    }
    assert "horse" in one.text


def test_answers_differ_by_picture_and_question(teller: MiniTeller, sample: Path) -> None:
    flower, coins = (load_picture(sample / name).image for name in ("flower.jpg", "coins.png"))
    yes, no = teller.ask(flower, "is there a flower in the picture?"), teller.ask(coins, "is there a flower?")
    chance = {answer.text: answer.probability for answer in (yes, no)}
    assert yes.text == "yes" and (no.text == "no" or no.probability < chance["yes"])
    kinds = {
        teller.ask(flower, text).kind for text in ("what color is it?", "where is it?", "how many dogs?")
    }
    assert kinds == {"color", "where", "count"}


def test_an_answer_says_how_sure_it_is_and_where_it_looked(teller: MiniTeller, sample: Path) -> None:
    picture = load_picture(sample / "cat.png").image
    answer = teller.ask(picture, "what color is the cat?")
    shares = [answer.probability, *(share for _, share in answer.alternatives)]
    assert shares == sorted(shares, reverse=True) and sum(shares) <= 1 + 1e-6
    assert answer.sure == (answer.probability >= teller.kinds["color"]["bound"])
    assert answer.heat_map is not None and answer.heat_map.shape == (9, 9)
    assert answer.heat_map.sum() == pytest.approx(1, abs=1e-5)
    other = teller.ask(picture, "where is the wall?")
    assert other.heat_map is not None and np.abs(other.heat_map - answer.heat_map).max() > 1e-3


def test_a_picture_of_one_pixel_and_unknown_words(teller: MiniTeller) -> None:
    dot = Image.new("RGB", (1, 1), "red")
    assert teller.caption([dot])[0][0].text.endswith(".")
    assert teller.ask(dot, "is there a quokka named Xyzzy?").text in ("yes", "no")


def test_tokens_tell_what_the_picture_tells(teller: MiniTeller, sample: Path) -> None:
    from engine.encoders.mini import load_mini

    picture = load_picture(sample / "pagoda.jpg").image
    tokens = load_mini()[0].encode_image([picture]).tokens
    assert tokens is not None
    assert teller.caption_tokens(tokens) == teller.caption([picture])
    asked = teller.ask_tokens(tokens[0], "where was this picture taken?")
    assert asked.text == teller.ask(picture, "where was this picture taken?").text


def test_keys_that_are_none_are_refused(teller: MiniTeller) -> None:
    captioner: Captioner = open_captioner("mini")
    answerer: Answerer = open_answerer("mini")
    assert captioner is teller and isinstance(answerer, MiniTeller)
    for opened in (open_captioner, open_answerer):
        with pytest.raises(ModelUnavailable, match="no model 'nothing' that tells"):
            opened("nothing")
    with pytest.raises(BadInput, match="not a question"):
        teller.ask(Image.new("RGB", (4, 4)), "hello there")
