"""The service under load: many clients at once, batches of encodes against one at a time, and overload.

    python -m bench.load mixed [--clients 200] [--seconds 120] [--model mini]
    python -m bench.load together [--clients 32] [--seconds 10] [--rounds 3] [--rerank]
    python -m bench.load overload [--clients 600] [--seconds 10]

The service is a process of its own on loopback, over a gallery of made-up pictures and captions; the clients
are coroutines of this one, each with a connection that it keeps, on the same processor. `mixed` sends nine
searches to one ingest and tells latencies, errors and the service's memory as it goes on. `together` runs
two services side by side, one of which encodes one text a pass, and asks them in turn, so whatever else
the machine does falls on both alike. `overload` sends more than may wait.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from bench.machine import describe
from engine import Item, SearchEngine

SEED = 0
WORDS = "red green blue dog cat tree snow beach car boat night street two old small bright".split()
READY = "ready "


@dataclass(slots=True)
class Seen:
    """What the clients saw: milliseconds of each kind of request, and the statuses that were no success."""

    taken: dict[str, list[float]] = field(default_factory=lambda: {"search": [], "ingest": []})
    refused: Counter[str] = field(default_factory=Counter)

    def told(self, kind: str, seconds: float) -> str:
        times = self.taken[kind]
        if not times:
            return f"| {kind} | 0 | | | |"
        middle, high = np.percentile(times, [50, 99])
        return f"| {kind} | {len(times):,} | {len(times) / seconds:.1f}/s | {middle:.0f} ms | {high:.0f} ms |"


class Client:
    """One connection that asks one thing after another: HTTP/1.1 by hand, to cost next to nothing."""

    def __init__(self, address: str, seed: int) -> None:
        self._host, self._port = urlsplit(address).hostname, urlsplit(address).port
        self._random = random.Random(seed)
        self._number = 0
        self._seed = seed

    async def run(self, until: float, seen: Seen, *, ingest: float, rerank: bool) -> None:
        """Ask until a moment of the monotonic clock."""
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            while time.monotonic() < until:
                kind = "ingest" if self._random.random() < ingest else "search"
                path, document = self._ingest() if kind == "ingest" else self._search(rerank)
                start = time.monotonic()
                status, again = await _ask(reader, writer, path, document)
                if status == 200:
                    seen.taken[kind].append(1000 * (time.monotonic() - start))
                else:
                    seen.refused[f"{status}{', Retry-After' if again else ''}"] += 1
                    await asyncio.sleep(again or 0.1)
        except (OSError, asyncio.IncompleteReadError) as error:
            seen.refused[type(error).__name__] += 1
        finally:
            writer.close()

    def _search(self, rerank: bool) -> tuple[str, dict[str, object]]:
        words = " ".join(self._random.sample(WORDS, 3)) + f" {self._random.randrange(10_000)}"
        return "/v1/search", {"text": words, "k": 10, "rerank": rerank}

    def _ingest(self) -> tuple[str, dict[str, object]]:
        self._number += 1
        uri = f"load:{self._seed}:{self._number % 50}"  # replaced again and again: the gallery does not grow
        text = " ".join(self._random.sample(WORDS, 4))
        return "/v1/items", {"items": [{"uri": uri, "kind": "text", "text": text}]}


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, document: dict[str, object]
) -> tuple[int, float]:
    """Send one request; return the status and the seconds of `Retry-After`, 0 without."""
    body = json.dumps(document).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    await reader.readexactly(int(headers["content-length"]))
    return int(lines[0].split()[1]), float(headers.get("retry-after", 0))


async def load(address: str, clients: int, seconds: float, *, ingest: float = 0, rerank: bool = True) -> Seen:
    """Let so many clients ask for so many seconds."""
    seen = Seen()
    until = time.monotonic() + seconds
    some = [Client(address, SEED + n) for n in range(clients)]
    await asyncio.gather(*(client.run(until, seen, ingest=ingest, rerank=rerank) for client in some))
    return seen


def fill(gallery: Path, model: str, pictures: int) -> None:
    """Make a gallery of pictures of noise with made-up captions."""
    generator, chosen = np.random.default_rng(SEED), random.Random(SEED)
    folder = gallery.parent / "pictures"
    folder.mkdir(exist_ok=True)
    items = []
    for n in range(pictures):
        path = folder / f"{n:05}.png"
        Image.fromarray(generator.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
        items.append(Item(path.as_uri(), text=" ".join(chosen.sample(WORDS, 4)), picture=path))
    with SearchEngine.open(gallery, model=model) as engine:
        engine.add(items)


@contextmanager
def service(gallery: Path, together: int) -> Iterator[tuple[str, int]]:
    """Run the service in a process; give its address and process id."""
    command = [sys.executable, "-m", "bench.load", "serve", str(gallery), "--together", str(together)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(READY):
                yield line.removeprefix(READY).strip(), process.pid
                break
        assert process.poll() is None, "the service has died"
    finally:
        process.terminate()
        process.wait(30)


def serve(gallery: Path, together: int) -> None:
    """Serve, encoding up to so many texts in a pass."""
    import uvicorn

    from api.http import Settings, create_app
    from api.http.server import listen, url
    from engine import batching

    batching.TEXTS = together
    with listen("127.0.0.1", 0) as listener, SearchEngine.open(gallery) as engine:
        engine.search("warm")
        print(READY + url(listener), flush=True)
        app = create_app(Settings(gallery), engine)
        uvicorn.Server(uvicorn.Config(app, log_config=None)).run(sockets=[listener])


def memory(pid: int) -> float:
    """Return the anonymous memory of a process in MB."""
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024


def mixed(gallery: Path, options: argparse.Namespace) -> None:
    """Nine searches to one ingest, from many clients."""

    async def watched(address: str, pid: int) -> tuple[Seen, list[float]]:
        sizes: list[float] = []
        task = asyncio.create_task(load(address, options.clients, options.seconds, ingest=0.1))
        while not task.done():
            sizes.append(memory(pid))
            await asyncio.wait({task}, timeout=options.seconds / 12)
        return await task, sizes

    with service(gallery, options.together) as (address, pid):
        seen, sizes = asyncio.run(watched(address, pid))
    print("| request | answered | rate | p50 | p99 |\n| --- | --- | --- | --- | --- |")
    for kind in seen.taken:
        print(seen.told(kind, options.seconds))
    print(f"\n{options.clients} clients, {options.seconds:.0f} s; refused: {dict(seen.refused) or 0}")
    print("memory of the service, MB: " + ", ".join(f"{size:.0f}" for size in sizes))


def processor(pid: int) -> float:
    """Return the seconds of the processor that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def together(gallery: Path, options: argparse.Namespace) -> None:
    """Batches of encodes against one at a time, in turn; and what encoding alone brings, which bounds it."""
    found = []
    print("| round | one at a time | together | ratio | of the processor, each | together | ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with service(gallery, 1) as alone, service(gallery, options.together) as batched:
        for number in range(options.rounds):
            rates, costs = [], []
            for address, pid in (alone, batched):
                before = processor(pid)
                seen = asyncio.run(load(address, options.clients, options.seconds, rerank=options.rerank))
                assert not seen.refused, seen.refused
                count = len(seen.taken["search"])
                rates.append(count / options.seconds)
                costs.append(1000 * (processor(pid) - before) / count)
            found.append((rates[1] / rates[0], costs[0] / costs[1]))
            cells = f"{rates[0]:.1f}/s | {rates[1]:.1f}/s | {found[-1][0]:.2f}"
            cells += f" | {costs[0]:.1f} ms | {costs[1]:.1f} ms | {found[-1][1]:.2f}"
            print(f"| {number + 1} | {cells} |", flush=True)
    rate, cost = np.median(found, axis=0)
    print(
        f"\n{options.clients} clients, searches {'with' if options.rerank else 'without'} reranking; "
        f"median ratio {rate:.2f}, of the processor's time {cost:.2f}"
    )
    print(encoding(options.model, options.together))


def encoding(model: str, together: int) -> str:
    """Tell what a text costs the encoder alone, and in a batch, on one thread."""
    import torch

    from bench.timing import medians
    from engine.models import load_model

    os.environ["OMP_NUM_THREADS"] = "1"  # of graphs, which are loaded later
    torch.set_num_threads(1)
    encoder, chosen = load_model(model).encoder, random.Random(SEED)
    texts = [" ".join(chosen.sample(WORDS, 3)) + f" {chosen.randrange(10_000)}" for _ in range(together)]
    ways: dict[str, Callable[[int], object]] = {
        "alone": lambda run: encoder.encode_text([texts[run % together]]),
        "batch": lambda _run: encoder.encode_text(texts),
    }
    taken = medians(ways, 20)
    one, each = taken["alone"], taken["batch"] / together
    return (
        f"Encoding takes {one:.1f} ms of the processor a text, {each:.1f} ms in batches of {together}: "
        f"{one / each:.1f} times as much."
    )


def overload(gallery: Path, options: argparse.Namespace) -> None:
    """More clients than may wait; afterwards a search is answered as before."""
    with service(gallery, options.together) as (address, _):
        seen = asyncio.run(load(address, options.clients, options.seconds))
        print(seen.told("search", options.seconds))
        print(f"\n{options.clients} clients; refused: {dict(seen.refused)}")
        after = asyncio.run(load(address, 1, 1))
        assert after.taken["search"] and not after.refused, "the service has not come back"
        print("afterwards one client is answered as before")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=["mixed", "together", "overload", "serve"])
    parser.add_argument("gallery", type=Path, nargs="?", help="of `serve`")
    parser.add_argument("--clients", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--together", type=int, default=32)
    parser.add_argument("--rerank", action="store_true")
    options = parser.parse_args()
    if options.what == "serve":
        serve(options.gallery, options.together)
        return
    run, clients, seconds = {
        "mixed": (mixed, 200, 120.0),
        "together": (together, 32, 10.0),
        "overload": (overload, 600, 10.0),
    }[options.what]
    options.clients, options.seconds = options.clients or clients, options.seconds or seconds
    with TemporaryDirectory() as folder:
        fill(Path(folder) / "load.gallery", options.model, options.pictures)
        run(Path(folder) / "load.gallery", options)
    print(f"{options.model}, {options.pictures} pictures; {time.strftime('%Y-%m-%d')}, {describe()}.")


if __name__ == "__main__":
    main()
