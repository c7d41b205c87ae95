"""The JavaScript of docs/doors.md in a real Chromium, in a page of another origin: listed, and not."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from browsing import chromium
from playwright.sync_api import Browser, expect
from serving import fill, running

from api.http import Settings, create_app
from api.http.keys import Keys

TEXT = (Path(__file__).parents[2] / "docs" / "doors.md").read_text("utf-8")
PAGE = """<!doctype html><title>Another site</title><p id="said"></p><script>
%s
const { base, key } = Object.fromEntries(new URLSearchParams(location.search));
search("red", { k: 2, base, key }).then(
  (hits) => {
    for (const hit of hits) document.body.append(Object.assign(new Image(), { src: hit.thumbnail }));
    said.textContent = hits.map((hit) => hit.uri.split("/").pop()).join(" ");
  },
  (error) => (said.textContent = `Refused: ${error.message}`),
);
</script>"""
WIDTHS = """(images) => Promise.all(
  images.map((image) => image.decode().then(() => image.naturalWidth, () => 0)))"""
SHOW = """(source) => document.body.append(Object.assign(new Image(), { src: source }))"""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The origin of a page that is not the service's."""
    (snippet,) = re.findall(r"```javascript\n(.*?)```", TEXT, flags=re.DOTALL)

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write((PAGE % snippet).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.mark.parametrize("keyed", [False, True], ids=["open", "with keys"])
def test_a_page_of_a_listed_origin_searches_and_shows(
    browser: Browser, site: str, tmp_path: Path, keyed: bool
) -> None:
    fill(tmp_path / "gallery", tmp_path / "pictures")
    settings = Settings(tmp_path / "gallery", cors_origins=(site,))
    key = Keys(settings.keys_file).create("site", ["read"])[1] if keyed else ""
    with running(create_app(settings)) as address:
        page = browser.new_page()
        page.goto(f"{site}/?base={address.rstrip('/')}&key={key}")
        expect(page.locator("#said")).to_have_text(re.compile(r"^red.png \w+.png$"))
        widths = page.locator("img").evaluate_all(WIDTHS)
        assert widths[0] == 200 and all(widths)
        page.close()


def test_a_page_of_another_origin_is_refused_answers_and_pictures(
    browser: Browser, site: str, address: str
) -> None:
    page = browser.new_page()
    page.goto(f"{site}/?base={address}")
    expect(page.locator("#said")).to_have_text("Refused: Failed to fetch")
    page.evaluate(SHOW, f"{address}/v1/items/1/thumbnail")
    assert page.locator("img").evaluate_all(WIDTHS) == [0]
    page.goto(f"{address}/healthz")  # while the service's own page is shown it
    page.evaluate(SHOW, f"{address}/v1/items/1/thumbnail")
    assert page.locator("img").evaluate_all(WIDTHS) == [200]
    page.close()
