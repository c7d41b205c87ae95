"""The page's query builder in a real Chromium: chips, the text form, boxes, groups, pages, misses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Literal

import pytest
from browsing import give_file, overflow, page_of, violations
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from serving import fill, held_back, picture_bytes, running

from api.http import Settings, create_app
from engine import Item, SearchEngine

SMALL_PHONE = (375, 740)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The colors, the red one three times, and a flag of red and blue with a caption of its own."""
    root = tmp_path_factory.mktemp("query")
    fill(root / "gallery", root / "pictures")
    flag = Image.new("RGB", (300, 200), "red")
    flag.paste("blue", (150, 0, 300, 200))
    flag.save(root / "pictures" / "flag.png")
    Image.new("RGB", (210, 40), "red").save(root / "pictures" / "red-large.png")
    same = Item("copy:red", picture=root / "pictures" / "red.png", metadata={"name": "red-copy.png"})
    with SearchEngine.open(root / "gallery") as engine:
        engine.add([same, root / "pictures" / "red-large.png", root / "pictures" / "flag.png"])
    with running(create_app(Settings(root / "gallery"))) as address:
        yield address


def ask(page: Page, words: str) -> None:
    page.get_by_role("searchbox").fill(words)
    page.keyboard.press("Enter")


def settled(page: Page) -> list[str]:
    """The names of the hits once the search under way has answered."""
    expect(page.locator("#grid")).to_have_attribute("aria-busy", "false")
    return page.locator("#grid .hit:not(.skeleton) .name").all_inner_texts()


def chips(page: Page) -> list[str]:
    return page.locator(".chip .name-of").all_inner_texts()


