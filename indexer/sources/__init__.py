"""Sources: where items come from, and how a source's name says which kind it is.

Each kind is one function from a source to what it finds; none knows of models or galleries. Without
a prefix (`coco:FILE`) the kind is told by what the name leads to: a folder, a suffix, a glob.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

from engine.errors import BadInput
from indexer.sources.annotations import find_asked, read_coco, read_flickr, read_karpathy
from indexer.sources.extent import Extent
from indexer.sources.folder import MAGIC, is_picture, match, walk
from indexer.sources.found import Found, Reached, Reading, Unreadable
from indexer.sources.huggingface import is_dataset, read_dataset
from indexer.sources.places import plain_uri, why
from indexer.sources.table import FORMATS, read_table
from indexer.sources.webdataset import RANGE, TAR_SUFFIXES, expand_range, read_webdataset, shard_kind

Source = str | Path
SEVERAL = ("range", "glob")  # sources that are several others
SHARDS = {"webdataset": ".tar", "table": ".parquet"}  # what is read of a folder that is one of these
NOTHING = {
    "folder": "there is no picture in it or below; name tars and tables themselves, or as in 'FOLDER/*.tar'",
    "glob": "no picture, tar or table matches it; a pattern is quoted, and ** stands for any folders",
}


def read(source: Source, reading: Reading) -> Iterator[Found]:
    """Find the items of one source, in its order.

    Raises `BadInput` at once for a source that is not there or cannot be read as its kind; what goes
    wrong later, or with one of several files, is found as `Unreadable`, and the rest goes on.
    """
    kind, name = kind_of(source)
    return _read(kind, name, _files(kind, name), reading, Extent())


def read_all(sources: Iterable[Source], reading: Reading) -> tuple[Iterator[Found], Extent]:
    """Find the items of the sources, one after the other, and tell how many there are.

    A source that breaks off, or in which there is nothing, is found as `Unreadable`.
    """
    extent = Extent()
    started = []
    for kind, name in map(kind_of, sources):
        files = _files(kind, name)
        for file in files:
            extent.expect(*file)
        started.append((kind, name, _read(kind, name, files, reading, extent)))
    return chain.from_iterable(_whole(kind, name, found) for kind, name, found in started), extent


def check_sources(sources: Iterable[Source], reading: Reading | None = None) -> None:
    """Raise `BadInput` for a source that does not exist or cannot be read as what it is."""
    for source in sources:
        read(source, reading or Reading())


def kind_of(source: Source) -> tuple[str, str]:
    """Tell a source's kind, and its name without the prefix; `BadInput` when there is no such thing."""
    name = os.fspath(source)
    prefix, colon, rest = name.partition(":")
    if colon and (prefix in KINDS or prefix in SEVERAL) and not os.path.lexists(name):
        return prefix, rest
    path = Path(name)
    if path.is_dir():
        if is_dataset(path):
            return "hf", name
        return shard_kind(path) or "folder", name
    if RANGE.search(name) and not os.path.lexists(name):
        return "range", name
    if MAGIC.search(name) and not os.path.lexists(name):
        return "glob", name
    if not os.path.lexists(name):
        raise BadInput(f"no such file or folder: {name}; a source is a folder, a picture, a tar or a table")
    if path.suffix.lower() == ".json":
        raise BadInput(f"{name} may be several things; say coco:{name}, karpathy:{name} or vqa:{name}")
    return _kind_of_file(name), name


def _kind_of_file(name: str) -> str:
    if name.lower().endswith(TAR_SUFFIXES):
        return "webdataset"
    return "table" if name.lower().endswith(tuple(FORMATS)) else "picture"


