"""The shapes of requests, as the OpenAPI document shows them; those of replies are in `replies.py`."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    WithJsonSchema,
    model_validator,
)

Kind: TypeAlias = Literal["image", "text"]
Scalar: TypeAlias = str | int | FiniteFloat | bool | None
Metadata: TypeAlias = Annotated[
    dict[str, Scalar], Field(description="Names and plain values kept with the item.", max_length=64)
]

MAX_ITEMS = 1_000
URL_MEANING = "Where the picture is fetched from, if the setting `url_hosts` allows it."
MAX_ID = 2**63 - 1  # ids are signed 64-bit integers


def decode_picture(value: Any) -> Any:
    """Decode base64, bare or in a `data:` URI; anything else passes through to the validator."""
    if not isinstance(value, str):
        return value
    head, comma, rest = value.partition(",")
    if head.startswith("data:"):
        if not comma or not head.endswith(";base64"):
            raise ValueError("a data URI must read data:<type>;base64,<picture>")
        value = rest
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from None


PictureBytes: TypeAlias = Annotated[
    bytes,
    BeforeValidator(decode_picture),
    WithJsonSchema(
        {
            "type": "string",
            "contentEncoding": "base64",
            "description": "A picture file's bytes in base64, bare or as a `data:` URI.",
        }
    ),
]


def check_item(value: int | str) -> int | str:
    """Refuse an id that no item can have, and an empty uri."""
    if isinstance(value, int) and not 1 <= value <= MAX_ID:
        raise ValueError(f"an id is 1 to {MAX_ID}")
    if value == "":
        raise ValueError("a uri is not empty")
    return value


ItemName: TypeAlias = Annotated[
    int | str,
    AfterValidator(check_item),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": MAX_ID},
                {"type": "string", "minLength": 1},
            ],
            "description": "An item of the gallery, by its id or its uri; finds more like it.",
        }
    ),
]


class Strict(BaseModel):
    """A request: unknown fields are refused, so a misspelled one cannot pass unseen."""

    model_config = ConfigDict(extra="forbid")


class TextItem(Strict):
    """A text to keep."""

    uri: str = Field(min_length=1, description="The name the item is known by; adding it again replaces it.")
    kind: Literal["text"]
    text: str = Field(min_length=1)
    metadata: Metadata = {}


class ImageItem(Strict):
    """A picture to keep, with its caption if it has one."""

    uri: str = Field(min_length=1, description="The name the item is known by; adding it again replaces it.")
    kind: Literal["image"]
    image: PictureBytes | None = None
    image_url: str | None = Field(None, max_length=4096, description=URL_MEANING)
    text: str | None = Field(None, description="The picture's caption.")
    metadata: Metadata = {}

    @model_validator(mode="after")
    def _one_picture(self) -> ImageItem:
        if (self.image is None) == (self.image_url is None):
            raise ValueError("a picture item has an image or an image_url")
        return self


AnyItem: TypeAlias = Annotated[TextItem | ImageItem, Field(discriminator="kind")]


class ItemsRequest(Strict):
    """Items to add or replace."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "uri": "note:1",
                            "kind": "text",
                            "text": "A red barn at dusk",
                            "metadata": {"year": 2026},
                        }
                    ]
                }
            ]
        }
    )

    items: list[AnyItem] = Field(min_length=1, max_length=MAX_ITEMS)


class SignInRequest(Strict):
    """A key for the browser to keep."""

    key: str = Field(max_length=200, description="An API key made by `crosslight keys create`.")
