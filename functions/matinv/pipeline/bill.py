"""Bill: the time of an invocation, shared among its jobs by what was measured of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from matinv.pipeline.app import Deadline
from matinv.pipeline.task import Task


@dataclass(slots=True)
class Bill:
    """The time of a batch, from its begin to the last job that ended.

    Lambda charges for all of it, whatever runs side by side. The time since jobs ended last is
    shared by those that end now, in proportion to their own times of loading, inverting and
    publishing: so no second is charged twice. What comes after the last job, a few milliseconds
    for records and answer, is charged to none.

    Parameters
    ----------
    deadline : Deadline
        Says how much time has passed.
    jobs : int
        So many share the invocation.
    """

    deadline: Deadline
    jobs: int
    _left_s: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin now."""
        self._left_s = self.deadline.remaining_s()

    def charge(self, tasks: Sequence[Task]) -> None:
        """Share the time since jobs ended last among those that end now, if there are any."""
        if not tasks:
            return
        left_s = self.deadline.remaining_s()
        passed_s, self._left_s = max(self._left_s - left_s, 0.0), left_s
        own = [task.worked_ms() for task in tasks]
        for task, worked_ms in zip(tasks, own, strict=True):
            share = worked_ms / sum(own) if sum(own) else 1 / len(own)
            task.billed_s += passed_s * share
            task.shared_by = self.jobs