def test_a_sum_becomes_chips_and_its_text_form(page: Page) -> None:
    ask(page, '"red" + "blue"*0.5 -green')
    expect(page.locator(".chip")).to_have_count(3)
    assert chips(page) == ["red", "blue", "green"]
    expect(page.get_by_role("searchbox")).to_have_value("")
    expect(page.get_by_label("As text")).to_have_value('"red" + "blue"*0.5 - "green"')
    expect(page.get_by_label("Weight of blue")).to_have_value("0.5")
    expect(page.get_by_role("button", name="Take away: green")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#summary")).to_have_text(re.compile("^8 hits for “red” and “blue” less “green” in"))


def test_a_chips_sign_weight_and_removal_change_the_search(page: Page) -> None:
    ask(page, '"red" + "blue"*0.25')
    expect(page.locator(".chip")).to_have_count(2)
    assert settled(page)[0].startswith("red")
    page.get_by_label("Weight of blue").fill("4")
    page.keyboard.press("Tab")
    expect(page.get_by_label("As text")).to_have_value('"red" + "blue"*4')
    assert settled(page)[0] == "blue.png"
    page.get_by_role("button", name="Take away: blue").click()
    expect(page.get_by_label("As text")).to_have_value('"red" - "blue"*4')
    expect(page.get_by_role("button", name="Take away: blue")).to_be_focused()
    assert settled(page)[-1] == "blue.png"
    page.get_by_role("button", name="Remove from the query: blue").click()
    expect(page.locator(".chip")).to_have_count(0)
    expect(page.get_by_role("searchbox")).to_have_value("red")  # words alone are just words


def test_the_text_form_can_be_edited(page: Page) -> None:
    ask(page, '"red" + "blue"')
    written = page.get_by_label("As text")
    written.fill('"yellow" - "blue"*0.25')
    written.press("Enter")
    expect(page.locator(".less .name-of")).to_have_text("blue")
    assert settled(page)[0] == "yellow.png"


def test_a_hit_and_a_dropped_picture_join_the_query(page: Page) -> None:
    ask(page, "red")
    page.get_by_role("button", name="Add to the query: green.png").click()
    expect(page.locator(".chip")).to_have_count(2)
    assert chips(page) == ["red", "green.png"]
    expect(page.get_by_label("As text")).to_have_value(re.compile(r'^"red" \+ like:\d+$'))
    assert "green.png" not in settled(page)
    give_file(page, "drop", picture_bytes("blue"))
    expect(page.locator(".chip")).to_have_count(3)
    assert chips(page)[2] == "mine.png"


def test_an_address_brings_the_whole_query_back(browser: Browser, address: str, page: Page) -> None:
    ask(page, '"blue" -red')
    settled(page)
    page.get_by_role("switch", name="Group similar").check(force=True)
    page.get_by_role("switch", name="More variety").check(force=True)
    expect(page).to_have_url(re.compile("group=1.*diversity=0.5"))
    expected = settled(page)
    with page_of(browser, address) as other:
        other.goto(page.url)
        expect(other.locator(".chip")).to_have_count(2)
        assert settled(other) == expected
        expect(other.get_by_role("switch", name="Group similar")).to_be_checked()
        other.goto("/?like=1")  # as addresses were before
        expect(other.locator(".chip .name-of")).to_contain_text(".png")


def test_a_box_is_drawn_on_the_picture_and_searched_by(page: Page) -> None:
    ask(page, "red")
    page.get_by_role("button", name="Why? flag.png").click()
    frame = page.locator("#why-frame").bounding_box()
    assert frame
    x, y, width, height = frame["x"], frame["y"], frame["width"], frame["height"]
    page.mouse.move(x + 0.55 * width, y + 0.1 * height)
    page.mouse.down()
    page.mouse.move(x + 0.95 * width, y + 0.9 * height, steps=4)
    page.mouse.up()
    expect(page.get_by_role("button", name=re.compile("Part of the picture: 40 % by 80 %"))).to_be_visible()
    assert violations(page) == []
    page.get_by_role("button", name="Search by this part").click()
    expect(page.locator(".chip .name-of")).to_have_text("Part of flag.png")
    assert settled(page)[0] == "blue.png"
    expect(page.get_by_label("As text")).to_have_value(re.compile(r"^like:\d+\[0\.5\d*,0\.1,0\.4,0\.8\]$"))


def test_a_box_is_moved_and_sized_by_keyboard(page: Page) -> None:
    ask(page, "red")
    page.get_by_role("button", name="Why? flag.png").click()
    page.get_by_role("button", name="Choose a part").press("Enter")
    box = page.get_by_role("button", name=re.compile("Part of the picture: 50 % by 50 %, 25 % from the left"))
    expect(box).to_be_focused()
    for _ in range(13):
        page.keyboard.press("ArrowLeft")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowLeft")
    expect(page.locator("#region")).to_have_attribute(
        "aria-label", re.compile("44 % by 50 %, 0 % from the left")
    )
    page.keyboard.press("Enter")
    expect(page.locator(".chip .name-of")).to_have_text("Part of flag.png")
    assert settled(page)[0].startswith("red")


def test_similar_pictures_stand_behind_one_hit_until_asked_for(page: Page) -> None:
    ask(page, "red")
    expect(page.locator("#grid .hit")).to_have_count(8)
    page.get_by_role("switch", name="Group similar").check(force=True)
    expect(page.locator("#grid .hit")).to_have_count(6)
    button = page.get_by_role("button", name="+2 similar")
    button.click()
    expect(button).to_have_attribute("aria-expanded", "true")
    behind = page.locator(".alike a")
    expect(behind).to_have_count(2)
    told = sorted(behind.locator("span").all_inner_texts())
    assert all(re.fullmatch(r"same file|\d+ % alike", kind) for kind in told)
    assert violations(page) == []
    button.click()
    expect(behind.first).to_be_hidden()


def test_more_variety_changes_the_order_and_says_so(page: Page) -> None:
    ask(page, "red")
    plain = settled(page)
    page.get_by_role("switch", name="More variety").check(force=True)
    expect(page.locator("#notes li")).to_have_count(1)
    assert settled(page) != plain


def test_a_mistake_is_shown_with_its_caret(browser: Browser, address: str) -> None:
    with page_of(browser, address, SMALL_PHONE, quiet=False) as page:
        page.goto("/")
        ask(page, 'a "cat')
        expect(page.locator("#message-detail")).to_have_text(re.compile(r'closed:\n  a "cat\n    \^'))
        expect(page.get_by_role("searchbox")).to_have_value('a "cat')
        assert violations(page) == []


def test_why_tells_how_the_search_ran(page: Page) -> None:
    ask(page, "red")
    page.get_by_role("button", name="Why? red.png").click()
    run = page.locator("#why-run")
    run.locator("summary").click()
    expect(run).to_contain_text("Looked among 8 items: unfiltered")
    stages = run.locator("dt").all_inner_texts()
    assert {"encode", "recall", "fetch"} <= set(stages) and stages[-1] == "All"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_and_axe_take_the_builder(
    browser: Browser, address: str, scheme: Literal["light", "dark"]
) -> None:
    with page_of(browser, address, SMALL_PHONE, scheme) as page:
        page.goto('/?q="red+and+a+long+name+of+things"+%2B+"blue"*0.5+-green&group=1')
        expect(page.locator(".chip")).to_have_count(3)
        settled(page)
        assert overflow(page) <= 0
        assert violations(page) == []
        page.locator(".hit .picture").first.click()
        page.get_by_role("button", name="Choose a part").click()
        assert overflow(page) <= 0
        assert violations(page) == []


def test_pages_follow_each_other(browser: Browser, tmp_path: Path) -> None:
    with SearchEngine.open(tmp_path / "many", model="color") as engine:
        engine.add(Item(f"shot:{n}", picture=picture_bytes("red", (20 + n, 20))) for n in range(30))
    with running(create_app(Settings(tmp_path / "many"))) as address, page_of(browser, address) as page:
        page.goto("/?q=red")
        expect(page.locator(".hit")).to_have_count(24)
        # The page may still be asking for the first hits once more: what counts is that a page is asked for.
        with page.expect_request(lambda sent: "page" in (sent.post_data_json or {})) as request:
            page.get_by_role("button", name="Show more").click()
        assert request.value.url.endswith("/v1/search") and request.value.post_data_json["page"]
        expect(page.locator(".hit")).to_have_count(30)
        assert len(set(page.locator(".hit").evaluate_all("(all) => all.map((hit) => hit.dataset.id)"))) == 30
        page.locator(".hit .picture").last.click()
        expect(page.locator("#why-rank")).to_contain_text("Number 30 of the hits. It has the place of")


def test_half_an_answer_gives_way_to_the_next_search(browser: Browser, tmp_path: Path) -> None:
    fill(tmp_path / "gallery", tmp_path / "pictures")
    whole = Event()
    app = held_back(create_app(Settings(tmp_path / "gallery")), b'"query":"red"', whole)
    with running(app) as address, page_of(browser, address) as page:
        page.goto("/")
        with page.expect_response(lambda answer: "red" in (answer.request.post_data or "")):
            ask(page, "red")
        ask(page, "green")
        expect(page.locator("#summary")).to_have_text(re.compile("^5 hits for “green”"))
        whole.set()  # what the page thinks of the first half is told when it closes


def test_more_hits_that_come_late_are_not_put_below_those_of_another_search(
    browser: Browser, tmp_path: Path
) -> None:
    with SearchEngine.open(tmp_path / "many", model="color") as engine:
        engine.add(Item(f"shot:{n}", picture=picture_bytes("red", (20 + n, 20))) for n in range(30))
    whole = Event()
    app = held_back(create_app(Settings(tmp_path / "many")), b'"page":', whole)
    with running(app) as address, page_of(browser, address) as page:
        page.goto("/?q=red")
        expect(page.locator(".hit")).to_have_count(24)
        with page.expect_response(lambda answer: "page" in (answer.request.post_data_json or {})) as late:
            page.get_by_role("button", name="Show more").click()
        ask(page, "blue")
        expect(page.locator("#summary")).to_have_text(re.compile("^24 hits for “blue”"))
        whole.set()
        late.value.finished()
        expect(page.get_by_role("button", name="Show more")).to_be_enabled()
        assert page.locator(".hit").count() == 24
