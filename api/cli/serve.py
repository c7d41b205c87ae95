"""`crosslight serve`: the HTTP service and the page over one or several galleries."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.options import DeviceOption, JsonOption, ModelOption, RerankerOption
from api.cli.output import guarded, show_json

if TYPE_CHECKING:
    from api.http import Settings

GalleriesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--gallery", "-g", help="A gallery's directory; several are served side by side.", metavar="DIR"
    ),
]
HostOption = Annotated[
    str | None, typer.Option("--host", help="The address to listen on; 0.0.0.0 for every one.")
]
PortOption = Annotated[
    int | None, typer.Option("--port", min=0, max=65535, help="The port; 0 takes any free one.")
]
OpenOption = Annotated[
    bool | None,
    typer.Option("--allow-open", help="Listen on other addresses than loopback without API keys too."),
]
BrowseOption = Annotated[bool, typer.Option("--open", help="Open the page in a browser.")]
KeysOption = Annotated[Path | None, typer.Option("--keys", help="The file of API keys.", metavar="FILE")]


@guarded
def serve(
    gallery: GalleriesOption = None,
    host: HostOption = None,
    port: PortOption = None,
    model: ModelOption = None,
    device: DeviceOption = None,
    reranker: RerankerOption = None,
    keys: KeysOption = None,
    allow_open: OpenOption = None,
    browse: BrowseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Serve the page and the HTTP service over galleries, until Ctrl-C.

    Each option can also be set by the environment or a file: see `crosslight config`.
    """
    from api.http import serve as run_service
    from api.settings import gather

    flags = {
        "gallery": gallery[0] if gallery else None,
        "more_galleries": tuple(gallery[1:]) if gallery else None,
        "host": host,
        "port": port,
        "model": model,
        "device": device,
        "reranker": reranker,
        "keys": keys,
        "allow_open": allow_open,
    }
    settings, _ = gather(flags)
    if as_json:
        settings = replace(settings, port=announce(settings))
    run_service(settings, browse=browse)


def announce(settings: Settings) -> int:
    """Print where the service will be, and return its port.

    The galleries and the address are tried first, so that a service that cannot start prints its error
    as the one document.
    """
    from api.http.app import open_gallery
    from api.http.server import check_open, listen, url

    check_open(settings)
    first, *others = settings.galleries().values()
    for path in others:
        open_gallery(settings, path).close()
    with open_gallery(settings, first) as engine, listen(settings.host, settings.port) as listener:
        chosen: int = listener.getsockname()[1]
        document = {"url": url(listener), "gallery": str(settings.gallery), "model": engine.model}
    show_json(document)
    return chosen
