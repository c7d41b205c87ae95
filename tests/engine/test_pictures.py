"""Every kind of picture a folder may hold, and every way in which a file may only look like one."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import BadPicture
from engine.pictures import MAX_BYTES, file_uri, is_gone, load_picture, uri_path


def saved(image: Image.Image, image_format: str, **options: object) -> bytes:
    out = BytesIO()
    image.save(out, image_format, **options)
    return out.getvalue()


def claimed_png(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is huge."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def corner(data: bytes) -> tuple[int, ...]:
    pixel = load_picture(data).image.getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return tuple(int(value) for value in pixel)


def test_exif_rotation_is_applied() -> None:
    image = Image.new("RGB", (20, 10), "red")
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    picture = load_picture(saved(image, "JPEG", exif=exif))
    assert (picture.width, picture.height) == (10, 20)


def test_cmyk_becomes_rgb() -> None:
    red, green, blue = corner(saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))
    assert red > 200 and green < 60 and blue < 60


def test_sixteen_bit_gray_is_scaled_not_clipped() -> None:
    values = np.full((4, 4), 32768, dtype=np.uint16)
    assert corner(saved(Image.fromarray(values), "PNG")) == (127, 127, 127)


def test_transparency_lies_on_white() -> None:
    assert corner(saved(Image.new("RGBA", (4, 4), (255, 0, 0, 0)), "PNG")) == (255, 255, 255)


def test_palette_with_transparency() -> None:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([0, 128, 0] * 256)
    assert corner(saved(image, "PNG")) == (0, 128, 0)
    assert corner(saved(image, "PNG", transparency=0)) == (255, 255, 255)


def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    assert corner(saved(frames[0], "GIF", save_all=True, append_images=frames[1:])) == (255, 0, 0)


def test_one_pixel() -> None:
    assert load_picture(saved(Image.new("RGB", (1, 1)), "PNG")).width == 1


def test_digest_is_of_the_bytes() -> None:
    data = saved(Image.new("RGB", (1, 1)), "PNG")
    assert load_picture(data).digest == load_picture(data).digest != load_picture(data + b" ").digest


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"just words, named .jpg", "not a picture in a format that is read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
        (saved(Image.effect_noise((64, 64), 50), "JPEG")[:900], "cut off or damaged"),
        (saved(Image.effect_noise((64, 64), 50), "PNG")[:900], "cut off or damaged"),
        (claimed_png(20_000, 20_000), "pixels"),
        (claimed_png(10_000, 9_999), "99,990,000 pixels, the limit is"),
        (claimed_png(2**31 - 1, 2**31 - 1), "pixels"),
    ],
    ids=["empty", "words", "svg", "eps", "cut jpeg", "cut png", "bomb", "too large", "huge bomb"],
)
@pytest.mark.filterwarnings("default::PIL.Image.DecompressionBombWarning")
def test_a_bad_picture_says_why(data: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(BadPicture, match=reason):
        load_picture(data)
    path = tmp_path / "bad.jpg"
    path.write_bytes(data)
    with pytest.raises(BadPicture, match=reason):
        load_picture(path)


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "big.jpg"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # sparse: takes no room
    with pytest.raises(BadPicture, match="the limit is 268,435,456"):
        load_picture(path)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadPicture, match="No such file"):
        load_picture(tmp_path / "none.jpg")
    with pytest.raises(BadPicture, match="Is a directory"):
        load_picture(tmp_path)


def test_file_uris_carry_any_name(tmp_path: Path) -> None:
    path = tmp_path / "caf\udce9 #1?.jpg"  # a Latin-1 name, as the file system hands it over
    uri = file_uri(path)
    assert uri.endswith("/caf%E9%20%231%3F.jpg")
    assert uri_path(uri) == path
    assert uri_path("https://example.org/a.jpg") is None


def test_only_what_is_certainly_not_there_is_gone(tmp_path: Path) -> None:
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").write_bytes(b"x")

    assert is_gone(tmp_path / "nowhere") and is_gone(tmp_path / "file/inside")
    assert not is_gone(tmp_path / "file") and not is_gone(tmp_path / "broken")
    assert not is_gone(tmp_path / ("x" * 300))  # nobody can look whether it is there
