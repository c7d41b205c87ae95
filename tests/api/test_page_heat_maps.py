"""Heat maps in a real Chromium, with the bundled model: each word's map is its own, and can be dimmed.

With CROSSLIGHT_SCREENSHOT=FILE the test of the heat map also saves the page's picture there.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from browsing import PHONE, overflow, page_of, violations
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, expect
from serving import running

from api.http import Settings, create_app
from engine import SearchEngine

pytestmark = pytest.mark.mini

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"
PHOTOGRAPHS = ("cat-and-mug.jpg", "cat.png", "coffee.png", "flower.jpg", "pagoda.jpg", "rocket-launch.jpg")
QUERY = "a temple by the water with trees"

# How many colors the canvas shows and all of its pixels as one text, read from a copy: reading slows
# a canvas down.
PIXELS = """(canvas) => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
  return [new Set(new Uint32Array(data.buffer)).size, canvas.toDataURL()];
}"""


def photographs(folder: Path) -> list[Path]:
    """The sample photographs where they were fetched, else a few drawings."""
    if found := [SAMPLE / name for name in PHOTOGRAPHS if (SAMPLE / name).is_file()]:
        return found
    for n, color in enumerate(("orange", "steelblue", "darkgreen")):
        picture = Image.new("RGB", (320, 200 + 40 * n), "white")
        ImageDraw.Draw(picture).ellipse((30 + 60 * n, 40, 130 + 60 * n, 140), fill=color)
        picture.save(folder / f"{color}.png")
    return sorted(folder.glob("*.png"))


@pytest.fixture(scope="module")
def address(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("heat")
    with SearchEngine.open(root / "gallery", model="mini") as engine:
        assert not engine.add(photographs(root)).failed
    with running(create_app(Settings(root / "gallery"))) as address:
        yield address


def open_why(page: Page) -> None:
    page.goto(f"/?q={QUERY.replace(' ', '+')}")
    named = page.get_by_role("button", name="Why? pagoda.jpg")
    expect(page.locator(".hit:not(.skeleton)").first).to_be_visible(timeout=60_000)  # a model may be loading
    hit = named if named.count() else page.get_by_role("button", name="Why?").first
    hit.evaluate("(button) => button.focus()")
    hit.click()
    expect(page.locator(".word").first).to_be_visible()


def test_each_word_has_a_heat_map_of_its_own(browser: Browser, address: str) -> None:
    with page_of(browser, address) as page:
        open_why(page)
        dialog = page.get_by_role("dialog", name="Why this one?")
        words = dialog.get_by_role("group", name="Words of the query").get_by_role("button")
        assert words.all_inner_texts() == ["All words", *QUERY.split()]
        heat = dialog.locator("#heat")
        seen: dict[str, tuple[int, str]] = {}
        for place, show in [(0, "click"), (7, "focus"), (5, "hover")]:
            word = words.nth(place)
            getattr(word, show)()
            expect(word).to_have_attribute("aria-pressed", "true")
            label = "all words together" if place == 0 else f"“{word.inner_text()}”"
            expect(heat).to_have_attribute("aria-label", f"Heat map: where {label} looked")
            seen[word.inner_text()] = heat.evaluate(PIXELS)
        assert all(colors > 50 for colors, _ in seen.values())  # smooth, not blank
        assert len({pixels for _, pixels in seen.values()}) == len(seen) == 3
        save = dialog.get_by_role("link", name="Save the heat map")
        saved = httpx.get(f"{address.rstrip('/')}{save.get_attribute('href')}", timeout=60)
        assert saved.headers["content-type"] == "image/png" and "word=" in str(saved.url)
        covers = heat.evaluate(
            """(canvas) => ["left", "top", "width", "height"].map((side) => Math.abs(
              canvas.getBoundingClientRect()[side]
              - document.getElementById("why-picture").getBoundingClientRect()[side]))"""
        )
        assert max(covers) < 1
        page.wait_for_load_state("networkidle")
        if target := os.environ.get("CROSSLIGHT_SCREENSHOT"):
            words.nth(5).click()
            page.screenshot(path=target)


def test_the_heat_map_can_be_dimmed_to_nothing(browser: Browser, address: str) -> None:
    with page_of(browser, address) as page:
        open_why(page)
        opacity = "(canvas) => Number(getComputedStyle(canvas).opacity)"
        assert page.locator("#heat").evaluate(opacity) == 0.75
        slider = page.get_by_role("slider", name="Heat map strength")
        slider.focus()
        page.keyboard.press("Home")
        assert page.locator("#heat").evaluate(opacity) == 0


def test_contributions_add_up_to_the_score_that_is_shown(browser: Browser, address: str) -> None:
    with page_of(browser, address) as page:
        open_why(page)
        values = [float(value) for value in page.locator("#parts dd").all_inner_texts()]
        assert len(values) >= 3
        assert sum(values[:-1]) == pytest.approx(values[-1], abs=0.002)


def test_the_dialog_fits_a_phone_and_axe_finds_nothing_wrong(browser: Browser, address: str) -> None:
    with page_of(browser, address, PHONE) as page:
        open_why(page)
        assert overflow(page) <= 0
        assert page.locator("#why").evaluate("(dialog) => dialog.scrollWidth - dialog.clientWidth") <= 0
        picture = page.locator("#why-picture").bounding_box()
        heading = page.locator("#why-title").bounding_box()
        assert picture and heading and picture["y"] + picture["height"] <= heading["y"]
        assert violations(page) == []


def test_nothing_matches_with_the_nearest_misses_apart(browser: Browser, address: str) -> None:
    with page_of(browser, address) as page:
        page.goto("/?q=a+man+riding+a+bicycle")
        expect(page.get_by_role("heading", name="Nothing here matches")).to_be_visible()
        misses = page.get_by_role("region", name="The nearest misses").locator(".hit")
        assert misses.count() >= 3
        expect(page.locator("#grid .hit")).to_have_count(0)
        assert violations(page) == []
        misses.first.locator(".picture").click()
        expect(page.locator(".word").first).to_be_visible()  # a miss is explained too


def test_a_budget_is_kept_to_and_told(address: str) -> None:
    asked = {"query": QUERY, "rerank": {"candidates": 2}, "explain": True}
    reply = httpx.post(f"{address}v1/search", json=asked, timeout=60).json()
    assert len(reply["hits"]) >= 3
    assert reply["notes"] == [f"the budget let 2 of {len(reply['hits'])} candidates be reranked"]


def test_a_precision_cuts_off_what_is_less_sure(address: str) -> None:
    reply = httpx.post(f"{address}v1/search", json={"query": QUERY, "precision": 0.01}, timeout=60).json()
    sure = [hit["probability"] for hit in reply["hits"]]
    assert all(probability >= 0.01 for probability in sure)
    whole = httpx.post(f"{address}v1/search", json={"query": QUERY}, timeout=60).json()
    assert len(sure) == sum(hit["probability"] >= 0.01 for hit in whole["hits"]) < len(whole["hits"])


def test_the_heat_map_is_a_picture_of_its_own(address: str) -> None:
    hit = httpx.post(f"{address}v1/search", json={"query": QUERY, "k": 1}, timeout=60).json()
    item = [*hit["hits"], *hit["misses"]][0]["id"]
    place = f"{address}v1/items/{item}/heat-map"
    water, all_words = (
        httpx.get(place, params={"query": QUERY, **more}, timeout=60) for more in ({"word": "water"}, {})
    )
    assert water.headers["content-type"] == all_words.headers["content-type"] == "image/png"
    assert water.content != all_words.content
    with Image.open(io.BytesIO(water.content)) as drawn, Image.open(photograph(address, item)) as whole:
        assert max(drawn.size) <= 1024
        assert drawn.width / drawn.height == pytest.approx(whole.width / whole.height, rel=0.01)
    known = {"if-none-match": water.headers["etag"]}
    assert httpx.get(place, params={"query": QUERY, "word": "water"}, headers=known).status_code == 304
    told = httpx.get(place, params={"query": QUERY, "word": "unicorn"})
    assert told.status_code == 422 and "no word 'unicorn'; it has a, temple" in told.json()["detail"]
    file = httpx.get(place, params={"query": "x.jpg + dog"})
    assert file.status_code == 422 and "none is read over HTTP" in file.json()["detail"]


def photograph(address: str, item: int) -> io.BytesIO:
    return io.BytesIO(httpx.get(f"{address}v1/items/{item}/image").content)
