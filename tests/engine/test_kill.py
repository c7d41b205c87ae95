"""A writer is killed at any moment: what it had committed is there, once, and index and store agree."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine import SearchEngine

ROOT = Path(__file__).parents[2]
WRITER = """
import sys
from engine import Item, SearchEngine
import engine.search
engine.search.SAVE_AT_LEAST = 40  # so that generations are written all the time
with SearchEngine.open(sys.argv[1], model="color") as gallery:
    start = len(gallery)
    for n in range(start, 10**6):
        gallery.add([Item(f"item {n}", "text", f"red w{n}")])
        if n % 5 == 4:
            gallery.remove([f"item {n}"])
            gallery.add([Item(f"item {n}", "text", f"red again w{n}")])
        print(n, flush=True)
"""


def test_every_work_is_killed_at_random_points_200_in_all() -> None:
    command = [sys.executable, "-m", "bench.kill", "--points", "200"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "200 kills in" in done.stdout and "nothing lost, nothing twice" in done.stdout
    told = re.findall(r"(\w+): (\d+) killed, (\d+) of them after it had written", done.stdout)
    assert [work for work, _, _ in told] == ["index", "remove", "snapshot", "repair", "migrate"]
    assert all(int(killed) >= 5 for _, killed, _ in told), done.stdout
    # Not all before anything had happened: some 70, of which a repair, that writes at its very end, has few.
    assert sum(int(after) for _, _, after in told) >= 40, done.stdout


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_writer_loses_nothing(tmp_path: Path, seed: int) -> None:
    gallery = tmp_path / "g"
    done = -1
    for wait in (random.Random(seed).randrange(1, 120), random.Random(seed + 100).randrange(1, 120)):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(gallery)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(wait):
            done = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        last = process.stdout.read().split()  # what it still said before it died
        done = int(last[-1]) if last else done
        process.wait()
        process.stdout.close()
        with SearchEngine.open(gallery) as engine:
            found = sorted(int(hit.item.uri.split()[1]) for hit in engine.search("red", k=10_000))
            # the step after the last one told may have been committed in part: a removal counts
            assert found[: done + 1] == list(range(done + 1))
            assert found == list(range(len(found))) and len(found) <= done + 2
            assert len(engine) == len(found)
