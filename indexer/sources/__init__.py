"""Sources: where items come from, and how a source's name says which kind it is.

Each kind is one function from a source to what it finds; none knows of models or galleries. Without
a prefix (`coco:FILE`) the kind is told by what the name leads to: a folder, a suffix, a glob.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

from engine.errors import BadInput
from indexer.sources.annotations import find_asked, read_coco, read_flickr, read_karpathy
from indexer.sources.folder import MAGIC, count_pictures, read_glob, walk
from indexer.sources.found import Found, Reading, Unreadable
from indexer.sources.huggingface import is_dataset, read_dataset
from indexer.sources.places import plain_uri, why
from indexer.sources.table import FORMATS, read_table
from indexer.sources.webdataset import RANGE, TAR_SUFFIXES, expand_range, is_shard_folder, read_webdataset

Source = str | Path


def read(source: Source, reading: Reading) -> Iterator[Found]:
    """Find the items of one source, in its order.

    Raises `BadInput` at once for a source that is not there or cannot be read as its kind; what goes
    wrong later is found as `Unreadable`, and the rest goes on.
    """
    kind, name = kind_of(source)
    return KINDS[kind](name, reading)


def read_all(sources: Iterable[Source], reading: Reading) -> Iterator[Found]:
    """Find the items of the sources, one after the other; one that breaks off is found as `Unreadable`."""
    started = [(source, read(source, reading)) for source in sources]
    return chain.from_iterable(_whole(source, found) for source, found in started)


def check_sources(sources: Iterable[Source], reading: Reading | None = None) -> None:
    """Raise `BadInput` for a source that does not exist or cannot be read as what it is."""
    for source in sources:
        read(source, reading or Reading())


def count(sources: Iterable[Source]) -> int | None:
    """Count the pictures of folders and files, without opening one; `None` where there is another kind."""
    named = [kind_of(source) for source in sources]
    if any(kind not in ("folder", "picture") for kind, _ in named):
        return None
    return count_pictures(Path(name) for _, name in named)


def kind_of(source: Source) -> tuple[str, str]:
    """Tell a source's kind, and its name without the prefix; `BadInput` when there is no such thing."""
    name = os.fspath(source)
    prefix, colon, rest = name.partition(":")
    if colon and prefix in KINDS and not os.path.lexists(name):
        return prefix, rest
    path = Path(name)
    if path.is_dir():
        if is_dataset(path):
            return "hf", name
        return ("webdataset" if is_shard_folder(path) else "folder"), name
    if RANGE.search(name) and not os.path.lexists(name):
        return "range", name
    if MAGIC.search(name) and not os.path.lexists(name):
        return "glob", name
    if not os.path.lexists(name):
        raise BadInput(f"no such file or folder: {name}; a source is a folder, a picture, a tar or a table")
    if name.lower().endswith(TAR_SUFFIXES):
        return "webdataset", name
    suffix = path.suffix.lower()
    if suffix == ".json":
        raise BadInput(f"{name} may be several things; say coco:{name}, karpathy:{name} or vqa:{name}")
    return ("table" if suffix in FORMATS else "picture"), name


def _read_tars(name: str, reading: Reading) -> Iterator[Found]:
    path = Path(name)
    paths = sorted(path.glob("*.tar")) if path.is_dir() else [path]
    if not paths:
        raise BadInput(f"there is no .tar in {path}")
    return chain.from_iterable(read_webdataset(_there(one)) for one in paths)


def _read_range(name: str, reading: Reading) -> Iterator[Found]:
    streams = [read(one, reading) for one in expand_range(name)]  # one that is missing is refused by name
    return chain.from_iterable(streams)


def _read_vqa(name: str, reading: Reading) -> Iterator[Found]:
    questions, annotations = split_pair(name)
    return find_asked(questions, annotations, _images(questions, reading))


def _read_coco(name: str, reading: Reading) -> Iterator[Found]:
    captions, instances = split_pair(name)
    return read_coco(captions, _images(captions, reading), instances)


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


def _whole(source: Source, found: Iterator[Found]) -> Iterator[Found]:
    try:
        yield from found
    except Exception as error:  # damaged bytes raise many types; the other sources are read all the same
        _, name = kind_of(source)
        yield Unreadable(plain_uri(Path(name)), str(error) if isinstance(error, BadInput) else why(error))


KINDS: dict[str, Callable[[str, Reading], Iterator[Found]]] = {
    "folder": lambda name, reading: walk([_there(Path(name))]),
    "picture": lambda name, reading: walk([Path(name)]),
    "glob": lambda name, reading: read_glob(name),
    "range": _read_range,
    "webdataset": _read_tars,
    "table": lambda name, reading: read_table(_there(Path(name)), reading),
    "coco": _read_coco,
    "karpathy": lambda name, reading: read_karpathy(_there(Path(name)), _images(Path(name), reading)),
    "flickr": lambda name, reading: read_flickr(_there(Path(name)), _images(Path(name), reading)),
    "vqa": _read_vqa,
    "hf": lambda name, reading: read_dataset(_there(Path(name)), reading),
}
