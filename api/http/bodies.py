"""Reading a request's body: one route takes the same fields as JSON or as a form with files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.datastructures import FormData, UploadFile

from api.http.asking import SearchRequest
from api.http.problems import Problem, invalid
from api.http.schemas import MAX_ITEMS, ItemsRequest, Metadata

JSON = "application/json"
FORM = "multipart/form-data"

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Upload:
    """One picture file of a form."""

    name: str | None
    data: bytes
    metadata: dict[str, Any]


async def search_request(request: Request) -> SearchRequest:
    """Read what to look for; in a form, `image` is a file. A picture by URL is fetched."""
    wanted = await asked_request(request, SearchRequest)
    if wanted.image_url is not None:
        fetcher = request.app.state.settings.fetcher
        wanted.image = await run_in_threadpool(fetcher.fetch, wanted.image_url)
    return wanted


async def asked_request(request: Request, model: type[Model]) -> Model:
    """Read what is asked, as JSON or as a form of which one field may be a picture file."""
    if media_type(request, JSON, FORM) == JSON:
        return _validate(model, await request.body())
    async with request.form(max_files=1) as form:
        fields = {key: await _value(form, key) for key in form}
        like = fields.get("like")
        if isinstance(like, str) and like.isdecimal():
            fields["like"] = int(like)  # a form has no numbers: digits are an id, anything else a uri
        if "signals" in fields:
            fields["signals"] = _signals(fields["signals"])
        return _validate(model, fields)


def _signals(value: Any) -> Any:
    """Read the signals of a form, which are a JSON object in a text."""
    try:
        return json.loads(value)
    except (TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        told = f'must be a JSON object such as {{"lexical": 1}}: {error}'
        raise invalid([{"loc": ("signals",), "msg": told}]) from None


async def items_request(request: Request) -> ItemsRequest | list[Upload]:
    """Read items: JSON describes each one, a form brings picture files under `files`."""
    if media_type(request, JSON, FORM) == JSON:
        return _validate(ItemsRequest, await request.body())
    async with request.form(max_files=MAX_ITEMS) as form:
        return await _uploads(form)


async def _uploads(form: FormData) -> list[Upload]:
    unknown = sorted(set(form) - {"files", "metadata"})
    if unknown:
        raise invalid([{"loc": (unknown[0],), "msg": "unknown field; a form has files and metadata"}])
    files = form.getlist("files")
    if not files:
        raise invalid([{"loc": ("files",), "msg": "send at least one picture"}])
    metadata = _metadata(form.get("metadata"))
    uploads = []
    for file in files:
        if not isinstance(file, UploadFile):
            raise invalid([{"loc": ("files",), "msg": "must be files, not plain values"}])
        uploads.append(Upload(file.filename, await file.read(), metadata))
    return uploads


def _metadata(value: UploadFile | str | None) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, str):
        raise invalid([{"loc": ("metadata",), "msg": "must be JSON text, not a file"}])
    try:
        return TypeAdapter[dict[str, Any]](Metadata).validate_json(value)
    except ValidationError as error:
        raise invalid([{"loc": ("metadata", *e["loc"]), "msg": e["msg"]} for e in error.errors()]) from None


async def _value(form: FormData, key: str) -> Any:
    values = form.getlist(key)
    if len(values) > 1:
        raise invalid([{"loc": (key,), "msg": "given more than once"}])
    value = values[0]
    return await value.read() if isinstance(value, UploadFile) else value


def media_type(request: Request, *taken: str) -> str:
    """Return the type of the request's body; `Problem` for one the route does not take."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in taken:
        raise Problem(415, f"This route takes {' or '.join(taken)}, not {given or 'no content type'}")
    return given


def _validate(model: type[Model], body: bytes | dict[str, Any]) -> Model:
    try:
        # The standard parser reads NaN and Infinity, which JSON does not have; the models refuse them.
        return model.model_validate(json.loads(body) if isinstance(body, bytes) else body)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise Problem(400, f"The body is not JSON: {error}") from None
    except RecursionError:
        raise Problem(400, "The body is nested too deeply") from None
    except ValidationError as error:
        raise invalid(error.errors(include_context=False, include_input=False, include_url=False)) from None
