"""The page in a real Chromium, over a real server: searching, pictures, keyboard, phone, accessibility."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import pytest
from browsing import PHONE, give_file, overflow, page_of, violations
from playwright.sync_api import Browser, Page, expect
from serving import HOSTILE, fill, picture_bytes, running

from api.http import Settings, create_app
from engine import Item, SearchEngine


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One server for the file: its tests only search."""
    root = tmp_path_factory.mktemp("page")
    fill(root / "gallery", root / "pictures")
    with running(create_app(Settings(root / "gallery"))) as address:
        yield address


def ask(page: Page, words: str) -> None:
    page.get_by_role("searchbox", name="Words to look for").fill(words)
    page.keyboard.press("Enter")


def expect_first(page: Page, name: str) -> None:
    expect(page.locator(".hit:not(.skeleton) .name").first).to_have_text(name)


def test_the_start_page_tells_what_there_is(page: Page) -> None:
    expect(page.get_by_text("5 pictures and 2 texts, ready to search.")).to_be_visible()
    expect(page.get_by_role("group", name="Example searches").get_by_role("button")).to_have_count(5)
    expect(page.locator("#glimpse img")).to_have_count(5)
    page.get_by_role("button", name="a cat").click()
    expect(page).to_have_url(re.compile(r"\?q=a\+cat$"))


def test_words_find_pictures_and_the_count_is_announced(page: Page) -> None:
    ask(page, "green")
    expect_first(page, "green.png")
    status = page.locator("#summary[role=status][aria-live=polite]")
    expect(status).to_have_text(re.compile(r"^5 hits for “green” in \d+ ms$"))
    expect(page).to_have_title("green · Crosslight")
    picture = page.locator(".hit img").first
    expect(picture).to_have_attribute("alt", "green.png")
    assert picture.evaluate("async (image) => { await image.decode(); return image.naturalWidth }") == 120


def test_every_picture_keeps_its_proportions_and_a_row_its_height(page: Page) -> None:
    ask(page, "green")
    expect(page.locator(".hit")).to_have_count(5)
    boxes = page.locator(".hit").evaluate_all(
        """(hits) => hits.map((hit) => {
          const box = hit.querySelector(".picture").getBoundingClientRect();
          const image = hit.querySelector("img");
          return [box.top, box.height, box.width / box.height, image.width / image.height];
        })"""
    )
    rows: dict[int, list[float]] = {}
    for top, height, ratio, _ in boxes:
        rows.setdefault(round(top), []).append(height)
        assert ratio <= 2.81  # a strip is shown whole in a cell that is less wide
    assert all(max(row) - min(row) < 1 for row in rows.values())
    assert sorted(round(ratio, 2) for *_, ratio, _ in boxes)[:4] == [0.5, 1.0, 1.5, 1.78]


def test_a_dropped_picture_finds_its_like_and_words_join_it(page: Page) -> None:
    give_file(page, "drop", picture_bytes("red"))
    expect_first(page, "red.png")
    expect(page.locator("#summary")).to_have_text(re.compile("^5 hits like your picture in"))
    chip = page.get_by_role("list", name="Parts of the query").get_by_role("listitem")
    expect(chip).to_contain_text("mine.png")
    shown = chip.locator(".thumb").evaluate("(thumb) => getComputedStyle(thumb).backgroundImage")
    assert shown.startswith('url("blob:')
    expect(page.get_by_label("As text")).to_be_hidden()  # what is on the reader's disk has no name here
    ask(page, "blue")
    expect(page.locator("#summary")).to_have_text(re.compile("^5 hits for “blue” like your picture in"))
    first_two = page.locator(".hit .name").all_inner_texts()[:2]
    assert sorted(first_two) == ["blue.png", "red.png"]  # opposites: red alone puts blue last
    page.get_by_role("button", name="Remove from the query: mine.png").click()
    expect(chip).to_have_count(0)
    expect(page.get_by_role("searchbox")).to_have_value("blue")
    expect_first(page, "blue.png")


def test_a_pasted_picture_finds_its_like(page: Page) -> None:
    give_file(page, "paste", picture_bytes("blue"))
    expect_first(page, "blue.png")


