"""The page's tools in a real Chromium: galleries, options, filters, history, colors, pictures, help."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from browsing import PHONE, overflow, page_of, violations
from playwright.sync_api import Browser, Page, expect
from serving import fill, picture_bytes, running

from api.http import Settings, create_app
from engine import Item, SearchEngine

PLACES = {"red": "Oslo", "green": "Oslo", "blue": 'Bar "Zum Eck"', "yellow": "Bergen"}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Two galleries: the colors, and four pictures that were taken somewhere."""
    root = tmp_path_factory.mktemp("tools")
    fill(root / "colors.gallery", root / "pictures")
    with SearchEngine.open(root / "places.gallery", model="color") as engine:
        engine.add(
            Item(f"shot:{color}", picture=picture_bytes(color), metadata={"place": place, "name": color})
            for color, place in PLACES.items()
        )
    settings = Settings(root / "colors.gallery", more_galleries=(root / "places.gallery",))
    with running(create_app(settings)) as address:
        yield address


def ask(page: Page, words: str) -> None:
    page.get_by_role("searchbox").fill(words)
    page.keyboard.press("Enter")


def names(page: Page) -> list[str]:
    expect(page.locator("#grid")).to_have_attribute("aria-busy", "false")
    return page.locator("#grid .hit:not(.skeleton) .name").all_inner_texts()


def test_a_gallery_is_chosen_and_kept_in_the_address(page: Page) -> None:
    ask(page, "red")
    expect(page.locator("#grid .hit")).to_have_count(5)
    page.get_by_role("combobox", name="Gallery").select_option("places")
    expect(page.locator("#grid .hit")).to_have_count(4)
    expect(page).to_have_url(re.compile(r"\?gallery=places&q=red$"))
    picture = page.locator("#grid img").first
    expect(picture).to_have_attribute("src", re.compile("^/v1/galleries/places/items/1/thumbnail"))
    assert picture.evaluate("async (image) => { await image.decode(); return image.naturalWidth }") == 64
    page.reload()
    expect(page.get_by_role("combobox", name="Gallery")).to_have_value("places")
    assert names(page)[0] == "red"
    page.go_back()
    expect(page.get_by_role("combobox", name="Gallery")).to_have_value("colors")
    expect(page.locator("#grid .hit")).to_have_count(5)


def test_facets_and_a_filter_narrow_the_search(browser: Browser, address: str) -> None:
    with page_of(browser, address) as page:
        page.goto("/?gallery=places&q=red")
        group = page.get_by_role("group", name="Narrow by place")
        oslo = group.get_by_role("button", name="place: Oslo, 2 hits")
        oslo.click()
        expect(page.locator("#grid .hit")).to_have_count(2)
        expect(page.get_by_label("Only items with")).to_have_value('place = "Oslo"')
        expect(group.get_by_role("button", name="place: Oslo")).to_have_attribute("aria-pressed", "true")
        assert violations(page) == []
        group.get_by_role("button", name="place: Oslo").click()
        expect(page.locator("#grid .hit")).to_have_count(4)
        group.get_by_role("button", name="Zum Eck").click()  # with quotes of its own
        expect(page.locator("#grid .hit")).to_have_count(1)
        page.get_by_label("Only items with").fill('not name = "blue" or width > 999')
        page.keyboard.press("Enter")
        expect(page.locator("#grid .hit")).to_have_count(3)
        page.get_by_role("button", name="place: Bergen").click()
        filter = '(not name = "blue" or width > 999) and place = "Bergen"'
        expect(page.get_by_label("Only items with")).to_have_value(filter)
        assert names(page) == ["yellow"]
        page.reload()
        assert names(page) == ["yellow"]


