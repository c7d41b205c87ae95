"""`crosslight keys`: who may use the service, and for what."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from api.cli.options import JsonOption
from api.cli.output import guarded, note, plain, show_json, stdout

if TYPE_CHECKING:
    from api.http.keys import Key, Keys

keys = typer.Typer(help="API keys of the service: make, list, revoke.", no_args_is_help=True)

GalleryOption = Annotated[
    Path | None,
    typer.Option("--gallery", "-g", help="The gallery that is served, the first of several.", metavar="DIR"),
]
FileOption = Annotated[
    Path | None,
    typer.Option("--keys", help="The file of keys, if it is not the gallery's own.", metavar="FILE"),
]
ScopeOption = Annotated[
    list[str],
    typer.Option("--scope", help="What it may do: read, write (reads too) or admin (all); may be repeated."),
]


@keys.command()
@guarded
def create(
    name: Annotated[str, typer.Argument(help="Who or what the key is for.")],
    scope: ScopeOption = ["read"],  # noqa: B006 - typer reads it and never changes it
    gallery: GalleryOption = None,
    keys_file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key. It is shown this once; only its SHA-256 is kept."""
    key, text = _keys(gallery, keys_file).create(name, scope)
    if as_json:
        show_json({**_document(key), "key": text})
        return
    stdout.print(text, soft_wrap=True)
    note(f"{key.id} may {', '.join(key.scopes)}; keep the key now, it is shown this once")


@keys.command("list")
@guarded
def list_keys(
    gallery: GalleryOption = None, keys_file: FileOption = None, as_json: JsonOption = False
) -> None:
    """List the keys, revoked ones too."""
    listed = _keys(gallery, keys_file).listed()
    if as_json:
        show_json({"keys": [_document(key) for key in listed]})
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("id", "name", "scopes", "created", "revoked"):
        table.add_column(title, overflow="fold")
    for key in listed:
        table.add_row(key.id, plain(key.name), ", ".join(key.scopes), key.created, key.revoked or "")
    stdout.print(table)


@keys.command()
@guarded
def revoke(
    key: Annotated[str, typer.Argument(help="The key's id or name.")],
    gallery: GalleryOption = None,
    keys_file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Refuse a key from now on; a running service notices at its next request."""
    gone = _keys(gallery, keys_file).revoke(key)
    if as_json:
        show_json(_document(gone))
    else:
        stdout.print(f"{gone.id} ({plain(gone.name)}) is revoked")


def _keys(gallery: Path | None, keys_file: Path | None) -> Keys:
    """Find the file that `crosslight serve` would read; the gallery has to be there already."""
    from api.http.keys import Keys
    from api.settings import gather
    from engine.gallery import Gallery

    settings, _ = gather({"gallery": gallery, "keys": keys_file})
    if settings.keys is None:
        Gallery.at(settings.gallery, create=False)
    return Keys(settings.keys_file)


def _document(key: Key) -> dict[str, Any]:
    document = asdict(key)
    del document["sha256"]
    return {**document, "scopes": list(key.scopes)}
