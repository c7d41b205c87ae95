"""What a first answer costs: a search from the shell beside a bare import of torch.

    python -m bench.cold --gallery DIR [--rounds 9]

Both are processes of their own, started turn by turn after one of each to warm the disk's cache. Prints
medians of processor time (other work on the machine hardly counts) and of the clock, and their ratios.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from bench.machine import describe

QUERY = "two dogs in snow"


def spent(arguments: list[str]) -> tuple[float, float]:
    """Run Python with these arguments; return seconds of the processor and of the clock."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    clock, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, clock


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--gallery", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    ways = {
        "`import torch`": ["-c", "import torch"],
        "`crosslight search`": [
            "-m",
            "api.cli",
            "search",
            QUERY,
            "--gallery",
            str(options.gallery),
            "--device",
            "cpu",
        ],
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for turn in range(-1, options.rounds):
        for name, arguments in ways.items():
            took = spent(arguments)
            if turn >= 0:
                times[name].append(took)
    medians = {name: np.median(np.array(took), axis=0) for name, took in times.items()}
    torch_alone = medians["`import torch`"]
    print("| what | processor, s | times torch | clock, s | times torch |\n| --- | --- | --- | --- | --- |")
    for name, (processor, clock) in medians.items():
        shares = processor / torch_alone[0], clock / torch_alone[1]
        print(f"| {name} | {processor:.2f} | {shares[0]:.2f} | {clock:.2f} | {shares[1]:.2f} |")
    print(f"\n{options.rounds} rounds, one thread, on {describe()}.")


if __name__ == "__main__":
    main()
