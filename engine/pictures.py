"""Decode a picture file into an upright RGB picture, or say why it cannot be done.

Only raster formats that Pillow decodes by itself are opened: no PostScript, no SVG, nothing that
starts another program.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from engine.errors import BadPicture

# Pillow's own limit against decompression bombs; it warns above it and refuses twice of it.
MAX_PIXELS = 89_478_485
MAX_BYTES = 256 * 1024 * 1024
MEMBER_SCHEME = "member:"
for _plugin in ("Jpeg", "Png", "WebP", "Gif", "Bmp", "Tiff", "Ppm", "Avif"):
    with suppress(ImportError):  # AVIF is missing from some builds; Pillow would load all of its forty
        import_module(f"PIL.{_plugin}ImagePlugin")
FORMATS = tuple(
    str(name) for name in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF") if name in Image.OPEN
)


@dataclass(frozen=True, slots=True)
class Picture:
    """An upright RGB picture, with the SHA-256 of the bytes it came from.

    `size` and `mtime_ns` are those of the file; they are `None` for a picture out of memory.
    `origin` is the URI of a member, where the bytes can be read again.
    """

    image: Image.Image
    digest: str
    width: int
    height: int
    format: str
    size: int | None = None
    mtime_ns: int | None = None
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """Bytes inside a file: a picture in an uncompressed tar, read where it is and never unpacked."""

    path: Path
    start: int
    size: int

    @property
    def uri(self) -> str:
        """Name the place: `member:/folder/set.tar#START+SIZE`."""
        return f"{MEMBER_SCHEME}{file_uri(self.path).removeprefix('file://')}#{self.start}+{self.size}"

    def read(self) -> bytes:
        """Read the bytes, fewer of them where the file ends before."""
        with self.path.open("rb") as file:
            file.seek(self.start)
            return file.read(self.size)


def member_at(uri: str) -> Member | None:
    """Return the member a URI names, or `None` for any other URI."""
    if not uri.startswith(MEMBER_SCHEME):
        return None
    path, _, place = uri.removeprefix(MEMBER_SCHEME).rpartition("#")
    start, _, size = place.partition("+")
    return Member(Path(os.fsdecode(unquote_to_bytes(path))), int(start), int(size))


def file_uri(path: Path) -> str:
    """Return the file: URI of a path; bytes that are not UTF-8 are percent-encoded."""
    return Path(path).resolve().as_uri()


def uri_path(uri: str) -> Path | None:
    """Return the path a file: URI names, or `None` for any other URI."""
    if uri.startswith("file:///") and not any(mark in uri for mark in "%?#"):
        return Path(uri.removeprefix("file://"))  # as nearly all are, in a fraction of the time
    parts = urlsplit(uri)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        return None
    return Path(os.fsdecode(unquote_to_bytes(parts.path)))


def is_gone(path: Path) -> bool:
    """Say whether a file is certainly not there; what cannot be looked at is not gone."""
    try:
        path.lstat()
        return False
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:  # such as a folder that may not be entered
        return False


def load_picture(
    source: Path | bytes | Member, look: Callable[[ImageFile.ImageFile], None] = lambda opened: None
) -> Picture:
    """Decode a file, a member or bytes: first frame, EXIF rotation applied, transparency on white.

    `look` is shown the opened file before its pixels are decoded: its size, and what it says of itself.
    Raises `BadPicture` when it is empty, cut off, not a picture, or over a limit.
    """
    if isinstance(source, bytes):
        return _decode(source, None, look)
    try:
        status = (source.path if isinstance(source, Member) else source).stat()
        _check_bytes(source.size if isinstance(source, Member) else status.st_size)
        data = source.read() if isinstance(source, Member) else source.read_bytes()
    except OSError as error:
        raise BadPicture(f"cannot be read: {error.strerror or error}") from error
    picture = _decode(data, status, look)
    return replace(picture, size=source.size, origin=source.uri) if isinstance(source, Member) else picture


def _decode(
    data: bytes, status: os.stat_result | None, look: Callable[[ImageFile.ImageFile], None]
) -> Picture:
    _check_bytes(len(data))
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as opened:
            _check_pixels(*opened.size)
            look(opened)
            image_format = opened.format or "unknown"
            image = _upright_rgb(opened)
    except UnidentifiedImageError as error:
        raise BadPicture(f"not a picture in a format that is read ({', '.join(FORMATS)})") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadPicture(f"over the limit of {MAX_PIXELS:,} pixels; make it smaller first") from error
    except MemoryError as error:
        raise BadPicture("too large for the memory of this machine; make it smaller first") from error
    except BadPicture:
        raise
    # Pillow's decoders raise many types on hostile bytes (OSError, SyntaxError, struct.error, ...).
    except Exception as error:
        raise BadPicture(f"cut off or damaged ({error})") from error
    return Picture(
        image=image,
        digest=hashlib.sha256(data).hexdigest(),
        width=image.width,
        height=image.height,
        format=image_format,
        size=status.st_size if status else None,
        mtime_ns=status.st_mtime_ns if status else None,
    )


def _check_bytes(size: int) -> None:
    if size == 0:
        raise BadPicture("the file is empty")
    if size > MAX_BYTES:
        raise BadPicture(f"the file has {size:,} bytes, the limit is {MAX_BYTES:,}; make it smaller first")


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise BadPicture(
            f"{width} x {height} is {width * height:,} pixels, the limit is {MAX_PIXELS:,}; "
            "make it smaller first"
        )


def _upright_rgb(opened: Image.Image) -> Image.Image:
    ImageOps.exif_transpose(opened, in_place=True)
    image = opened
    if image.mode.startswith("I") or image.mode == "F":
        image = _to_eight_bits(image)
    if image.has_transparency_data:
        layers = image.convert("RGBA")
        image = Image.new("RGB", layers.size, "white")
        image.paste(layers, mask=layers.getchannel("A"))
    image.load()
    return image if image.mode == "RGB" else image.convert("RGB")  # which copies what is RGB already


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scale gray of more than 8 bits to 8; Pillow's own conversion clips it to white."""
    values = np.asarray(image).astype(np.float64)
    top = 1.0 if image.mode == "F" and values.max(initial=0) <= 1.0 else 65535.0
    return Image.fromarray((values.clip(0, top) / top * 255).astype(np.uint8))
