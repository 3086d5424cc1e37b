"""How calls go out: in pages, all together, and again after a pause."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Final, TypeVar

T = TypeVar("T")
U = TypeVar("U")

# Pauses between attempts, where the adapters and not botocore retry: 0.05, 0.1, … at most 1 s.
_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0


def pages(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """Cut a sequence into pieces.

    Examples
    --------
    >>> pages("abcde", 2)
    ['ab', 'cd', 'e']
    """
    return [items[begin : begin + size] for begin in range(0, len(items), size)]


def packed(
    items: Iterable[T], entries: int, limit_bytes: int, size_of: Callable[[T], int]
) -> Iterator[list[T]]:
    """Cut items into batches for one call each; one that is too long has a call of its own.

    Examples
    --------
    >>> list(packed(["aa", "b", "c", "dddd", "e"], 2, 3, len))
    [['aa', 'b'], ['c'], ['dddd'], ['e']]
    """
    call: list[T] = []
    left_bytes = limit_bytes
    for item in items:
        own_bytes = size_of(item)
        if call and (len(call) == entries or own_bytes > left_bytes):
            yield call
            call, left_bytes = [], limit_bytes
        call.append(item)
        left_bytes -= own_bytes
    if call:
        yield call


def message_bytes(body: str, attributes: Mapping[str, str]) -> int:
    """Return a message size as SQS and SNS count it: body and attributes, with names and types."""
    texts = [body, *attributes, *attributes.values()]
    return sum(len(text.encode()) for text in texts) + len("String") * len(attributes)


def together(call: Callable[[T], U], items: Iterable[T], at_a_time: int) -> list[U]:
    """Map `call` over items on a small thread pool, and stop at the first error.

    Raises
    ------
    Exception
        The first one. What had not begun by then is left out, what had begun has ended.
    """
    pool = ThreadPoolExecutor(at_a_time, "matinv-aws")
    try:
        futures = [pool.submit(call, item) for item in items]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
    finally:
        pool.shutdown(cancel_futures=True)
    for future in done:
        future.result()
    return [future.result() for future in futures]


def pause(attempt: int) -> None:
    """Wait before an attempt, not at all before the first (0): exponential, with full jitter."""
    if attempt:
        ceiling_s = min(_LONGEST_PAUSE_S, _PAUSE_S * 2 ** (attempt - 1))
        time.sleep(random.uniform(0, ceiling_s))  # noqa: S311 - jitter
