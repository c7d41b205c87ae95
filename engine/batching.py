"""An encoder shared by threads: what they ask for at the same time is encoded in one pass.

Whoever comes while the model is idle is served at once, alone. Whoever comes while it is busy waits, and the
next pass takes all who wait, up to a limit. So nobody waits for a batch to fill, and the busier the model is
the larger the batches are.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np
from PIL.Image import Image

from engine.encoders import Encoder
from engine.types import Encoded

TEXTS = 32  # encoded in one pass of several callers,
PICTURES = 8  # which are slower, so fewer are put together
T = TypeVar("T")


class Batched:
    """An `Encoder` over another that runs under a lock, which it takes itself.

    The lock is one that its holder may take again: a thread that has it is served at once.
    """

    def __init__(self, encoder: Encoder, lock: threading.RLock) -> None:
        self.name = encoder.name
        self.dim = encoder.dim
        self.stamp = encoder.stamp
        self.text_limit = encoder.text_limit
        self._encoder = encoder
        self.texts: Queue[str] = Queue(encoder.encode_text, lock, TEXTS)
        self.pictures: Queue[Image] = Queue(encoder.encode_image, lock, PICTURES)

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
        self.woken = threading.Event()  # it is served, or it is to lead,
        self.leads = False  # which is said here
        self.made: Encoded | None = None
        self.error: BaseException | None = None

    @property
    def is_served(self) -> bool:
        return self.made is not None or self.error is not None


class Queue(Generic[T]):
    """Threads that wait for one way of encoding. The one that leads takes the lock for all."""

    def __init__(self, encode: Callable[[Sequence[T]], Encoded], lock: threading.RLock, most: int) -> None:
        self._encode = encode
        self._lock = lock
        self._most = most
        self._mutex = threading.Lock()  # held for moments, never while the model runs
        self._waiting: deque[_Ticket[T]] = deque()
        self._has_leader = False
        self.passes = 0  # of the model,
        self.inputs = 0  # and how many inputs they took in all

    def encode(self, inputs: Sequence[T]) -> Encoded:
        """Encode inputs; raises whatever the encoder does with them."""
        ticket = _Ticket(inputs)
        if self._lock.acquire(blocking=False):
            try:
                self._run([ticket, *self._take(self._most - len(inputs))])
            finally:
                self._lock.release()
        else:
            self._wait(ticket)
        if ticket.error is not None:
            raise ticket.error
        assert ticket.made is not None
        return ticket.made

    def _wait(self, ticket: _Ticket[T]) -> None:
        with self._mutex:
            self._waiting.append(ticket)
            if not self._has_leader:
                self._has_leader = ticket.leads = True
        if not ticket.leads:
            ticket.woken.wait()
        with self._mutex:
            if not ticket.leads:
                return  # served by another
        while not ticket.is_served:
            with self._lock:
                self._run(self._take(self._most))
        self._hand_on()

    def _hand_on(self) -> None:
        """Let the next who waits lead: nobody serves others for longer than itself has waited."""
        with self._mutex:
            following = self._waiting[0] if self._waiting else None
            self._has_leader = following is not None
            if following is not None:
                following.leads = True
                following.woken.set()

    def _take(self, most: int) -> list[_Ticket[T]]:
        """Take those who wait, the first first, as long as their inputs fit; the first one always does."""
        taken: list[_Ticket[T]] = []
        with self._mutex:
            room = most
            while self._waiting and (len(self._waiting[0].inputs) <= room or not taken and room > 0):
                taken.append(self._waiting.popleft())
                room -= len(taken[-1].inputs)
        return taken

    def _run(self, tickets: Sequence[_Ticket[T]]) -> None:
        """Encode what several threads want in one pass; if that fails, each alone, to its own account."""
        if not tickets:
            return
        try:
            made = self._encode([one for ticket in tickets for one in ticket.inputs])
            start = 0
            for ticket in tickets:
                ticket.made = _rows(made, slice(start, start + len(ticket.inputs)))
                start += len(ticket.inputs)
            self.passes += 1
            self.inputs += start
        except Exception as error:
            if len(tickets) == 1:
                tickets[0].error = error
            else:
                for ticket in tickets:
                    self._run([ticket])
        finally:
            for ticket in tickets:
                ticket.woken.set()


def _rows(made: Encoded, some: slice) -> Encoded:
    """Return what was made of some inputs, as arrays of their own, which keep no batch alive."""
    tokens = None if made.tokens is None else np.ascontiguousarray(made.tokens[some])
    lengths = None if made.lengths is None else made.lengths[some].copy()
    return Encoded(made.vectors[some].copy(), tokens, lengths)
