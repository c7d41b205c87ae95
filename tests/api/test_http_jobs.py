"""`/v1/jobs`: long work that is followed, cancelled, and found again after a restart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from PIL import Image
from serving import client_of, picture_bytes, wait_until
from starlette.testclient import TestClient

from api.http import Settings, create_app
from engine import SearchEngine


def make_folder(path: Path, count: int) -> Path:
    path.mkdir()
    for n in range(count):
        Image.new("RGB", (20, 20), (n, 2 * n % 256, 7)).save(path / f"{n:03}.png")
    return path


def start(client: TestClient, **wanted: Any) -> dict[str, Any]:
    response = client.post("/v1/jobs", json=wanted)
    assert response.status_code == 202, response.text
    return response.json()  # type: ignore[no-any-return]


def over(client: TestClient, job: dict[str, Any]) -> dict[str, Any]:
    now: dict[str, Any] = {}

    def is_over() -> bool:
        now.update(client.get(f"/v1/jobs/{job['id']}").json())
        return now["ended"] is not None

    wait_until(is_over, seconds=60)
    return now


def test_a_folder_is_ingested_and_followed(gallery: Path, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "in", 5)
    with client_of(create_app(Settings(gallery, source_roots=(tmp_path,)))) as client:
        job = start(client, kind="ingest", source=str(folder))
        events = client.get(f"/v1/jobs/{job['id']}/events")
        assert events.headers["content-type"].startswith("text/event-stream")
        names = [one.removeprefix("event: ") for one in events.text.splitlines() if one.startswith("event")]
        assert names[-1] == "end"
        last = json.loads([one for one in events.text.splitlines() if one.startswith("data: ")][-1][6:])
        assert (last["state"], last["result"]["added"], last["done"]) == ("done", 5, 5)
        assert client.get("/v1/info").json()["items"] == 12
        assert [one["id"] for one in client.get("/v1/jobs").json()["jobs"]] == [job["id"]]


def test_a_source_outside_the_allowed_folders_is_refused(gallery: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with client_of(create_app(Settings(gallery, source_roots=(tmp_path / "in",)))) as client:
        for source, status in (
            ("/etc", 403),
            (f"{tmp_path}/in/../pictures", 403),
            (f"{tmp_path}/in/no", 422),
        ):
            response = client.post("/v1/jobs", json={"kind": "ingest", "source": source})
            assert response.status_code == status, source
    with client_of(create_app(Settings(gallery))) as client:
        response = client.post("/v1/jobs", json={"kind": "ingest", "source": str(tmp_path / "in")})
        assert response.status_code == 403 and "source_roots" in response.json()["detail"]


def test_while_a_job_writes_others_are_told_and_a_cancelled_one_stops(gallery: Path, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "in", 200)
    item = {"items": [{"uri": "n", "kind": "text", "text": "t"}]}
    with client_of(create_app(Settings(gallery, source_roots=(tmp_path,)))) as client:
        with SearchEngine.open(gallery) as other, other.writing():
            failed = over(client, start(client, kind="ingest", source=str(folder)))
            assert failed["state"] == "failed" and "being written" in failed["reason"]
        job = start(client, kind="ingest", source=str(folder))
        waiting = start(client, kind="reindex")
        refused = client.post("/v1/items", json=item)
        assert refused.status_code in (200, 409)
        if refused.status_code == 409:
            assert job["id"] in refused.json()["detail"] and refused.headers["retry-after"]
        assert client.delete(f"/v1/jobs/{waiting['id']}").json()["state"] in (
            "cancelled",
            "queued",
            "running",
        )
        client.delete(f"/v1/jobs/{job['id']}")
        assert over(client, job)["state"] in ("cancelled", "done")
        assert client.delete(f"/v1/jobs/{job['id']}").status_code == 409
        assert client.get("/v1/jobs/none").status_code == 404
        wait_until(lambda: client.post("/v1/items", json=item).status_code == 200)


def test_reindexing_finds_what_was_found_before(client: TestClient) -> None:
    before = client.post("/v1/search", json={"text": "red"}).json()["hits"]
    assert over(client, start(client, kind="reindex"))["state"] == "done"
    assert client.post("/v1/search", json={"text": "red"}).json()["hits"] == before


def test_what_was_under_way_is_interrupted_after_a_restart(gallery: Path) -> None:
    settings = Settings(gallery)
    with client_of(create_app(settings)) as client:
        done = over(client, start(client, kind="reindex"))
    path = settings.state / "jobs" / f"{done['id']}.json"
    kept = json.loads(path.read_text("utf-8"))
    path.with_stem("abc").write_text(json.dumps({**kept, "id": "abc", "state": "running", "ended": None}))
    with client_of(create_app(settings)) as client:
        states = {one["id"]: one["state"] for one in client.get("/v1/jobs").json()["jobs"]}
    assert states == {done["id"]: "done", "abc": "interrupted"}


def test_the_model_is_changed_while_it_serves(gallery: Path, tmp_path: Path) -> None:
    model = tiny_clip(tmp_path)
    with client_of(create_app(Settings(gallery, device="cpu"))) as client:
        before = client.post("/v1/search", json={"text": "red"}).json()["hits"]
        unknown = over(client, start(client, kind="migrate", model="no-such-model"))
        assert unknown["state"] == "failed" and "no-such-model" in unknown["reason"]
        assert client.post("/v1/search", json={"text": "red"}).json()["hits"] == before

        changed = over(client, start(client, kind="migrate", model=model))
        assert (changed["state"], changed["reason"]) == ("done", None)
        assert (changed["result"]["old"], changed["result"]["new"]) == ("color", model)
        assert changed["result"]["switched"] and changed["done"] == changed["total"]
        assert client.get("/v1/info").json()["model"] == model
        hits = client.post("/v1/search", json={"text": "red", "rerank": False}).json()["hits"]
        assert len(hits) == 5 and hits[0]["score"] != before[0]["score"]
        assert client.post("/v1/items", files={"files": picture_bytes("pink")}).json()["added"] == 1
        assert client.get("/v1/health").json()["status"] == "ok"


def tiny_clip(folder: Path) -> str:
    """Make a small real checkpoint of an open_clip model, and return its key."""
    config = {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    }
    name = "crosslight-jobs-test"
    (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder / f"{name}.json")
    torch.save(open_clip.create_model(name).state_dict(), folder / "weights.pt")
    return f"open_clip:{name}@{folder / 'weights.pt'}"
