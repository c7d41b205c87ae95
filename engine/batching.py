"""A model shared by threads: it runs in one of its own, and encodes in one pass what they want at a time.

Whoever comes while the model is idle is served at once, alone. Whoever comes while it is busy waits, and the
next pass takes all who wait, up to a limit. So nobody waits for a batch to fill, and the busier the model is
the larger the batches are.

One thread for all others, because each thread that runs a model keeps threads and buffers for its matrix
products: with forty of them that is half a gigabyte. The main thread, where there are no others, runs an idle
model itself: handing a search over to another thread and back costs a thirtieth of it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Generic, TypeVar

import numpy as np
from PIL.Image import Image

from engine.encoders import Encoder
from engine.types import Encoded

TEXTS = 32  # encoded in one pass of several callers,
PICTURES = 8  # which are slower, so fewer are put together
T = TypeVar("T")


class ModelThread:
    """The thread that a model runs in, one work at a time; it ends when nobody has it any more."""

    def __init__(self) -> None:
        self._busy = threading.Lock()
        self._runner: int | None = None  # the thread that works now
        self._pool = ThreadPoolExecutor(1, "model")

    @property
    def is_current(self) -> bool:
        """Whether the caller is in the middle of such work."""
        return self._runner == threading.get_ident()

    def run(self, work: Callable[[], T]) -> T:
        """Do work when its turn comes; raises what it raises."""
        if self.is_current:
            return work()
        if is_main() and self._busy.acquire(blocking=False):
            return self._finish(work)
        return self._pool.submit(self._in_turn, work).result()

    def soon(self, work: Callable[[], None]) -> None:
        """Have work done that nobody waits for."""
        self._pool.submit(self._in_turn, work)

    def _in_turn(self, work: Callable[[], T]) -> T:
        self._busy.acquire()
        return self._finish(work)

    def _finish(self, work: Callable[[], T]) -> T:
        self._runner = threading.get_ident()
        try:
            return work()
        finally:
            self._runner = None
            self._busy.release()


def is_main() -> bool:
    """Tell whether the caller is the main thread, which runs an idle model itself."""
    return threading.current_thread() is threading.main_thread()


class Batched:
    """An `Encoder` over another, which runs in a model's thread; work done there may encode too."""

    def __init__(self, encoder: Encoder, thread: ModelThread) -> None:
        self.name = encoder.name
        self.dim = encoder.dim
        self.stamp = encoder.stamp
        self.text_limit = encoder.text_limit
        self._encoder = encoder
        self.texts: Queue[str] = Queue(encoder.encode_text, thread, TEXTS)
        self.pictures: Queue[Image] = Queue(encoder.encode_image, thread, PICTURES)

    def encode_text(self, texts: Sequence[str]) -> Encoded:
        """Encode texts, together with those of other threads that wait."""
        return self.texts.encode(texts)

    def encode_image(self, images: Sequence[Image]) -> Encoded:
        """Encode pictures, together with those of other threads that wait."""
        return self.pictures.encode(images)

    def count_tokens(self, text: str) -> int:
        return self._encoder.count_tokens(text)

    def word_spans(self, text: str) -> list[tuple[str, int, int]]:
        return self._encoder.word_spans(text)


class _Ticket(Generic[T]):
    """What one thread waits for."""

    def __init__(self, inputs: Sequence[T]) -> None:
        self.inputs = inputs
        self.made: Future[Encoded] = Future()


class Queue(Generic[T]):
    """Threads that wait for one way of encoding; whoever comes has the model's thread look who does."""

    def __init__(self, encode: Callable[[Sequence[T]], Encoded], thread: ModelThread, most: int) -> None:
        self._encode = encode
        self._thread = thread
        self._most = most
        self._waiting: deque[_Ticket[T]] = deque()  # any thread adds, the model's alone takes
        self.passes = 0  # of the model,
        self.inputs = 0  # and how many inputs they took in all

    def encode(self, inputs: Sequence[T]) -> Encoded:
        """Encode inputs; raises whatever the encoder does with them."""
        if self._thread.is_current or is_main():
            return self._thread.run(partial(self._pass, inputs))
        ticket = _Ticket(inputs)
        self._waiting.append(ticket)
        self._thread.soon(self._serve)
        return ticket.made.result()

    def _pass(self, inputs: Sequence[T]) -> Encoded:
        made = self._encode(inputs)
        self.passes += 1
        self.inputs += len(made)
        return made

    def _serve(self) -> None:
        """Encode what waits, in one pass; there may be nothing left to do."""
        taken: list[_Ticket[T]] = []
        room = self._most
        while self._waiting and (len(self._waiting[0].inputs) <= room or not taken):
            taken.append(self._waiting.popleft())
            room -= len(taken[-1].inputs)
        if taken:
            self._run(taken)

    def _run(self, tickets: Sequence[_Ticket[T]]) -> None:
        """Encode what several threads want in one pass; if that fails, each alone, to its own account."""
        try:
            made = self._pass([one for ticket in tickets for one in ticket.inputs])
        except BaseException as error:
            if len(tickets) == 1:
                tickets[0].made.set_exception(error)
                return
            for ticket in tickets:
                self._run([ticket])
            return
        start = 0
        for ticket in tickets:
            ticket.made.set_result(_rows(made, slice(start, start + len(ticket.inputs))))
            start += len(ticket.inputs)


def _rows(made: Encoded, some: slice) -> Encoded:
    """Return what was made of some inputs, as arrays of their own, which keep no batch alive."""
    tokens = None if made.tokens is None else np.ascontiguousarray(made.tokens[some])
    lengths = None if made.lengths is None else made.lengths[some].copy()
    return Encoded(made.vectors[some].copy(), tokens, lengths)
