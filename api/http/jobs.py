"""Long work, one job at a time: queued, told of as it goes on, cancelled, kept over a restart.

A job is a small JSON file, written when its state changes. What was under way when the service ended is
found as `interrupted` at the next start; the same job can be asked for again and goes on where it was.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Lock
from typing import Any, Literal, TypeAlias

from api.documents import Document
from api.http.state import Service
from api.work import KINDS, Stopped
from engine.errors import EngineError

State: TypeAlias = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
KEPT = 100  # jobs that have ended, the latest
log = logging.getLogger("crosslight")


@dataclass(slots=True)
class Job:
    """One piece of long work, as it stands."""

    id: str
    kind: str
    gallery: str
    asked: Mapping[str, Any]
    state: State
    created: str
    started: str | None = None
    ended: str | None = None
    done: int = 0
    total: int | None = None
    reason: str | None = None
    result: Document | None = None
    version: int = field(default=0, compare=False)  # grows with whatever changes

    @property
    def is_over(self) -> bool:
        return self.state not in ("queued", "running")

    def document(self) -> Document:
        document = asdict(self)
        del document["version"]
        return document


class Jobs:
    """The jobs of a server, and the one thread that does them."""

    def __init__(self, folder: Path, services: Mapping[str, Service]) -> None:
        self._folder = folder
        self._services = services
        self._lock = Lock()
        self._stops: dict[str, Event] = {}
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="job")
        self._jobs: dict[str, Job] = {}
        self.closing = False
        for path in sorted(folder.glob("*.json")):
            self._load(path)

    def listed(self) -> list[Job]:
        """Return every job, the latest first."""
        return sorted(self._jobs.values(), key=lambda job: job.created, reverse=True)

    def get(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id)

    def start(self, kind: str, gallery: str, asked: Mapping[str, Any]) -> Job:
        """Queue a job."""
        job = Job(secrets.token_hex(6), kind, gallery, dict(asked), "queued", _now())
        with self._lock:
            self._jobs[job.id] = job
            self._stops[job.id] = Event()
        self._keep(job)
        self._worker.submit(self._do, job)
        return job

    def cancel(self, job: Job) -> None:
        """Stop a job after what it has in hand; one that waits is never begun."""
        self._stops[job.id].set()
        if job.state == "queued":
            self._change(job, state="cancelled", ended=_now())

    def close(self) -> None:
        """Stop what is under way; it is found as interrupted at the next start."""
        self.closing = True
        for stop in self._stops.values():
            stop.set()
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _do(self, job: Job) -> None:
        stop = self._stops[job.id]
        if stop.is_set():
            return
        service = self._services[job.gallery]
        work, writes = KINDS[job.kind]
        self._change(job, state="running", started=_now())
        if writes:
            service.writer = f"job {job.id} ({job.kind})"
        try:
            result = work(service.engine, job.asked, lambda done, total: self._tell(job, done, total), stop)
            self._change(job, state="done", ended=_now(), result=result)
        except Stopped:
            state: State = "interrupted" if self.closing else "cancelled"
            self._change(job, state=state, ended=_now())
        except (EngineError, OSError) as error:
            self._change(job, state="failed", ended=_now(), reason=str(error))
        except Exception as error:
            log.exception("job %s failed", job.id)
            self._change(job, state="failed", ended=_now(), reason=f"{type(error).__name__}; see the log")
        finally:
            service.writer = None

    def _tell(self, job: Job, done: int, total: int | None) -> None:
        job.done, job.total = done, total
        job.version += 1

    def _change(self, job: Job, **changes: Any) -> None:
        with self._lock:
            for name, value in changes.items():
                setattr(job, name, value)
            job.version += 1
            log.info("job %s (%s of %s) is %s", job.id, job.kind, job.gallery, job.state)
        self._keep(job)

    def _keep(self, job: Job) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        aside = self._folder / f".{job.id}.{os.getpid()}"
        aside.write_text(json.dumps(job.document()), "utf-8")
        aside.replace(self._folder / f"{job.id}.json")
        for old in [one for one in self.listed() if one.is_over][KEPT:]:
            self._jobs.pop(old.id, None)
            (self._folder / f"{old.id}.json").unlink(missing_ok=True)

    def _load(self, path: Path) -> None:
        try:
            job = Job(**json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            log.warning("%s is no job; it is left alone", path)
            return
        self._jobs[job.id] = job
        if not job.is_over:
            job.state, job.ended = "interrupted", _now()
            self._keep(job)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
