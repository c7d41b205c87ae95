"""What a photograph says of itself: what people wrote of it, when, where and with what it was taken.

IPTC, XMP and EXIF, read through Pillow. Whatever is damaged in them is left out, for they are the
least trustworthy bytes of a file and the picture itself may be whole.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageFile, IptcImagePlugin

from engine.pictures import FORMATS, Member
from engine.types import Scalar
from indexer.sources.found import Described

COLUMNS = frozenset({"taken", "year", "latitude", "longitude", "camera"})
# What cameras and programs write where a person's words should be.
BOILERPLATE = re.compile(
    r"(olympus|minolta|konica minolta|kodak|sony|samsung|fuji(film)?|nikon|canon|casio|pentax|ricoh|sanyo)?"
    r"\W*(digital (still )?camera|dsc|dcim|picture|dsc_?\d*|exif[_ ]jpeg([_ ]picture)?|jpeg|image|img_?\d*"
    r"|untitled|default|s?dav|s?dr|r?hdr|cof|ptr|oznor\w*|screenshot|created with gimp|"
    r"processed with \w+( with \w+ preset)?|lead technologies inc\.?.*)?\W*",
    re.IGNORECASE,
)
XMP_DESCRIPTION, XMP_ALT_TEXT = b"dc:description", b"Iptc4xmpCore:AltTextAccessibility"
IPTC_CAPTION = (2, 120)
DESCRIPTION, MAKE, MODEL = 0x010E, 0x010F, 0x0110
EXIF, GPS = 0x8769, 0x8825
TAKEN, DIGITIZED, TAKEN_ZONE = 0x9003, 0x9004, 0x9011


def read_photo(source: Path | Member | bytes) -> Described:
    """Read the caption and the metadata inside a picture; its pixels are not decoded."""
    data = source.read() if isinstance(source, Member) else source
    try:
        with Image.open(BytesIO(data) if isinstance(data, bytes) else data, formats=FORMATS) as opened:
            return read_opened(opened)
    except Exception:  # hostile bytes raise many types; decoding says what is wrong with the picture
        return Described()


def read_opened(opened: ImageFile.ImageFile) -> Described:
    """Read the same in a picture that is open."""
    try:
        exif = opened.getexif()
        metadata = {**_when(exif), **_where(exif), **_camera(exif)}
        said = (_iptc(opened), _xmp(opened, XMP_DESCRIPTION), _text(exif.get(DESCRIPTION)))
        description = next((words for words in said if words and not is_boilerplate(words)), None)
        alt_text = _xmp(opened, XMP_ALT_TEXT)
    except Exception:  # as above
        return Described()
    # Programs copy a description from one place to the next; alt text is written for itself.
    captions = dict.fromkeys(
        words for words in (description, alt_text) if words and not is_boilerplate(words)
    )
    return Described(tuple(captions), metadata)


def is_boilerplate(words: str) -> bool:
    """Say whether a description is what a camera writes by itself."""
    return not any(character.isalpha() for character in words) or bool(BOILERPLATE.fullmatch(words.strip()))


def _iptc(opened: ImageFile.ImageFile) -> str | None:
    # Pillow gives a list where a record stands more than once.
    value: Any = (IptcImagePlugin.getiptcinfo(opened) or {}).get(IPTC_CAPTION)
    return _text(value[0] if isinstance(value, list) else value)


def _xmp(opened: Image.Image, name: bytes) -> str | None:
    # Found by pattern: an XML parser would follow the entities of a hostile file.
    packet = opened.info.get("xmp") or opened.info.get("XML:com.adobe.xmp") or b""
    alternatives = _inside(packet.encode() if isinstance(packet, str) else packet, name)
    return _text(html.unescape(_inside(alternatives, b"rdf:li").decode("utf-8", errors="replace")))


def _inside(packet: bytes, name: bytes) -> bytes:
    """Return what is between the tags of the first element of a name, or nothing."""
    start = re.search(rb"<" + name + rb"\b[^>]{0,1000}(?<!/)>", packet)
    end = packet.find(b"</" + name + b">", start.end()) if start else -1
    return packet[start.end() : end] if start and end >= 0 else b""


def _when(exif: Image.Exif) -> dict[str, Scalar]:
    inner = exif.get_ifd(EXIF)
    words = _text(inner.get(TAKEN)) or _text(inner.get(DIGITIZED))
    try:
        taken = datetime.strptime(words or "", "%Y:%m:%d %H:%M:%S").isoformat()
    except ValueError:  # cameras without a clock write zeros or blanks
        return {}
    zone = _text(inner.get(TAKEN_ZONE)) or ""
    return {"taken": taken + (zone if re.fullmatch(r"[+-]\d\d:\d\d", zone) else ""), "year": int(taken[:4])}


def _where(exif: Image.Exif) -> dict[str, Scalar]:
    inner = exif.get_ifd(GPS)
    latitude, longitude = _degrees(inner, 1, "S", 90), _degrees(inner, 3, "W", 180)
    if latitude is None or longitude is None:
        return {}
    return {"latitude": latitude, "longitude": longitude}


def _degrees(gps: Mapping[int, Any], tag: int, negative: str, limit: int) -> float | None:
    try:
        degrees, minutes, seconds = (float(part) for part in gps[tag + 1])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    value = degrees + minutes / 60 + seconds / 3600
    if not math.isfinite(value) or value > limit:
        return None
    return round(-value if str(gps.get(tag, "")).upper().startswith(negative) else value, 6)


def _camera(exif: Image.Exif) -> dict[str, Scalar]:
    make, model = _text(exif.get(MAKE)), _text(exif.get(MODEL))
    if make and model and not model.lower().startswith(make.lower().split()[0]):
        model = f"{make} {model}"
    camera = model or make
    return {"camera": camera} if camera else {}


def _text(value: object) -> str | None:
    """Read words of unknown encoding: UTF-8 where it is valid, else Latin."""
    if not isinstance(value, str | bytes):
        return None
    words = value if isinstance(value, str) else value.decode("cp1252", errors="replace")
    with suppress(UnicodeError):  # Pillow reads EXIF's bytes as Latin
        words = (value.encode("latin-1") if isinstance(value, str) else value).decode("utf-8")
    return words.replace("\x00", " ").strip() or None
