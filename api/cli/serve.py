"""`crosslight serve`: the HTTP service and the page over a gallery."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.cli.options import DEFAULT_GALLERY, DeviceOption, GalleryOption, JsonOption, ModelOption
from api.cli.output import guarded, show_json

HostOption = Annotated[str, typer.Option("--host", help="The address to listen on; 0.0.0.0 for every one.")]
PortOption = Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes any free one.")]


@guarded
def serve(
    gallery: GalleryOption = DEFAULT_GALLERY,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8000,
    model: ModelOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve the page and the HTTP service over a gallery, until Ctrl-C."""
    from api.http import serve as run_service

    if as_json:
        port = announce(gallery, host, port, model)
    run_service(gallery, host, port, model, device)


def announce(gallery: Path, host: str, port: int, model: str | None) -> int:
    """Print where the service will be, and return its port.

    The gallery and the address are tried first, so that a service that cannot start prints its error
    as the one document.
    """
    from api.http.server import listen, url
    from engine import SearchEngine

    with SearchEngine.open(gallery, model=model, create=False) as engine, listen(host, port) as listener:
        chosen: int = listener.getsockname()[1]
        document = {"url": url(listener), "gallery": str(gallery), "model": engine.model}
    show_json(document)
    return chosen
