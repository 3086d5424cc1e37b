"""How far an inversion is: a routine says so as it goes, to whoever listens in this thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

Listener = Callable[[float], object]
"""Called with the part of the work that is done, 0 to 1; what it raises ends the inversion."""

_listener: Final[ContextVar[Listener | None]] = ContextVar("matinv-progress", default=None)


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Let `listener` hear of the inversions of this block, as `numpy.errstate` lets one warn.

    It hears at each block of columns, 1,024 times at n = 131,072, in the thread that computes.
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def report(done: float) -> None:
    """Say that so much of an inversion's arithmetic is done, from 0 to 1."""
    if listener := _listener.get():
        listener(done)
