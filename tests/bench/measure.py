"""The clock: sides that take turns, warmed up, and checked after every run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Side:
    """One of those that are compared.

    Parameters
    ----------
    run : callable
        The work; what `prepare` returned is its argument.
    prepare : callable
        Makes the input of a run anew; not timed.
    check : callable
        Given input and result of every run, raises `bench.checks.WrongError`; not timed.
    """

    run: Callable[[Any], Any]
    prepare: Callable[[], Any]
    check: Callable[[Any, Any], object]

    def timed(self, clock: Callable[[], float]) -> float:
        """Run once and return how long it took."""
        argument = self.prepare()
        begun = clock()
        result = self.run(argument)
        seconds = clock() - begun
        self.check(argument, result)
        return seconds


class UnmeasurableError(Exception):
    """This machine cannot measure that."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How often to measure.

    Parameters
    ----------
    rounds : int
        At least so often.
    seconds : float
        And on until so many seconds of wall time have passed.
    """

    rounds: int
    seconds: float


def take_turns(
    effort: Effort,
    *sides: Side,
    typical: Callable[[Sequence[float]], float] = min,
    clock: Callable[[], float] = time.process_time,
) -> list[float]:
    """Return for each side how long a run takes, the others' runs in between.

    Parameters
    ----------
    effort : Effort
        How many rounds. The first one, which warms up, does not count, and every other goes
        backwards, so that none of the sides always runs behind the same one.
    typical : callable
        What to make of all rounds; the minimum is right where noise only adds.
    clock : callable
        CPU seconds of all threads of this process by default: others share its cores.
    """
    for side in sides:
        side.timed(clock)
    times: list[list[float]] = [[] for _ in sides]
    pairs = list(zip(sides, times, strict=True))
    end = time.monotonic() + effort.seconds
    while len(times[0]) < effort.rounds or time.monotonic() < end:
        for side, seconds in pairs:
            seconds.append(side.timed(clock))
        pairs.reverse()
    return [typical(seconds) for seconds in times]
