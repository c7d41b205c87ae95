"""Errors in the shape that the clients of another API expect, and pictures written as text."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse, Response

from api.http.problems import Problem, invalid, problem_of
from api.http.schemas import decode_picture
from engine import BadInput, EngineError, Part, SearchEngine

Handler: TypeAlias = Callable[[Request], Coroutine[Any, Any, Response]]
Shape: TypeAlias = Callable[[Problem], dict[str, Any]]
PICTURE = re.compile(r"data:image/[\w.+-]+;base64,", re.ASCII)
ITEM = re.compile(r"like:(\S+)")
ANY_MODEL = "crosslight"  # the name of whatever model the gallery has


def route_shaped(shape: Shape, mistaken: int = 400) -> type[APIRoute]:
    """Make a route whose errors are documents of a shape; a wrong request is answered with `mistaken`."""

    class Shaped(APIRoute):
        def get_route_handler(self) -> Handler:
            handle = super().get_route_handler()

            async def shaped(request: Request) -> Response:
                try:
                    return await handle(request)
                except Problem as error:
                    problem = error
                except RequestValidationError as error:
                    problem = invalid(error.errors())
                except EngineError as error:
                    problem = problem_of(error)
                status = mistaken if problem.status == 422 else problem.status
                return JSONResponse(shape(problem), status, headers=problem.headers)

            return shaped

    return Shaped


def check_model(wanted: str | None, engine: SearchEngine) -> None:
    """Refuse the name of a model that is not the gallery's: its vectors cannot be compared."""
    if wanted not in (None, ANY_MODEL, engine.model):
        raise Problem(
            404,
            f"The model {wanted!r} does not exist here; this gallery has {engine.model}, "
            f"which {ANY_MODEL!r} names too",
            name="model-not-found",
        )


def part_of(text: str) -> Part:
    """Read a text, a picture written as a `data:` URI, or an item of the gallery written `like:ID`."""
    if PICTURE.match(text):
        return Part(picture=picture_of(text))
    item = ITEM.fullmatch(text)
    if item is None:
        return Part(text=text)
    name = item[1]
    return Part(item=int(name) if name.isdecimal() else name)


def picture_of(text: str) -> bytes:
    """Decode a picture in base64, bare or as a `data:` URI."""
    try:
        data: bytes = decode_picture(text)
    except ValueError as error:
        raise BadInput(f"a picture is {error}" if "base64" in str(error) else str(error)) from None
    return data
