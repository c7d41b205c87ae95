"""The page's conversation in a real Chromium: turns, what was understood, undo, changes by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

import pytest
from browsing import PHONE, overflow, page_of, violations
from playwright.sync_api import Browser, Page, expect
from serving import fill, running

from api.http import Settings, create_app


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("talk")
    fill(root / "gallery", root / "pictures")
    with running(create_app(Settings(root / "gallery"))) as address:
        yield address


def say(page: Page, words: str) -> None:
    box = page.get_by_role("textbox", name="Say what to look for, or what to change")
    box.fill(words)
    box.press("Enter")
    expect(page.locator("#talk-log .said").last).to_have_text(words)
    expect(box).to_be_enabled()


def test_a_query_grows_by_what_is_said_and_by_hand(page: Page) -> None:
    page.get_by_role("button", name="Conversation", exact=True).click()
    say(page, "red")
    expect(page.locator("#grid .hit .name").first).to_have_text("red.png")
    expect(page).to_have_url(re.compile(r"\?q=red$"))
    say(page, "without blue")
    log = page.get_by_role("log", name="What was said and understood")
    expect(log.locator(".understood").last).to_contain_text("blue")
    expect(page.locator(".chip.less .name-of")).to_have_text("blue")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".chip")).to_have_count(0)
    expect(page.get_by_role("searchbox")).to_have_value("red")
    page.get_by_role("searchbox").fill("yellow")  # by hand, and then on from there
    page.keyboard.press("Enter")
    expect(page.locator("#grid .hit .name").first).to_have_text("yellow.png")
    say(page, "without blue")
    expect(page.get_by_label("As text")).to_have_value(re.compile('^"yellow" - "blue"'))
    page.get_by_role("button", name="Why? yellow.png").click()
    expect(page.get_by_text("What the score is made of")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Start anew").click()
    expect(log.locator("p")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.locator("#talk")).to_be_hidden()
    expect(page.get_by_role("button", name="Conversation", exact=True)).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_and_axe_take_the_conversation(
    browser: Browser, address: str, scheme: Literal["light", "dark"]
) -> None:
    with page_of(browser, address, PHONE, scheme, quiet=False) as page:
        page.goto("/?q=red")
        page.get_by_role("button", name="Conversation", exact=True).tap()
        say(page, "without blue")
        say(page, "?!")
        expect(page.locator("#talk-log .problem")).to_be_visible()
        assert overflow(page) <= 0
        assert violations(page) == []