def test_a_chosen_picture_finds_its_like(page: Page) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a picture to search with").click()
    chooser.value.set_files({"name": "a.png", "mimeType": "image/png", "buffer": picture_bytes("yellow")})
    expect_first(page, "yellow.png")


def test_a_dropped_file_that_is_no_picture_is_refused(page: Page) -> None:
    give_file(page, "drop", b"words", "text/plain")
    expect(page.get_by_text("That is not a picture.")).to_be_visible()


def test_the_services_problem_is_shown_in_its_words(browser: Browser, address: str) -> None:
    with page_of(browser, address, quiet=False) as page:
        page.goto("/")
        with page.expect_response(lambda response: response.status == 422) as answer:
            give_file(page, "drop", b"broken")
        expect(page.locator("#message-detail")).to_have_text(answer.value.json()["detail"])
        expect(page.locator("#summary")).to_have_text("The search failed")
        ask(page, "red " * 100)
        expect(page.locator("#message-detail")).to_contain_text("64")


def test_more_like_this_starts_from_the_hit(page: Page) -> None:
    ask(page, "red")
    expect_first(page, "red.png")
    page.locator(".hit").first.hover()
    page.get_by_role("button", name="More like this: red.png").click()
    expect(page).to_have_url(re.compile(r"\?q=like%3A\d+$"))
    expect(page.locator(".chip")).to_contain_text("red.png")
    expect(page.locator(".hit")).to_have_count(4)
    expect(page.locator("#summary")).to_have_text(re.compile("^4 hits like red.png in"))
    page.go_back()
    expect_first(page, "red.png")


def test_scores_show_on_demand_and_rerank_is_sent(page: Page) -> None:
    ask(page, "red")
    score = page.locator(".hit .score").first
    expect(score).to_be_hidden()
    page.get_by_role("switch", name="Scores").check(force=True)
    expect(score).to_have_text(re.compile(r"^-?\d\.\d{3} · visual -?\d\.\d{3}$"))
    with page.expect_request("**/v1/search") as request:
        page.get_by_role("switch", name="Rerank").uncheck(force=True)
    assert request.value.post_data_json["rerank"] is False


def test_a_link_brings_the_search_back(browser: Browser, address: str) -> None:
    with page_of(browser, address) as page:
        page.goto("/?q=blue&rerank=0")
        expect_first(page, "blue.png")
        expect(page.get_by_role("searchbox")).to_have_value("blue")
        expect(page.get_by_role("switch", name="Rerank")).not_to_be_checked()


def test_texts_are_cards_and_captions_are_only_text(page: Page) -> None:
    ask(page, "purple")
    page.get_by_role("radio", name="Texts").check(force=True)
    cards = page.locator(".hit.text .words-of")
    expect(cards).to_have_count(2)
    assert set(cards.all_inner_texts()) == {"purple curtains", HOSTILE}
    expect(page).to_have_title("purple · Crosslight")
    page.get_by_role("button", name=f"Why? {HOSTILE}").click()
    expect(page.locator("#why-text")).to_have_text(HOSTILE)
    assert page.locator("main img[src=x], dialog img[src=x]").count() == 0


def test_why_tells_what_the_score_is_made_of(page: Page) -> None:
    ask(page, "red")
    expect_first(page, "red.png")
    page.locator(".hit").first.hover()
    page.get_by_role("button", name="Why? red.png").click()
    dialog = page.get_by_role("dialog", name="Why this one?")
    expect(dialog.get_by_role("img", name="red.png")).to_be_visible()
    expect(dialog).to_contain_text("It has the place of the first look.")
    values = [float(value) for value in dialog.locator("#parts dd").all_inner_texts()]
    assert sum(values[:-1]) == pytest.approx(values[-1], abs=0.002)
    expect(dialog.get_by_text("Where each word looked")).to_be_hidden()  # this model has no word maps
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()


