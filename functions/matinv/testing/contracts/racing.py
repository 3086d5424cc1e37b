"""Calls that race each other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def side_by_side(call: Callable[[int], T], count: int = 5) -> list[T]:
    """Call `call` with 0, 1, … at the same time, and return the results."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))
