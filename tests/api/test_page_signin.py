"""The page of a service with API keys, in a real Chromium: signing in, what a key may not do, signing out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from browsing import PHONE, overflow, page_of, violations
from playwright.sync_api import Browser, Page, Route, expect
from serving import fill, picture_bytes, running

from api.http import Settings, create_app
from api.http.keys import Keys
from engine import SearchEngine

PICTURE = {"name": "pink.png", "mimeType": "image/png", "buffer": picture_bytes("pink")}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    root = tmp_path_factory.mktemp("signin")
    fill(root / "photos.gallery", root / "pictures")
    SearchEngine.open(root / "other.gallery", model="color").close()
    return Keys(Settings(root / "photos.gallery").keys_file)


@pytest.fixture(scope="module")
def address(keys: Keys) -> Iterator[str]:
    gallery = keys.path.parents[1]
    keys.create("the owner", ["admin"])
    settings = Settings(gallery, more_galleries=(gallery.with_name("other.gallery"),))
    with running(create_app(settings)) as address:
        yield address


def sign_in(page: Page, key: str) -> None:
    page.get_by_role("dialog", name="Sign in").get_by_label("key").fill(key)
    page.keyboard.press("Enter")


def shown(page: Page) -> int:
    """The width of the first thumbnail as the browser has it, 0 of one that was refused."""
    picture = page.locator("#grid img").first
    return int(picture.evaluate("(image) => image.decode().then(() => image.naturalWidth, () => 0)"))


def test_a_reader_signs_in_searches_and_signs_out(browser: Browser, address: str, keys: Keys) -> None:
    _, text = keys.create("a reader", ["read"])
    with page_of(browser, address, quiet=False) as page:  # the console tells of each 401
        page.goto("/?q=red")
        sheet = page.get_by_role("dialog", name="Sign in")
        expect(sheet).to_contain_text("This service asks for an API key.")
        sign_in(page, "cl_1_2")
        expect(sheet.get_by_role("alert")).to_contain_text("unknown or revoked")
        assert violations(page) == []
        sign_in(page, f" {text}\n")
        expect(sheet).to_be_hidden()
        expect(page.locator("#grid .name").first).to_have_text("red.png")
        expect(page.get_by_role("combobox", name="Gallery")).to_have_value("photos")
        assert shown(page) == 200
        assert page.evaluate("document.cookie") == "" and text not in page.evaluate(
            "JSON.stringify(localStorage)"
        )
        page.reload()
        expect(page.locator("#grid .name").first).to_have_text("red.png")

        page.get_by_role("button", name="Add pictures to the gallery").click()
        adding = page.get_by_role("dialog", name="Add pictures to the gallery")
        expect(adding).to_contain_text("The key “a reader” may search and look. Adding pictures needs a key")
        expect(adding.get_by_label("Pictures", exact=True)).to_be_disabled()
        assert violations(page) == []
        adding.get_by_role("button", name="Use another key").click()
        expect(sheet.get_by_label("Another key")).to_be_focused()
        sheet.get_by_role("button", name="Sign out").click()
        expect(sheet).to_contain_text("This service asks for an API key.")
        page.keyboard.press("Escape")
        expect(page.locator("#about")).to_contain_text("sign in with the key at the top")


def test_a_writer_adds_and_is_asked_again_once_the_key_is_revoked(
    browser: Browser, address: str, keys: Keys
) -> None:
    _, first = keys.create("a writer", ["write"])
    with page_of(browser, address, quiet=False) as page:
        page.goto("/")
        sign_in(page, first)
        expect(page.locator("#glimpse img")).to_have_count(5)
        keys.revoke("a writer")
        page.get_by_role("button", name="Add pictures to the gallery").click()
        page.locator("#upload-files").set_input_files(PICTURE)  # type: ignore[arg-type]
        _, second = keys.create("a writer", ["write"])
        sign_in(page, second)
        expect(page.locator("#upload-status")).to_have_text("1 picture added.")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Signed in with the key “a writer”").click()
        expect(page.get_by_role("dialog", name="Sign in")).to_contain_text("may search, look, add and remove")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_and_axe_take_it(
    browser: Browser, address: str, keys: Keys, scheme: Literal["light", "dark"], tmp_path: Path
) -> None:
    _, text = keys.create(f"a reader in {scheme} colors, with a phone", ["read"])
    pictures = Path(os.environ.get("CROSSLIGHT_SCREENSHOTS", tmp_path))
    with page_of(browser, address, PHONE, scheme, quiet=False) as page:
        page.goto("/?q=red")
        expect(page.get_by_role("dialog", name="Sign in")).to_be_visible()
        assert overflow(page) <= 0 and violations(page) == []
        page.screenshot(path=pictures / f"sign-in-{scheme}.png")
        sign_in(page, text)
        expect(page.locator("#grid .name").first).to_have_text("red.png")
        assert overflow(page) <= 0
        page.get_by_role("button", name="Signed in with").tap()
        assert overflow(page) <= 0 and violations(page) == []
        page.screenshot(path=pictures / f"signed-in-{scheme}.png")


def test_a_browser_without_cookies_is_told_so(browser: Browser, address: str) -> None:
    taken = {"needed": True, "name": "a reader", "scopes": ["read"]}

    def answer(route: Route) -> None:
        route.fulfill(json=taken) if route.request.method == "POST" else route.continue_()

    with page_of(browser, address, quiet=False) as page:
        page.route("**/v1/sign-in", answer)  # the cookie is lost
        page.goto("/")
        sign_in(page, "cl_1_2")
        sheet = page.get_by_role("dialog", name="Sign in")
        expect(sheet.get_by_role("alert")).to_contain_text("allow cookies for this page")


def test_without_keys_nobody_is_asked(browser: Browser, gallery: Path) -> None:
    with running(create_app(Settings(gallery))) as address, page_of(browser, address) as page:
        page.goto("/")
        expect(page.locator("#glimpse img")).to_have_count(5)
        expect(page.locator("#sign-in-open")).to_be_hidden()
        page.get_by_role("button", name="Add pictures to the gallery").click()
        expect(page.locator("#upload-files")).to_be_enabled()
