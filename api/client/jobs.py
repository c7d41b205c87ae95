"""Jobs: long work that the service does, followed as it goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

from api.client.replies import Document
from api.client.requests import Call

JobKind: TypeAlias = Literal["ingest", "migrate", "reindex"]
OVER = ("done", "failed", "cancelled", "interrupted")


@dataclass(frozen=True, slots=True)
class Job:
    """Long work as it stands: `done` of `total` things, then its `result`, or the `reason` it failed."""

    id: str
    kind: JobKind
    state: Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
    done: int
    total: int | None
    reason: str | None
    result: Mapping[str, Any] | None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in OVER


def start(kind: JobKind, asked: Mapping[str, str | bool]) -> Call[Job]:
    return Call("POST", "/jobs", job, json={"kind": kind, **asked})


def listed() -> Call[tuple[Job, ...]]:
    return Call("GET", "/jobs", lambda document: tuple(map(job, document["jobs"])))


def show(job_id: str) -> Call[Job]:
    return Call("GET", _path(job_id), job)


def cancel(job_id: str) -> Call[Job]:
    return Call("DELETE", _path(job_id), job)


def events(job_id: str) -> str:
    """Return where a job is followed, below /v1."""
    return f"{_path(job_id)}/events"


def heard(line: str) -> Job | None:
    """Read a line of server-sent events: what it tells of the job, if anything."""
    return job(json.loads(line.removeprefix("data:"))) if line.startswith("data:") else None


def job(document: Document) -> Job:
    """Read a job."""
    return Job(
        id=document["id"],
        kind=document["kind"],
        state=document["state"],
        done=document["done"],
        total=document["total"],
        reason=document["reason"],
        result=document["result"],
    )


def _path(job_id: str) -> str:
    return f"/jobs/{quote(job_id, safe='')}"
