"""How often one caller may ask: by key, or by address where there are no keys."""

from __future__ import annotations

import math
import time

from fastapi import Request
from limits import parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from api.http.problems import Problem


class Rates:
    """A moving window a caller, such as 100 requests in any minute; `None` lets everyone ask at will."""

    def __init__(self, rate: str | None) -> None:
        self._rate = None if rate is None else parse(rate)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def count(self, request: Request, key: str | None) -> None:
        """Count a request; `Problem` for one too many."""
        if self._rate is None:
            return
        address = request.client.host if request.client else "nowhere"
        caller = f"key {key}" if key else f"address {address}"
        if not await self._limiter.hit(self._rate, caller):
            reset = (await self._limiter.get_window_stats(self._rate, caller)).reset_time
            wait = max(1, math.ceil(reset - time.time()))
            raise Problem(
                429,
                f"More than {self._rate} from one {caller.split()[0]}; ask again in {wait} s",
                headers={"retry-after": str(wait)},
            )
