"""`crosslight mcp`: the gallery as tools for language models, by the Model Context Protocol."""

from __future__ import annotations

import contextlib
from importlib.util import find_spec
from typing import Annotated

import typer

from api.cli.options import DEFAULT_GALLERY, DeviceOption, GalleryOption, JsonOption, ModelOption
from api.cli.output import guarded, note, show_json
from engine.errors import ModelUnavailable

HttpOption = Annotated[bool, typer.Option("--http", help="Serve streamable HTTP at /mcp instead of stdio.")]
PortOption = Annotated[
    int, typer.Option("--port", min=0, max=65535, help="The port of --http; 0 takes any free one.")
]

TellerOption = Annotated[
    str, typer.Option("--teller", metavar="KEY", help="The model that captions and answers.")
]


@guarded
def mcp(
    gallery: GalleryOption = DEFAULT_GALLERY,
    http: HttpOption = False,
    port: PortOption = 8001,
    teller: TellerOption = "mini",
    model: ModelOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Offer a gallery to language models: search, look, similar, caption, ask (needs the extra mcp).

    A program that starts this command speaks with it over stdin and stdout. With --http it listens on
    127.0.0.1, for programs of this machine.
    """
    if find_spec("mcp") is None:
        raise ModelUnavailable("crosslight mcp needs the package mcp; pip install 'crosslight[mcp]'")
    from api.doors.mcp import create_mcp_app, create_server
    from api.http.server import listen, url
    from engine import SearchEngine

    with SearchEngine.open(gallery, model=model, device=device, create=False) as engine:
        server = create_server(engine, teller, device)
        if not http:
            server.run("stdio")
            return
        import uvicorn

        with contextlib.closing(listen("127.0.0.1", port)) as listener:
            where = f"{url(listener)}mcp"
            if as_json:
                show_json({"url": where, "gallery": str(gallery), "model": engine.model})
            else:
                note(f"the tools are at {where}")
            config = uvicorn.Config(create_mcp_app(server), log_level="warning", server_header=False)
            uvicorn.Server(config).run(sockets=[listener])
