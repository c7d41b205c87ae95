"""Pictures by URL: off by default, from allowed hosts alone, and never from inside the network."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from serving import client_of, picture_bytes
from starlette.testclient import TestClient

from api.http import Settings, create_app
from api.http.fetching import Fetcher, _is_public
from engine import BadInput

PICTURE = picture_bytes("cyan", (50, 20))
LIMIT = 50_000


class Site(BaseHTTPRequestHandler):
    """A site with a picture, redirects of every kind, and an answer that never ends."""

    def do_GET(self) -> None:
        target = {
            "/hop": "/picture.png",
            "/away": "http://127.0.0.2/picture.png",
            "/inside": "http://169.254.169.254/latest/meta-data",
            "/file": "file:///etc/passwd",
            "/round": "/round",
        }.get(self.path)
        if target is not None:
            self.send_response(302)
            self.send_header("location", target)
            self.end_headers()
        elif self.path == "/picture.png":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(PICTURE)
        elif self.path in ("/large", "/slow"):
            self.send_response(200)
            self.end_headers()
            try:
                for _ in range(200):
                    self.wfile.write(b"x" * (1_000 if self.path == "/large" else 1))
                    time.sleep(0 if self.path == "/large" else 0.05)
            except OSError:
                pass  # the fetcher has had enough
        else:
            self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def fetcher(host: str, **changed: object) -> Fetcher:
    settings = {"hosts": (host,), "addresses": ("127.0.0.1",), "max_bytes": LIMIT, "seconds": 5.0, **changed}
    return Fetcher(**settings)  # type: ignore[arg-type]


def test_a_picture_is_fetched_from_an_allowed_host_over_a_redirect() -> None:
    with site() as host:
        assert fetcher(host).fetch(f"http://{host}/picture.png") == PICTURE
        assert fetcher(host).fetch(f"http://{host}/hop") == PICTURE


def test_each_way_round_is_refused() -> None:
    with site() as host:
        for path, said in {
            "/away": "not fetched from 127.0.0.2",
            "/inside": "not fetched from 169.254.169.254",
            "/file": "is no URL of a picture",
            "/round": "redirects more than 3 times",
            "/large": f"limit of {LIMIT} bytes",
            "/none": "answers 404",
        }.items():
            with pytest.raises(BadInput, match=said):
                fetcher(host).fetch(f"http://{host}{path}")
        with pytest.raises(BadInput, match="too long|timed out"):
            fetcher(host, seconds=0.4).fetch(f"http://{host}/slow")
        with pytest.raises(BadInput, match="not public"):
            fetcher(host, addresses=()).fetch(f"http://{host}/picture.png")
        with pytest.raises(BadInput, match="set url_hosts"):
            fetcher(host, hosts=()).fetch(f"http://{host}/picture.png")
        port = host.partition(":")[2]
        with pytest.raises(BadInput, match="not public"):  # a name that leads inside
            fetcher(f"localhost:{port}", addresses=()).fetch(f"http://localhost:{port}/picture.png")


@pytest.mark.parametrize(
    "url", ["", "picture.png", "ftp://a/b", "http://", "http://u:p@a/b", "http://a:99999/"]
)
def test_what_is_no_url_of_a_picture_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="no URL"):
        fetcher("a").fetch(url)


def test_addresses_of_networks_of_ones_own_are_not_public() -> None:
    inside = (
        "127.0.0.1 10.1.2.3 192.168.1.1 172.16.0.1 169.254.1.1 0.0.0.0 100.64.0.1 224.0.0.1 ::1 fe80::1%eth0"
    )
    carried = "::ffff:127.0.0.1 ::ffff:10.0.0.1 fc00::1 64:ff9b::7f00:1 2002:7f00:1:: ff02::1"
    for address in f"{inside} {carried}".split():
        assert not _is_public(address), address
    for address in ("93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:8.8.8.8"):
        assert _is_public(address), address


def test_a_url_may_stand_where_a_picture_may(gallery: Path) -> None:
    with site() as host:
        settings = Settings(gallery, url_hosts=(host,), url_addresses=("127.0.0.1",))
        with client_of(create_app(settings)) as client:
            items = [
                {"uri": "web:1", "kind": "image", "image_url": f"http://{host}/picture.png"},
                {"uri": "web:2", "kind": "image", "image_url": f"http://{host}/none"},
                {"uri": "web:3", "kind": "text", "text": "three"},
            ]
            told = client.post("/v1/items", json={"items": items}).json()["items"]
            assert [one["status"] for one in told] == ["added", "failed", "added"]
            assert "answers 404" in told[1]["reason"] and told[1]["uri"] == "web:2"
            found = client.post("/v1/search", json={"image_url": f"http://{host}/hop", "k": 1})
            assert found.json()["hits"][0]["uri"] == "web:1"


def test_without_the_setting_no_url_is_fetched(client: TestClient) -> None:
    response = client.post("/v1/search", json={"image_url": "http://127.0.0.1/picture.png"})
    assert response.status_code == 422 and "url_hosts" in response.json()["detail"]