def test_options_are_sent_and_kept_in_the_address(browser: Browser, address: str) -> None:
    with page_of(browser, address, quiet=False) as page:  # this model has no probabilities
        page.goto("/?q=yellow")
        page.locator("#more-options summary").click()
        with page.expect_request("**/v1/search") as request:
            page.get_by_label("Time for the second look").select_option("30 ms")
        assert request.value.post_data_json["rerank"] == {"milliseconds": 30}
        page.get_by_role("switch", name="Weigh the signals").check(force=True)
        words = page.get_by_label("Words as written")
        for label in ("Picture", "Caption", "Words in the picture"):
            page.get_by_role("slider", name=label, exact=True).fill("0")
        words.fill("0.5")
        expect(page.locator("#grid .hit")).to_have_count(1)
        expect(page).to_have_url(re.compile(r"budget=30&signals=lexical%3D0.5$"))
        page.get_by_label("Show only hits that are right").select_option("at 50 % or more")
        expect(page.locator("#message-detail")).to_contain_text("needs the probability")
        page.reload()
        expect(page.get_by_label("Show only hits that are right")).to_have_value("0.5")
        expect(words).to_have_value("0.5")
        expect(page.locator("#options-set")).to_have_text("(3)")


def test_the_last_searches_come_back(page: Page) -> None:
    ask(page, "red")
    expect(page.locator("#grid .hit")).to_have_count(5)
    ask(page, '"blue" -red')
    expect(page.locator(".chip")).to_have_count(2)
    page.get_by_role("link", name="Crosslight, start page").click()
    recent = page.get_by_role("region", name="Searched before").get_by_role("link")
    expect(recent).to_have_count(2)
    assert recent.all_inner_texts() == ["for “blue” less “red”", "red"]
    assert violations(page) == []
    recent.last.click()
    expect(page.get_by_role("searchbox")).to_have_value("red")
    page.go_back()
    page.get_by_role("button", name="Forget these").click()
    expect(recent).to_have_count(0)
    page.reload()
    expect(page.locator("#recent-box")).to_be_hidden()


def test_colors_are_chosen_and_remembered(page: Page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Colors: as the system. Change to light").click()
    assert page.evaluate(ground) == light
    page.get_by_role("button", name="Colors: light. Change to dark").click()
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    assert page.evaluate(ground) == dark
    page.get_by_role("button", name="Colors: dark. Change to as the system").click()
    assert page.evaluate(ground) == light


def test_the_keys_are_told(page: Page) -> None:
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keys and how to ask")
    expect(sheet).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    page.get_by_role("searchbox").focus()
    page.keyboard.type("?")
    expect(page.get_by_role("searchbox")).to_have_value("?")
    expect(sheet).to_be_hidden()


def test_pictures_are_added_with_progress_and_found(browser: Browser, tmp_path: Path) -> None:
    with SearchEngine.open(tmp_path / "mine", model="color"):
        pass
    files = [
        {"name": f"{color}.png", "mimeType": "image/png", "buffer": picture_bytes(color)}
        for color in ("red", "lime", "blue", "cyan", "white", "black", "orange", "purple", "yellow")
    ]
    files.append({"name": "broken.png", "mimeType": "image/png", "buffer": b"no picture"})
    with running(create_app(Settings(tmp_path / "mine"))) as address, page_of(browser, address) as page:
        page.goto("/")
        page.get_by_role("button", name="Add pictures to the gallery").click()
        assert violations(page) == []
        page.locator("#upload-files").set_input_files(files)  # type: ignore[arg-type]
        expect(page.locator("#upload-status")).to_have_text("9 pictures added, 1 not added.")
        expect(page.locator("#upload-failures")).to_contain_text("broken.png: ")
        assert page.locator("#upload-bar").evaluate("(bar) => bar.value") == 1
        page.locator("#upload-files").set_input_files(files[:1])  # type: ignore[arg-type]
        expect(page.locator("#upload-status")).to_have_text("0 pictures added, 1 there already.")
        page.keyboard.press("Escape")
        expect(page.locator("#about")).to_have_text("9 pictures, ready to search.")
        ask(page, "orange")
        assert names(page)[0] == "orange.png"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_and_axe_take_the_tools(
    browser: Browser, address: str, scheme: Literal["light", "dark"]
) -> None:
    with page_of(browser, address, PHONE, scheme) as page:
        page.goto("/?gallery=places&q=red&filter=has+place&signals=visual%3D1&budget=30")
        expect(page.locator("#grid .hit")).to_have_count(4)
        assert overflow(page) <= 0
        assert violations(page) == []
        page.get_by_role("button", name="Add pictures to the gallery").tap()
        assert overflow(page) <= 0
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Keys and how to ask").tap()
        assert overflow(page) <= 0 and violations(page) == []
