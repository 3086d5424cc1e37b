"""How often one caller may come: a bucket of tokens for each, in each sandbox of the function.

Lambda's reserved concurrency bounds what all callers together may spend; this keeps one of them
from spending all of it.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from matinv.errors import Code
from matinv.http_api.problems import Problem

# A sandbox serves one request at a time, and a look at a job is a read of the table, 10 to 30 ms:
# 20 a second leave room for others. The burst lets a client look at 200 jobs in one round.
RATE_PER_S: Final = 20.0
BURST: Final = 200

_CALLERS: Final = 1000  # 0.2 MB; the one that was away longest is forgotten, and starts full


class Throttle:
    """Buckets of tokens by caller.

    Parameters
    ----------
    now : callable
        Seconds of any clock that does not go back.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, caller: str) -> None:
        """Take a token of a caller.

        Raises
        ------
        Problem
            429 THROTTLED, if there is none.
        """
        now = self._now()
        tokens, at = self._buckets.pop(caller, (float(BURST), now))
        tokens = min(float(BURST), tokens + (now - at) * RATE_PER_S)
        enough = tokens >= 1
        self._buckets[caller] = (tokens - enough, now)
        if len(self._buckets) > _CALLERS:
            self._buckets.popitem(last=False)
        if not enough:
            raise Problem(
                429,
                Code.THROTTLED,
                "this caller asks too often",
                "come again after Retry-After seconds",
                limit=f"{RATE_PER_S:g} requests a second, {BURST} at once",
                headers={"retry-after": str(math.ceil((1 - tokens) / RATE_PER_S))},
            )
