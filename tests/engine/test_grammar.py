"""The query language: what is a sum, what stays text, where a mistake is, and the way back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BadInput
from engine.grammar import _PLAIN, _parser, parse
from engine.types import Part, Query, Region
from engine.written import written


def text(words: str, weight: float = 1.0) -> Part:
    return Part(text=words, weight=weight)


def picture(path: str, weight: float = 1.0, region: Region | None = None) -> Part:
    return Part(picture=Path(path), weight=weight, region=region)


SUMS: dict[str, tuple[Part, ...]] = {
    '"beach" + photo.jpg - "people"*0.5': (text("beach"), picture("photo.jpg"), text("people", -0.5)),
    '"beach"+"sea"-"people"*0.5+like:3': (text("beach"), text("sea"), text("people", -0.5), Part(item=3)),
    "two dogs -people": (text("two dogs"), text("people", -1)),
    "-people": (text("people", -1),),
    "two dogs*0.5": (text("two dogs", 0.5),),
    'people * 0.5 + "sea"': (text("people", 0.5), text("sea")),
    '"beach" - mother-in-law*2': (text("beach"), text("mother-in-law", -2)),
    '"a -b + c" + d': (text("a -b + c"), text("d")),
    '"a \\"quoted\\" \\\\ word" + d': (text('a "quoted" \\ word'), text("d")),
    "like:42": (Part(item=42),),
    "like:note:1 + at night": (Part(item="note:1"), text("at night")),
    'like:"42" + like:"my note"': (Part(item="42"), Part(item="my note")),
    "like:42[0.1, 0.2, 0.5, 0.5]*2": (Part(item=42, weight=2, region=Region(0.1, 0.2, 0.5, 0.5)),),
    "photo.jpg": (picture("photo.jpg"),),
    "photo[1].JPG[0,0,10,10]": (picture("photo[1].JPG", region=Region(0, 0, 10, 10)),),
    "/a/my-photo.webp -./people.png": (picture("/a/my-photo.webp"), picture("./people.png", -1)),
    "C:\\photos\\a.png + sea": (picture("C:\\photos\\a.png"), text("sea")),
    'image:"my photo.jpg" + image:scan': (picture("my photo.jpg"), picture("scan")),
}

# What people type, and captions from elsewhere: none of it is a sum.
PLAIN = [
    "two dogs in snow",
    " two  dogs\nin snow ",
    "black-and-white photo of a t-shirt",
    "a dog's life, rock 'n' roll",
    "Sunset - Oslo, Norway",
    "A man riding a wave - photo by J. Smith -",
    "cats + dogs",
    "mother +child",
    "C++ and C#",
    "- a list",
    "-- a dash -- and another --",
    "temperature of -5 degrees, +49 30 1234",
    'a 24" monitor beside a 27" one',
    "2 * 3 = 6",
    "a grid of 3*3",
    "*beautiful* sunset, hotel 5*, M*A*S*H",
    "happy :-) -_- \\o/",
    "[2020] the dog (left), {x}",
    "like: a dog; image: none",
    "things I like:42",
    "photo.jpg at night",
    "see photo.jpg, please",
    "https://example.org/a.jpg",
    "re:zero at 10:30",
    "“cut off in the middle",
    "straße — Zürich – 北京 🐶",
    "+",
    "-",
    "",
]

MISTAKES = [
    ('"beach', "not closed", 0),
    ('two "dogs', "not closed", 4),
    ('"" dog', "nothing between these quotes", 0),
    ('"beach" + like:" "', "nothing between these quotes", 10),
    ('"beach" +', "a term is missing", 9),
    ('"beach" + - "sea"', "a term is missing", 10),
    ('"beach"*abc', "a weight is a number", 7),
    ('"beach"*0,5', "a weight is a number", 7),
    ('"beach"*', "a weight is a number", 7),
    ('"beach"*inf', "a weight is a number", 7),
    ('"beach" + lik:42', "there is no lik:", 10),
    ('"beach" + like:', "needs a name", 10),
    ('"beach"[1,2,3,4]', "only a picture or an item", 7),
    ("like:42[1,2,3]", "a box is", 7),
    ("like:42[1,2,3,nan]", "a box is", 7),
    ("like:42[1,2,3,4", "a box is", 7),
    ("like:42 at night", "write + or -", 8),
    ('"sea" + see photo.jpg now', "write + or -", 12),
    ('"sea" - phrase:"grand hotel"', "cannot be taken away", 8),
    ('"sea" + phrase:hotel*2', "no weight", 20),
]


@pytest.mark.parametrize(("typed", "parts"), SUMS.items())
def test_a_sum_is_its_parts(typed: str, parts: tuple[Part, ...]) -> None:
    assert parse(typed) == Query(parts)


@pytest.mark.parametrize("typed", PLAIN)
def test_plain_text_stays_as_it_is(typed: str) -> None:
    assert parse(typed) == Query((text(typed),))


def test_quotes_in_a_query_that_is_no_sum_name_phrases() -> None:
    assert parse('the "grand hotel" at “late night”') == Query(
        (text("the grand hotel at late night"),), phrases=("grand hotel", "late night")
    )
    assert parse('"grand hotel"') == Query((text("grand hotel"),), phrases=("grand hotel",))
    assert parse('the "grand hotel" - Oslo').phrases == ("grand hotel",)
    assert parse('phrase:"grand hotel"') == parse('"grand hotel"')


def test_quotes_within_a_term_of_a_sum_name_phrases_too() -> None:
    parts = (text("the grand hotel"), text("people", -1))
    assert parse('the "grand hotel" -people') == Query(parts, phrases=("grand hotel",))
    assert parse('"the grand hotel" -people + phrase:"grand hotel"') == Query(parts, phrases=("grand hotel",))


@pytest.mark.parametrize(("typed", "said", "at"), MISTAKES)
def test_a_mistake_is_shown_with_a_caret_below_it(typed: str, said: str, at: int) -> None:
    with pytest.raises(BadInput) as raised:
        parse(typed)
    message, line, caret = str(raised.value).split("\n")
    assert said in message
    assert (line, caret) == (f"  {typed}", f"  {' ' * at}^")


def test_the_caret_of_a_long_query_is_near_its_mistake() -> None:
    with pytest.raises(BadInput) as raised:
        parse("word " * 400 + '"open ' + "word " * 400)
    _, line, caret = str(raised.value).split("\n")
    assert len(line) < 80
    assert line[caret.index("^")] == '"'


def test_a_query_of_ten_thousand_words_is_told_the_limit() -> None:
    with pytest.raises(BadInput, match="50,000 characters, the limit is 10,000"):
        parse("word " * 10_000)


WORDS = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)
WEIGHTS = st.floats(-1e6, 1e6).filter(bool)
SHARES = st.floats(0, 1e4).map(abs)
REGIONS = st.none() | st.builds(Region, SHARES, SHARES, SHARES, SHARES)
PATHS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(str.strip).map(Path)
PARTS = st.one_of(
    st.builds(Part, text=WORDS, weight=WEIGHTS),
    st.builds(Part, item=st.integers(0, 2**63 - 1) | WORDS, weight=WEIGHTS, region=REGIONS),
    st.builds(Part, picture=PATHS | st.just(Path("a.jpg")), weight=WEIGHTS, region=REGIONS),
)
QUERIES = st.builds(
    Query, st.lists(PARTS, min_size=1, max_size=4).map(tuple), phrases=st.lists(WORDS, max_size=2).map(tuple)
)


@given(QUERIES)
def test_what_is_written_is_read_back(query: Query) -> None:
    form = written(query)
    assert form is not None
    assert parse(form) == query


PIECES = st.sampled_from([*"ab1 \n+-*\"“”'\\[],.:", "like:", "image:", "phrase:", ".jpg", "*0.5"])


@given(st.lists(PIECES, max_size=20).map("".join))
def test_any_text_is_read_or_refused(typed: str) -> None:
    try:
        query = parse(typed)
    except BadInput as refused:
        assert "\n" in str(refused)
    else:
        assert query.parts


def test_a_plain_query_is_written_as_it_was_typed() -> None:
    for typed in ("two dogs - in snow", 'the "grand hotel" at night', "like:42", "photo.jpg"):
        assert written(parse(typed)) == typed
    assert written(parse("two dogs -people")) == '"two dogs" - "people"'
    assert written(Query((Part(picture=b"bytes"),))) is None


@given(st.text().filter(_PLAIN.fullmatch))
def test_a_text_without_signs_is_read_as_the_parser_would(typed: str) -> None:
    assert {token.type for token in _parser().lex(typed)} <= {"WORD"}
    assert parse(typed).parts == (text(typed),)
