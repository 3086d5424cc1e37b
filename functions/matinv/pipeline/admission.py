"""Which jobs a worker takes: by memory and by time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Condition

from matinv.errors import Code, Refused
from matinv.jobs.limits import Prediction
from matinv.pipeline.app import App, Deadline
from matinv.pipeline.outcome import NotOurs, Verdict
from matinv.pipeline.task import Task


class MemoryGate:
    """Admits jobs side by side while their predicted memory fits a budget.

    A job larger than the budget is admitted alone: whether it fits at all was decided before.
    """

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._used_bytes = 0
        self._changed = Condition()

    def spare_bytes(self) -> int:
        """Return the memory that no job holds."""
        with self._changed:
            return max(0, self._budget_bytes - self._used_bytes)

    @contextmanager
    def hold(self, size_bytes: int) -> Iterator[None]:
        """Wait until `size_bytes` are free and keep them for the length of the block."""
        with self._changed:
            self._changed.wait_for(
                lambda: not self._used_bytes or self._used_bytes + size_bytes <= self._budget_bytes
            )
            self._used_bytes += size_bytes
        try:
            yield
        finally:
            with self._changed:
                self._used_bytes -= size_bytes
                self._changed.notify_all()


def check_fits(  # noqa: PLR0913, PLR0917 - a job, and what it may use
    app: App,
    task: Task,
    prediction: Prediction,
    deadline: Deadline,
    threads: int = 1,
    times: int = 1,
) -> None:
    """Let a job in if this lane's memory and this invocation's time suffice.

    Parameters
    ----------
    threads : int
        How many threads will work on this one matrix.
    times : int
        How often an invocation that begins anew inverts it: twice, if its inverse in its own memory
        has failed its check. Else it would be delivered again and again to end like that.

    Raises
    ------
    NotOurs
        FORWARDED, if there is a larger lane behind this one.
    Refused
        TOO_LARGE, if there is none.
    Transient
        DEADLINE, if it would fit into a fresh invocation.
    """
    task.predicted_s = prediction.wall_s(threads)
    lane = replace(app.lane, timeout_s=deadline.total_s)
    if lane.admits(prediction.memory_bytes, times * task.predicted_s):
        deadline.check(task.predicted_s)
        return
    if lane.next:
        raise NotOurs(Verdict.FORWARDED)
    raise Refused(
        Code.TOO_LARGE,
        f"a matrix of shape {task.input.shape or 'unknown'} does not fit this worker"
        + ("; its inverse in its own memory failed the check" if times > 1 else ""),
        "use a smaller matrix or float32, or deploy a larger lane",
        observed=f"{prediction.memory_bytes / 2**20:,.0f} MiB, {times * task.predicted_s:,.0f} s",
        limit=f"{lane.budget_bytes / 2**20:,.0f} MiB, {lane.budget_s:,.0f} s",
    )
