"""Every error as one shape: an RFC 9457 problem document, `application/problem+json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from engine.errors import (
    BadInput,
    BadPicture,
    EngineError,
    GalleryBusy,
    GalleryMismatch,
    ItemNotFound,
    ModelUnavailable,
    SessionExpired,
    SessionNotFound,
    StorageFailed,
)

MEDIA_TYPE = "application/problem+json"

# The most specific class comes first; the name is the last part of the problem's `type`.
ENGINE_PROBLEMS: tuple[tuple[type[EngineError], int, str, str], ...] = (
    (BadPicture, 422, "bad-picture", "The picture cannot be read"),
    (BadInput, 422, "bad-input", "The request cannot be answered as it is"),
    (ItemNotFound, 404, "item-not-found", "No such item"),
    (SessionExpired, 410, "session-expired", "The conversation is over"),
    (SessionNotFound, 404, "session-not-found", "No such conversation"),
    (GalleryBusy, 409, "gallery-busy", "Another process is writing to the gallery"),
    (GalleryMismatch, 409, "gallery-mismatch", "The gallery was made by another model or a newer version"),
    (StorageFailed, 507, "storage-failed", "The gallery could not be written"),
    (ModelUnavailable, 503, "model-unavailable", "The model is not on this machine"),
)
INVALID = ("invalid-request", "The request does not fit the description of this route")


class Problem(Exception):
    """Raised by a handler to answer with a problem document."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        name: str | None = None,
        title: str | None = None,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.name = name
        self.title = title
        self.errors = errors
        self.headers = headers


def invalid(errors: Sequence[Any]) -> Problem:
    """Turn pydantic's list of errors into one problem that names each wrong field."""
    listed = [{"field": _field(error["loc"]), "detail": str(error["msg"])} for error in errors]
    detail = "; ".join(f"{error['field']}: {error['detail']}" for error in listed)
    return Problem(422, detail, name=INVALID[0], title=INVALID[1], errors=listed)


def problem_response(
    problem: Problem, instance: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Write a problem document; without a name of its own its type is `about:blank`, as the RFC asks."""
    document = {**document_of(problem), "instance": instance}
    if problem.errors:
        document["errors"] = [dict(error) for error in problem.errors]
    marked = {**(problem.headers or {}), **(headers or {})}
    return JSONResponse(document, problem.status, headers=marked, media_type=MEDIA_TYPE)


def document_of(problem: Problem) -> dict[str, Any]:
    """Describe a problem, but for the request it is about."""
    return {
        "type": f"urn:crosslight:problem:{problem.name}" if problem.name else "about:blank",
        "title": problem.title or HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
    }


def problem_of(error: EngineError | Problem) -> Problem:
    """Give an engine's error its status; a kind not in the table is our own mistake."""
    if isinstance(error, Problem):
        return error
    for kind, status, name, title in ENGINE_PROBLEMS:
        if isinstance(error, kind):
            return Problem(status, str(error), name=name, title=title)
    return Problem(500, str(error))


def install(app: FastAPI) -> None:
    """Answer every error that a handler raises on purpose with a problem document."""

    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> JSONResponse:
        return problem_response(error, request.url.path)

    @app.exception_handler(EngineError)
    async def _engine(request: Request, error: EngineError) -> JSONResponse:
        return problem_response(problem_of(error), request.url.path)

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> JSONResponse:
        return problem_response(invalid(error.errors()), request.url.path)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        detail = _DETAILS.get(error.status_code, "{detail}")
        text = detail.format(detail=error.detail, method=request.method, path=request.url.path)
        return problem_response(Problem(error.status_code, text), request.url.path, error.headers)

    @app.exception_handler(ClientDisconnect)
    async def _gone(request: Request, error: ClientDisconnect) -> JSONResponse:
        # Nobody reads this answer; without it the log would call a closed page our error.
        return problem_response(Problem(400, "The client went away"), request.url.path)


_DETAILS = {
    404: "There is nothing at {path}",
    405: "{method} is not possible at {path}",
}


def _field(path: Sequence[Any]) -> str:
    return ".".join(str(step) for step in path) or "body"