def _files(kind: str, name: str) -> list[tuple[str, str]]:
    """List what a source of several files is made of, each of its own kind; any other is itself."""
    if kind == "range":  # a file that is missing is refused by name
        return [file for one in expand_range(name) for file in _files(*kind_of(one))]
    if kind == "glob":
        return [(_kind_of_file(file), file) for file in match(name) if _is_read(file)]
    if kind in SHARDS and os.path.isdir(name):
        shards = sorted(Path(name).glob(f"*{SHARDS[kind]}"))
        if not shards:
            raise BadInput(f"there is no {SHARDS[kind]} in {name}")
        return [(kind, str(shard)) for shard in shards]
    return [(kind, name)]


def _is_read(name: str) -> bool:
    """Say whether a file is taken where it is one of many; by itself a picture may have any name."""
    return is_picture(name) or _kind_of_file(name) != "picture"


def _read(
    kind: str, name: str, files: list[tuple[str, str]], reading: Reading, extent: Extent
) -> Iterator[Found]:
    """Read a source: one that is a single file begins at once, of several files each when its turn comes."""
    if files != [(kind, name)]:
        return chain.from_iterable(_read_one_of_many(*file, reading, extent) for file in files)
    part = extent.part(kind, name)
    return part.follow(KINDS[kind](name, replace(reading, reached=part.reached)))


def _read_one_of_many(kind: str, name: str, reading: Reading, extent: Extent) -> Iterator[Found]:
    part = extent.part(kind, name)
    return part.follow(_unless_broken(kind, name, replace(reading, reached=part.reached)))


def _unless_broken(kind: str, name: str, reading: Reading) -> Iterator[Found]:
    try:
        yield from KINDS[kind](name, reading)
    except Exception as error:  # damaged bytes raise many types; the rest is read all the same
        yield _broken(name, error)


def _whole(kind: str, name: str, found: Iterator[Found]) -> Iterator[Found]:
    one = None
    try:
        for one in found:
            yield one
    except Exception as error:  # as above
        yield _broken(name, error)
        return
    if one is None:
        yield Unreadable(plain_uri(Path(name)), NOTHING.get(kind, "there is no picture and no text in it"))


def _broken(name: str, error: Exception) -> Unreadable:
    return Unreadable(plain_uri(Path(name)), str(error) if isinstance(error, BadInput) else why(error))


def _read_vqa(name: str, reading: Reading) -> Iterator[Found]:
    questions, annotations = split_pair(name)
    return find_asked(questions, annotations, _images(questions, reading), reading.reached)


def _read_coco(name: str, reading: Reading) -> Iterator[Found]:
    captions, instances = split_pair(name)
    return read_coco(captions, _images(captions, reading), instances, reading.reached)


def _read_images(
    read_file: Callable[[Path, Path, Reached], Iterator[Found]], name: str, reading: Reading
) -> Iterator[Found]:
    path = _there(Path(name))
    return read_file(path, _images(path, reading), reading.reached)


def split_pair(name: str) -> tuple[Path, Path | None]:
    """Return the one file that a name names, or the two, which a comma parts."""
    first, _, second = name.partition(",")
    if second and not os.path.lexists(name):
        return _there(Path(first)), _there(Path(second))
    return _there(Path(name)), None


def _images(path: Path, reading: Reading) -> Path:
    images = reading.images or path.parent
    if not images.is_dir():
        raise BadInput(f"no such folder of pictures: {images}; say where they are with --images")
    return images


def _there(path: Path) -> Path:
    if not path.exists():
        raise BadInput(f"no such file or folder: {path}")
    return path


KINDS: dict[str, Callable[[str, Reading], Iterator[Found]]] = {
    "folder": lambda name, reading: walk([_there(Path(name))]),
    "picture": lambda name, reading: walk([Path(name)]),
    "webdataset": lambda name, reading: read_webdataset(_there(Path(name)), reading.reached),
    "table": lambda name, reading: read_table(_there(Path(name)), reading),
    "coco": _read_coco,
    "karpathy": partial(_read_images, read_karpathy),
    "flickr": partial(_read_images, read_flickr),
    "vqa": _read_vqa,
    "hf": lambda name, reading: read_dataset(_there(Path(name)), reading),
}
