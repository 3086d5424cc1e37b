"""Threads that share the steps of one inversion, and wait for each other without spinning.

OpenBLAS's own threads split each product and spin at its end. On a machine that others use as well,
and Lambda's shares of a core are such a neighbour, one of them waits for its turn while the others
burn theirs. Here the caller's thread and its helpers take the panels of a step one after the other,
each with products on one thread, until none is left: whichever gets less of a core takes fewer. The
caller waits once a step, asleep, for panels that were begun, never for a helper that has not woken.

A panel has the same rows whoever takes it, and takes nothing from the others. So an inverse has the
same bits whenever it is computed by as many threads, however the system schedules them.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Self

# From this order on threads share a matrix. On two quiet cores n = 512 took 8.8 ms against 9.2 on
# one, 1024 40 against 60, 2048 251 against 440; beside busy processes 512 took twice as long as on
# one, since a helper and its caller wake up late. Measured by scripts/bench --row 13.
_SHARED_N: Final = 768

# Panels of a step for each thread, and the fewest rows of one: products on less are slower (by 7 %
# on 128 rows at n = 512). All but the last have a multiple of 64 rows, which fill whole tiles.
_PANELS: Final = 4
_ROWS: Final = 128
_TILE: Final = 64

# From so many steps on helpers that lately cost more time than they saved stand aside for the rest
# of a matrix; what a step has shown counts for less with each further one.
_TRIAL: Final = 4
_MEMORY: Final = 0.75

_threads = 1


def set_threads(count: int) -> None:
    """Let a large matrix be inverted by `count` threads from here on; without a call it is one.

    One is right wherever several matrices are inverted side by side. The threads of numpy's own
    BLAS are another matter (``OPENBLAS_NUM_THREADS``).
    """
    global _threads  # noqa: PLW0603 - a setting of the process, as of any BLAS
    _threads = count


@dataclass(slots=True)
class _Step:
    """The panels of one step that nobody has taken yet, and the helpers that are at work."""

    work: Callable[[slice], object]
    panels: deque[slice]
    busy: int = 0
    helped: int = 0
    errors: list[BaseException] = field(default_factory=list)

    def take_all(self) -> int:
        """Do panels until none is left, and return how many those were."""
        count = 0
        while True:
            try:
                panel = self.panels.popleft()
            except IndexError:
                return count
            self.work(panel)
            count += 1


class Crew:
    """The threads that work on one matrix; to be used in a ``with`` block.

    Parameters
    ----------
    n : int
        Its order.

    Attributes
    ----------
    panels : list of slice
        Its rows, in as many parts as the threads need.
    joins : int
        How often the caller has waited for helpers.
    """

    def __init__(self, n: int) -> None:
        lock = threading.Lock()
        self._turn, self._idle = threading.Condition(lock), threading.Condition(lock)
        self._step: _Step | None = None
        self._ended = False
        self._saved_s = 0.0
        self._helpers = [
            threading.Thread(target=self._help, name=f"matinv-panels-{number}", daemon=True)
            for number in range(1, _threads if n >= _SHARED_N else 1)
        ]
        rows = n
        if self._helpers:
            rows = max(_ROWS, -(-n // (_PANELS * (len(self._helpers) + 1))))
            rows = -(-rows // _TILE) * _TILE
        self.panels = [slice(begin, min(begin + rows, n)) for begin in range(0, n, rows)]
        self.joins = 0

    def __enter__(self) -> Self:
        for number, helper in enumerate(self._helpers):
            try:
                helper.start()
            except RuntimeError:  # no memory for its stack: the others do it
                del self._helpers[number:]
        return self

    def __exit__(self, *_: object) -> None:
        with self._turn:
            self._ended = True
            self._turn.notify_all()
        for helper in self._helpers:
            helper.join()

    def share(self, work: Callable[[slice], object]) -> None:
        """Call `work` with each panel, in any order, on any thread; return when all are done."""
        step = _Step(work, deque(self.panels))
        if not self._helpers or self._saved_s < 0:
            step.take_all()
            return
        with self._turn:
            self._step = step
            self._turn.notify_all()
        begun_s = time.perf_counter()
        try:
            own = step.take_all()
        finally:  # nobody may write to the matrix once this has returned, or raised
            done_s = rejoined_s = time.perf_counter()
            step.panels.clear()
            with self._turn:
                self._step = None
                while step.busy:
                    self._idle.wait()
                    rejoined_s = time.perf_counter()
        self.joins += 1
        if step.errors:
            raise step.errors[0]
        saved_s = step.helped * (done_s - begun_s) / own if own else 0.0
        if self.joins > _TRIAL:
            self._saved_s = _MEMORY * self._saved_s + saved_s - (rejoined_s - done_s)

    def _help(self) -> None:
        done: _Step | None = None
        while True:
            with self._turn:
                while not self._ended and (self._step is None or self._step is done):
                    self._turn.wait()
                if self._ended or self._step is None:
                    return
                done = step = self._step
                step.busy += 1
            try:
                count = step.take_all()
            except BaseException as error:  # noqa: BLE001 - the caller raises it
                step.panels.clear()
                step.errors.append(error)
                count = 0
            with self._turn:
                step.helped += count
                step.busy -= 1
                if not step.busy:
                    self._idle.notify()
