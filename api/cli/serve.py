"""`crosslight serve`: the HTTP service and the page over a gallery."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli.options import DEFAULT_GALLERY, DeviceOption, GalleryOption, JsonOption, ModelOption
from api.cli.output import guarded

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

    run_service(gallery, host, port, model, device)
