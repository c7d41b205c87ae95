"""Threads that want something encoded at the same time have it in one pass, each its own."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from engine.batching import TEXTS, Batched, ModelThread
from engine.encoders.color import ColorEncoder
from engine.types import Encoded

THREADS = 40


class Slow(ColorEncoder):
    """A color encoder whose passes are counted, and held up while its gate is shut."""

    def __init__(self) -> None:
        self.passes: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.began = threading.Event()

    def encode_text(self, texts: Sequence[str]) -> Encoded:
        self.began.set()
        assert self.gate.wait(10)
        self.passes.append(len(texts))
        if "broken" in texts:
            raise ValueError("broken")
        return super().encode_text(texts)


def test_whoever_waits_is_served_together_with_the_others_and_gets_its_own() -> None:
    slow = Slow()
    shared = Batched(slow, ModelThread())
    slow.gate.clear()
    texts = [f"red word{n}" for n in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        first = pool.submit(shared.encode_text, ["blue"])
        assert slow.began.wait(10)
        others = [pool.submit(shared.encode_text, [text]) for text in texts]
        while len(shared.texts._waiting) < THREADS - 1:  # one more has a thread once the first is done
            threading.Event().wait(0.01)
        slow.gate.set()
        made = [other.result(20).vectors for other in others]
        assert first.result(20).vectors.shape == (1, shared.dim)
    assert np.array_equal(np.concatenate(made), ColorEncoder().encode_text(texts).vectors)
    assert slow.passes[0] == 1 and max(slow.passes) == TEXTS and sum(slow.passes) == THREADS + 1
    assert len(slow.passes) <= 4
    assert (shared.texts.passes, shared.texts.inputs) == (len(slow.passes), THREADS + 1)


def test_one_that_cannot_be_encoded_fails_alone() -> None:
    slow = Slow()
    shared = Batched(slow, ModelThread())
    slow.gate.clear()
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(shared.encode_text, ["blue"])
        assert slow.began.wait(10)
        good, bad = pool.submit(shared.encode_text, ["red"]), pool.submit(shared.encode_text, ["broken"])
        while len(shared.texts._waiting) < 2:
            threading.Event().wait(0.01)
        slow.gate.set()
        assert len(first.result(10)) == len(good.result(10)) == 1
        with pytest.raises(ValueError, match="broken"):
            bad.result(10)
    assert len(shared.encode_text(["green"])) == 1


def test_work_in_the_models_thread_may_encode_too() -> None:
    thread = ModelThread()
    shared = Batched(ColorEncoder(), thread)
    assert len(thread.run(lambda: shared.encode_text(["red", "blue"]))) == 2
    assert shared.texts.passes == 1


def test_the_main_thread_runs_an_idle_model_itself_and_waits_for_a_busy_one() -> None:
    slow, thread = Slow(), ModelThread()
    shared = Batched(slow, thread)
    assert thread.run(threading.current_thread) is threading.main_thread()
    slow.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(shared.encode_text, ["blue"])
        assert slow.began.wait(10)
        threading.Timer(0.2, slow.gate.set).start()
        assert thread.run(threading.current_thread) is not threading.main_thread()
        assert slow.passes == [1] and len(first.result(10)) == 1
    assert len(shared.encode_text(["red", "green"])) == 2 and slow.passes == [1, 2]


def test_the_models_thread_ends_with_the_last_who_has_it() -> None:
    thread = ModelThread()
    shared = Batched(ColorEncoder(), thread)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(thread.run, threading.current_thread).result()
        assert len(pool.submit(shared.encode_text, ["red"]).result()) == 1 and running.is_alive()
    del thread, shared
    running.join(10)
    assert not running.is_alive()


def test_many_threads_over_and_over_are_all_served() -> None:
    """Nobody is left waiting, whoever is served with whom."""
    shared = Batched(ColorEncoder(), ModelThread())
    with ThreadPoolExecutor(16) as pool:
        texts = [[f"red {n}"] * (1 + n % 40) for n in range(600)]
        for text, made in zip(texts, pool.map(shared.encode_text, texts, timeout=30), strict=True):
            assert np.array_equal(made.vectors, ColorEncoder().encode_text(text).vectors)
    assert shared.texts.inputs == sum(map(len, texts))
