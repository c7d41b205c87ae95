"""A gallery of small colored pictures, a client of the app over it, and a Chromium for the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import chromium, page_of
from playwright.sync_api import Browser, Page
from serving import client_of, fill
from starlette.testclient import TestClient

from api.http import Settings, create_app


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    fill(tmp_path / "gallery", tmp_path / "pictures")
    return tmp_path / "gallery"


@pytest.fixture
def client(gallery: Path) -> Iterator[TestClient]:
    with client_of(create_app(Settings(gallery))) as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium for one file of tests: while it is there, its event loop allows no other in this process."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The start page of the server at `address`, which each file of tests has its own."""
    with page_of(browser, address) as page:
        page.goto("/")
        yield page
