"""`serve` as a process of its own: where it listens, what it prints, how it stops, what it refuses."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from serving import picture_bytes, running, wait_until

from api.http import Settings, create_app, serve
from api.http.server import listen, url
from engine import BadInput, GalleryMismatch, SearchEngine

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import sys
from pathlib import Path
from urllib.parse import urlsplit
from api.http import Settings, serve
serve(Settings(Path(sys.argv[1]), port=0))
"""
PART_HEAD = b'--b\r\ncontent-disposition: form-data; name="image"; filename="a"\r\n\r\n'
NOWHERE = [("no.such.host.invalid", 0), ("203.0.113.1", 0), ("127.0.0.1", 70000)]


@contextmanager
def process(gallery: Path, log: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    with log.open("wb") as errors:
        command = [sys.executable, "-c", CODE, str(gallery)]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, cwd=ROOT)

    def announced() -> bool:
        assert server.poll() is None, log.read_text()
        return "Crosslight is at" in log.read_text()

    try:
        wait_until(announced, seconds=60)
        found = re.search(r"Crosslight is at (\S+)", log.read_text())
        assert found is not None
        wait_until(lambda: answers(found[1]), seconds=30)
        yield server, found[1]
    finally:
        server.kill()
        server.communicate()


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_it_serves_logs_to_stderr_only_and_stops_cleanly(gallery: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with process(gallery, log) as (server, address):
        assert httpx.post(f"{address}v1/search", json={"text": "red"}).status_code == 200
        data = (tmp_path / "pictures" / "red.png").read_bytes() + b"more"
        assert httpx.post(f"{address}v1/items", files={"files": data}).json()["added"] == 1
        server.send_signal(signal.SIGINT)
        stdout, _ = server.communicate(timeout=20)
        assert (server.returncode, stdout) == (0, b"")
    assert "POST /v1/search" in log.read_text()
    assert "Traceback" not in log.read_text()
    with SearchEngine.open(gallery) as engine:  # its writer lock is free again
        assert engine.remove(["note:1"]) == 1


def test_a_request_under_way_is_finished_before_it_stops(gallery: Path, tmp_path: Path) -> None:
    big = picture_bytes("red", (2000, 2000))
    with process(gallery, tmp_path / "log") as (server, address):
        with httpx.Client(base_url=address, timeout=30) as client:

            def body() -> Iterator[bytes]:
                half = len(big) // 2
                yield PART_HEAD + big[:half]
                server.send_signal(signal.SIGTERM)
                time.sleep(0.3)
                yield big[half:] + b"\r\n--b--\r\n"

            headers = {"content-type": "multipart/form-data; boundary=b"}
            response = client.post("v1/search", content=body(), headers=headers)
        assert response.status_code == 200, response.text
        assert server.wait(20) == 0


def test_a_client_that_goes_away_is_not_our_error(gallery: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The page drops a search as soon as the reader starts another."""
    with running(create_app(Settings(gallery))) as address:
        with socket.create_connection((urlsplit(address).hostname, urlsplit(address).port)) as client:
            client.sendall(
                b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            )
            client.sendall(b"Content-Length: 100\r\n\r\n{")
            time.sleep(0.2)
        assert httpx.get(f"{address}healthz").status_code == 200
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_port_in_use_is_named(gallery: Path) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadInput, match=f"127.0.0.1, port {port}: Address already in use"):
            serve(Settings(gallery, port=port))


@pytest.mark.parametrize(("host", "port"), NOWHERE)
def test_an_address_that_is_not_here_is_named(gallery: Path, host: str, port: int) -> None:
    with pytest.raises(BadInput, match=f"cannot listen on {host}, port {port}: "):
        serve(Settings(gallery, host=host, port=port, allow_open=True))


def test_a_missing_gallery_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no gallery at .*missing"):
        serve(Settings(tmp_path / "missing", port=0))
    assert not (tmp_path / "missing").exists()


def test_another_model_than_the_gallerys_is_refused(gallery: Path) -> None:
    with pytest.raises(GalleryMismatch, match="made by the model color"):
        serve(Settings(gallery, "mini", port=0))


def test_the_address_can_be_typed_into_a_browser() -> None:
    for host, shown in [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "localhost"), ("::1", "[::1]")]:
        try:
            listener = listen(host, 0)
        except BadInput:
            assert host == "::1"  # a machine without IPv6
            continue
        with listener:
            assert re.fullmatch(rf"http://{re.escape(shown)}:\d+/", url(listener))
