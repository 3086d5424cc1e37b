"""Running: let the record say that the work on a job has begun."""

from __future__ import annotations

from typing import Final

from matinv.jobs.record import Status
from matinv.pipeline.app import App
from matinv.pipeline.dedupe import check_owner
from matinv.pipeline.publish import new_record
from matinv.pipeline.task import Task

# From here on RUNNING is worth its write.
_ANNOUNCE_S: Final = 1.0


def announce_running(app: App, task: Task) -> None:
    """Write RUNNING, which is advisory, for work that is predicted to take a while.

    Raises
    ------
    NotOurs
        If another worker was faster, and the job is its own.
    """
    if task.predicted_s <= _ANNOUNCE_S:
        return
    running = new_record(app, task, Status.RUNNING)
    if app.table.put([running]) == [True]:
        task.record = running
    else:
        task.record = app.table.get([task.job_id]).get(task.job_id)
        check_owner(app, task)
