"""What photographs say of themselves: a person's words, never a camera's; when, where and with what."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import pytest
from making import png
from PIL import Image

from engine import SearchEngine
from indexer import index
from indexer.photo import is_boilerplate, read_photo

DESCRIPTION, MAKE, MODEL = 0x010E, 0x010F, 0x0110
EXIF, GPS = 0x8769, 0x8825
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description><dc:description><rdf:Alt>'
    '<rdf:li xml:lang="x-default">Ships &amp; gulls, été</rdf:li></rdf:Alt></dc:description>'
    "</rdf:Description></rdf:RDF></x:xmpmeta>"
)


def xmp(**elements: str) -> str:
    """An XMP packet whose elements, by their names after the prefix, have these texts in one language."""
    prefixes = {"description": "dc", "AltTextAccessibility": "Iptc4xmpCore"}
    return "".join(
        f'<{prefixes[name]}:{name}><rdf:Alt><rdf:li xml:lang="x-default">{words}</rdf:li></rdf:Alt>'
        f"</{prefixes[name]}:{name}>"
        for name, words in elements.items()
    )


def jpeg(exif: dict[int, Any] | None = None, iptc: bytes | None = None, xmp: str = "") -> bytes:
    """A photograph with these tags inside."""
    tags = Image.Exif()
    for tag, value in (exif or {}).items():
        tags[tag] = value
    buffer = io.BytesIO()
    more = {"xmp": xmp.encode()} if xmp else {}
    Image.new("RGB", (8, 8), "red").save(buffer, "JPEG", exif=tags, **more)
    data = buffer.getvalue()
    if iptc is None:
        return data
    record = b"\x1c\x02\x78" + struct.pack(">H", len(iptc)) + iptc
    block = b"Photoshop 3.0\x008BIM\x04\x04\x00\x00" + struct.pack(">I", len(record)) + record
    block += b"\x00" * (len(record) % 2)
    return data[:2] + b"\xff\xed" + struct.pack(">H", len(block) + 2) + block + data[2:]


@pytest.mark.parametrize(
    ("data", "caption"),
    [
        (jpeg({DESCRIPTION: "Two dogs in snow"}), "Two dogs in snow"),
        (jpeg({DESCRIPTION: "Un été à Oslo".encode()}), "Un été à Oslo"),
        (jpeg({DESCRIPTION: "Un été à Oslo".encode("latin-1")}), "Un été à Oslo"),
        (jpeg(xmp=XMP), "Ships & gulls, été"),
        (jpeg(iptc="Fjällräven".encode()), "Fjällräven"),
        (jpeg(iptc="Fjällräven".encode("latin-1")), "Fjällräven"),
        (jpeg({DESCRIPTION: "exif"}, xmp=XMP), "Ships & gulls, été"),
        (jpeg({DESCRIPTION: "exif"}, b"iptc", XMP), "iptc"),
        (jpeg({DESCRIPTION: "words of a person"}, b"OLYMPUS DIGITAL CAMERA"), "words of a person"),
        (jpeg(xmp=xmp(AltTextAccessibility="A gull on a mast")), "A gull on a mast"),
        (jpeg({DESCRIPTION: "exif"}, xmp=xmp(AltTextAccessibility="A gull")), "exif\nA gull"),
        (jpeg(xmp=xmp(AltTextAccessibility="A gull", description="Oslo &lt;3")), "Oslo <3\nA gull"),
        (jpeg(xmp=xmp(AltTextAccessibility="A gull", description="A gull")), "A gull"),
        (jpeg(xmp=xmp(AltTextAccessibility="untitled")), None),
        (jpeg(xmp="<dc:description/><dc:creator><rdf:li>A. Smith</rdf:li></dc:creator>"), None),
        (jpeg({DESCRIPTION: "OLYMPUS DIGITAL CAMERA         "}), None),
        (jpeg({DESCRIPTION: "\x00 \x00"}), None),
        (jpeg(), None),
        (png("red"), None),
        (b"no picture", None),
        (jpeg({DESCRIPTION: "Two dogs in snow"})[:60], None),
    ],
)
def test_the_words_inside_a_picture(data: bytes, caption: str | None) -> None:
    assert read_photo(data).text == caption


@pytest.mark.parametrize(
    "words",
    [
        "OLYMPUS DIGITAL CAMERA",
        "SONY DSC",
        "KODAK Digital Still Camera",
        "Konica Minolta Digital Camera",
        "Exif_JPEG_PICTURE",
        "DCIM",
        "DSC_0042",
        "Untitled",
        "dav",
        "2020:05:01 10:00:00",
        "Created with GIMP",
    ],
)
def test_what_cameras_write_is_no_caption(words: str) -> None:
    assert is_boilerplate(words)


@pytest.mark.parametrize(
    "words", ["A camera on a table", "Picture of Sony, our dog", "Davos", "image of a fox"]
)
def test_what_people_write_is_one(words: str) -> None:
    assert not is_boilerplate(words)


def test_when_where_and_with_what(tmp_path: Path, empty: SearchEngine) -> None:
    tags = {
        MAKE: "Canon",
        MODEL: "Canon EOS 5D",
        EXIF: {0x9003: "2019:07:14 09:30:00", 0x9011: "+02:00"},
        GPS: {1: "S", 2: (59.0, 54.0, 36.0), 3: "E", 4: (10.0, 45.0, 0.0)},
    }
    (tmp_path / "trip").mkdir()
    (tmp_path / "trip/a.jpg").write_bytes(jpeg(tags))

    index(empty, [tmp_path / "trip"])

    assert empty.find((tmp_path / "trip/a.jpg").as_uri()).metadata == {
        "name": "a.jpg",
        "folder": "trip",
        "taken": "2019-07-14T09:30:00+02:00",
        "year": 2019,
        "latitude": -59.91,
        "longitude": 10.75,
        "camera": "Canon EOS 5D",
        "width": 8,
        "height": 8,
        "format": "JPEG",
    }
    assert len(empty.search("red", filter="year = 2019 and latitude < 0")) == 1


@pytest.mark.parametrize(
    "tags",
    [
        {EXIF: {0x9003: "0000:00:00 00:00:00"}},
        {EXIF: {0x9003: "    :  :     :  :  "}},
        {GPS: {1: "N", 2: (99.0, 0.0, 0.0), 3: "E", 4: (10.0, 0.0, 0.0)}},
        {GPS: {1: "N", 2: (9.0, 0.0, 0.0)}},
        {GPS: {1: "N", 2: 9.0, 3: "E", 4: (10.0, 0.0, 0.0)}},
    ],
)
def test_what_is_no_time_and_no_place_is_left_out(tags: dict[int, Any]) -> None:
    assert read_photo(jpeg(tags)).metadata == {}


def test_a_maker_who_is_not_in_the_model_is_named_with_it() -> None:
    assert read_photo(jpeg({MAKE: "NIKON CORPORATION", MODEL: "NIKON D90"})).metadata == {
        "camera": "NIKON D90"
    }
    assert read_photo(jpeg({MAKE: "Apple", MODEL: "iPhone 8"})).metadata == {"camera": "Apple iPhone 8"}