def test_the_keyboard_reaches_everything(page: Page) -> None:
    expect(page.locator("#glimpse img")).to_have_count(5)
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("red/blue")  # a slash in the box is a slash
    expect(page.get_by_role("searchbox")).to_have_value("red/blue")
    page.get_by_role("searchbox").fill("red")
    page.keyboard.press("Enter")
    expect_first(page, "red.png")
    pictures = page.locator(".hit .picture")
    page.keyboard.press("ArrowDown")
    expect(pictures.nth(0)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(pictures.nth(1)).to_be_focused()
    page.keyboard.press("End")
    expect(pictures.nth(4)).to_be_focused()
    page.keyboard.press("ArrowUp")
    rise = "(last) => last.getBoundingClientRect().top - document.activeElement.getBoundingClientRect().top"
    assert pictures.nth(4).evaluate(rise) > 50
    page.keyboard.press("Home")
    outline = pictures.nth(0).evaluate("(picture) => getComputedStyle(picture).outlineWidth")
    assert float(outline.removesuffix("px")) >= 2
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Why? red.png")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("button", name="Why? red.png")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".chip")).to_contain_text("red.png")


def test_a_phone_shows_it_without_scrolling_sideways(browser: Browser, address: str) -> None:
    with page_of(browser, address, PHONE) as page:
        page.goto("/")
        expect(page.locator("#glimpse img")).to_have_count(5)
        assert overflow(page) <= 0
        give_file(page, "drop", picture_bytes("white"))
        expect_first(page, "white.png")
        page.get_by_role("switch", name="Scores").check(force=True)
        assert overflow(page) <= 0
        why = page.get_by_role("button", name="Why? white.png")
        expect(why).to_be_visible()  # nothing hovers on a phone
        why.tap()
        expect(page.get_by_text("What the score is made of")).to_be_visible()
        assert overflow(page) <= 0
        assert page.locator("#why").evaluate("(dialog) => dialog.scrollWidth - dialog.clientWidth") <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong(browser: Browser, address: str, scheme: Literal["light", "dark"]) -> None:
    with page_of(browser, address, scheme=scheme) as page:
        page.goto("/")
        expect(page.locator("#glimpse img")).to_have_count(5)
        assert violations(page) == []
        page.goto("/?q=purple&kind=text")
        expect(page.locator(".hit.text")).to_have_count(2)
        page.get_by_role("switch", name="Scores").check(force=True)
        page.locator(".picture").first.focus()
        assert violations(page) == []
        page.get_by_role("radio", name="Pictures").check(force=True)
        expect(page.locator(".hit:not(.text)")).to_have_count(5)
        page.locator(".picture").first.click()
        expect(page.get_by_text("the first look.")).to_be_visible()
        assert violations(page) == []


def test_an_empty_gallery_says_how_to_fill_it(browser: Browser, tmp_path: Path) -> None:
    SearchEngine.open(tmp_path / "empty", model="color").close()
    with running(create_app(Settings(tmp_path / "empty"))) as address, page_of(browser, address) as page:
        page.goto("/")
        told = "This gallery is empty. Fill it with: crosslight index FOLDER"
        expect(page.locator("#about")).to_have_text(told)
        ask(page, "red")
        expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
        expect(page.locator("#summary")).to_have_text(re.compile("^0 hits for “red”"))


def test_show_more_asks_for_more(browser: Browser, tmp_path: Path) -> None:
    with SearchEngine.open(tmp_path / "many", model="color") as engine:
        engine.add(Item(f"shot:{n}", picture=picture_bytes("red", (20 + n, 20))) for n in range(30))
    with running(create_app(Settings(tmp_path / "many"))) as address, page_of(browser, address) as page:
        page.goto("/?q=red")
        expect(page.locator(".hit")).to_have_count(24)
        page.get_by_role("button", name="Show more").click()
        expect(page.locator(".hit")).to_have_count(30)
        expect(page.get_by_role("button", name="Show more")).to_be_hidden()


def test_a_stopped_service_is_told_in_plain_words(browser: Browser, gallery: Path) -> None:
    with ExitStack() as server:
        address = server.enter_context(running(create_app(Settings(gallery))))
        with page_of(browser, address, quiet=False) as page:
            page.goto("/?q=red")
            expect_first(page, "red.png")
            server.close()
            ask(page, "blue")
            told = page.locator("#message-detail")
            expect(told).to_have_text("The service cannot be reached. Is it still running?")
