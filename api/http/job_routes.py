"""`/v1/jobs`: starting, following, listing and cancelling long work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from fastapi import APIRouter, Body, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import Field

from api.documents import Document
from api.http.access import ADMIN, READ
from api.http.jobs import Job, Jobs
from api.http.openapi import problems
from api.http.problems import Problem
from api.http.replies import JobReply, JobsReply
from api.http.schemas import Strict
from api.http.settings import Settings
from api.http.state import Serviced

router = APIRouter(tags=["jobs"])
STEP = 0.2  # seconds between two looks at a job that is followed
QUIET = 15.0  # seconds without news after which a comment keeps the connection alive


class IngestJob(Strict):
    """Bring what lies on the server's disk into the gallery."""

    kind: Literal["ingest"]
    source: str = Field(min_length=1, description="A folder, tar or table under one of `source_roots`.")
    sync: bool = Field(False, description="Remove what is gone from the folder.")
    ocr: bool = Field(False, description="Read the text in pictures too.")


class MigrateJob(Strict):
    """Change the gallery's model while it serves."""

    kind: Literal["migrate"]
    model: str = Field(min_length=1, description="The model's key.")
    allow_missing: bool = Field(False, description="Change even where pictures cannot be read any more.")


class ReindexJob(Strict):
    """Build the index anew from the stored vectors."""

    kind: Literal["reindex"]


JobRequest: TypeAlias = Annotated[
    IngestJob | MigrateJob | ReindexJob, Body(discriminator="kind", examples=[{"kind": "reindex"}])
]


def jobs(request: Request) -> Jobs:
    """Give a handler the server's jobs."""
    running: Jobs | None = getattr(request.app.state, "jobs", None)
    if running is None:
        raise Problem(503, "The gallery is not open")
    return running


def job(running: Annotated[Jobs, Depends(jobs)], service: Serviced, id: str) -> Job:
    """Give a handler the job that the path names."""
    found = running.get(id)
    if found is None or found.gallery != service.name:
        raise Problem(404, f"{service.name} has no job {id!r}; GET /v1/jobs lists them")
    return found


Running: TypeAlias = Annotated[Jobs, Depends(jobs)]
Named: TypeAlias = Annotated[Job, Depends(job)]


@router.post(
    "/jobs",
    summary="Start long work",
    status_code=202,
    response_model=JobReply,
    responses=problems(400, 401, 403, 422, 429, 503),
    dependencies=[ADMIN],
)
def start(running: Running, service: Serviced, wanted: JobRequest, request: Request) -> Document:
    """Queue a job: an ingest from the server's disk, a change of model, a new index. One runs at a time."""
    asked = wanted.model_dump(exclude={"kind"})
    if isinstance(wanted, IngestJob):
        asked["source"] = str(allowed_source(wanted.source, request.app.state.settings))
    return running.start(wanted.kind, service.name, asked).document()


@router.get(
    "/jobs",
    summary="The jobs, the latest first",
    response_model=JobsReply,
    responses=problems(401, 403, 429, 503),
    dependencies=[READ],
)
def listed(running: Running, service: Serviced) -> Document:
    """List the gallery's jobs: those that wait and run, and the last hundred that have ended."""
    return {"jobs": [one.document() for one in running.listed() if one.gallery == service.name]}


@router.get(
    "/jobs/{id}",
    summary="How a job stands",
    response_model=JobReply,
    responses=problems(401, 403, 404, 422, 429, 503),
    dependencies=[READ],
)
def show(job: Named) -> Document:
    """Tell a job's state and how far it is."""
    return job.document()


@router.delete(
    "/jobs/{id}",
    summary="Cancel a job",
    status_code=202,
    response_model=JobReply,
    responses=problems(401, 403, 404, 409, 422, 429, 503),
    dependencies=[ADMIN],
)
def cancel(running: Running, job: Named) -> Document:
    """Stop a job after the batch in hand; what was committed stays."""
    if job.is_over:
        raise Problem(409, f"Job {job.id} is {job.state} already")
    running.cancel(job)
    return job.document()


@router.get(
    "/jobs/{id}/events",
    summary="Follow a job",
    response_class=EventSourceResponse,
    responses=problems(401, 403, 404, 422, 429, 503),
    dependencies=[READ],
)
async def follow(running: Running, job: Named) -> AsyncIterable[ServerSentEvent]:
    """Tell of a job as it goes on, as server-sent events; the last one, `end`, comes when it is over."""
    seen, quiet = -1, 0.0
    while True:
        over = job.is_over or running.closing
        if job.version != seen or over:
            seen, quiet = job.version, 0.0
            yield ServerSentEvent(data=job.document(), event="end" if over else "progress")
        if over:
            return
        await asyncio.sleep(STEP)
        quiet += STEP
        if quiet >= QUIET:
            quiet = 0.0
            yield ServerSentEvent(comment="still there")


def allowed_source(source: str, settings: Settings) -> Path:
    """Return a source's real path; `Problem` for one outside the folders that requests may name."""
    path = Path(source).resolve()
    roots = [root.resolve() for root in settings.source_roots]
    if not any(path.is_relative_to(root) for root in roots):
        allowed = ", ".join(map(str, settings.source_roots)) or "none; the setting source_roots allows some"
        raise Problem(403, f"{source} is not under a folder that may be read over HTTP; allowed: {allowed}")
    if not path.exists():
        raise Problem(422, f"There is no {source} on this server", name="bad-input")
    return path
