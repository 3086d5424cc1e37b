"""Calls side by side: waiting for the network, not for the processor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Final, TypeVar

# A client's call takes 10 to 30 ms and next to no CPU, so that this many keep one core of a laptop
# busy.
CLIENT_THREADS: Final = 16

In = TypeVar("In")
Out = TypeVar("Out")


def side_by_side(call: Callable[[In], Out], items: Iterable[In], threads: int = 4) -> list[Out]:
    """Map `call` over items, some at a time, and return the results in order.

    Parameters
    ----------
    call : callable
        Applied to each item.
    items : iterable
        All are tried, whatever becomes of the others.
    threads : int
        How many at most. Four make ten calls of 10 ms take 30, on one core all the same.

    Raises
    ------
    Exception
        The first item's that failed, after the last one was tried.
    """
    given = list(items)
    if len(given) < 2:
        return [call(item) for item in given]
    with ThreadPoolExecutor(min(threads, len(given)), "matinv-call") as pool:
        futures = [pool.submit(call, item) for item in given]
    return [future.result() for future in futures]


def as_they_end(
    call: Callable[[In], Out], items: Iterable[In], threads: int = CLIENT_THREADS
) -> Iterator[Out]:
    """Map `call` over items, and yield each result as its call ends.

    However many items there are, few are taken before their turn. Whoever leaves off waits for the
    calls that have begun, and for no other.

    Parameters
    ----------
    call : callable
        Applied to each item.
    items : iterable
        Taken one by one, from the caller's thread.
    threads : int
        How many calls at a time.

    Raises
    ------
    Exception
        The first that a call raises.
    """
    left, pending = iter(items), set[Future[Out]]()
    pool = ThreadPoolExecutor(threads, "matinv-call")
    try:
        while True:
            taken = islice(left, 2 * threads - len(pending))
            pending |= {pool.submit(call, item) for item in taken}
            if not pending:
                return
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)
