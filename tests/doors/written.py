"""Pictures written as text."""

from __future__ import annotations

import base64


def data_uri(data: bytes, media_type: str = "image/png") -> str:
    """A picture file's bytes as a `data:` URI."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
