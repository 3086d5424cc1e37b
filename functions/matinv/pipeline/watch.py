"""A long job while its matrix is inverted: its record says how far it is, and may end it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Final

from matinv.errors import MatinvError, Transient
from matinv.jobs.record import Progress, Status
from matinv.jobs.times import timestamp
from matinv.linalg import progress
from matinv.pipeline.app import App
from matinv.pipeline.dedupe import check_owner
from matinv.pipeline.outcome import NotOurs
from matinv.pipeline.publish import new_record
from matinv.pipeline.task import Task

# A job that is predicted to take less is over before somebody has asked for it twice.
WATCHED_S: Final = 60.0

# A read and a write of the record, 2e-6 dollars, beside a minute of any machine.
_BEAT_S: Final = 60.0


class RunningJob:
    """The progress of a running job, and its record.

    Parameters
    ----------
    app : App
        The service.
    task : Task
        Its record is kept up to date.
    """

    def __init__(self, app: App, task: Task) -> None:
        self._app, self._task = app, task
        self._begun_s = app.now()
        self._done = 0.0
        self._over: Exception | None = None

    def hear(self, done: float) -> None:
        """Note how much is done; raise why the job is over, if it is.

        Raises
        ------
        NotOurs, MatinvError
            Why another one owns the job by now, or nobody wants it.
        """
        self._done = done
        if self._over:
            raise self._over

    def beat(self) -> None:
        """Read the record; say in it how far the job is, unless that says that it is over.

        Best effort: what cannot be read or written now will be by the next beat.
        """
        try:
            self._task.record = self._app.table.get([self._task.job_id]).get(self._task.job_id)
            check_owner(self._app, self._task)
            running = new_record(self._app, self._task, Status.RUNNING, progress=self._progress())
            if self._app.table.put([running]) == [True]:
                self._task.record = running
        except Transient:
            return
        except (NotOurs, MatinvError) as error:
            self._over = error

    def _progress(self) -> Progress | None:
        now_s, done = self._app.now(), self._done
        if not done:
            return None
        left_s = (now_s - self._begun_s) * (1 - done) / done
        return Progress(round(100 * done, 1), timestamp(now_s + left_s))


@contextmanager
def watched(app: App, task: Task, beat_s: float = _BEAT_S) -> Iterator[None]:
    """Watch a task for the length of the block, in which its matrix is inverted, if that is long.

    A job that was cancelled, or that another worker has ended, ends at the next block of columns.

    Raises
    ------
    NotOurs, MatinvError
        Why it is over.
    """
    if task.predicted_s <= WATCHED_S:
        yield
        return
    job, ending = RunningJob(app, task), Event()

    def beat() -> None:
        while not ending.wait(beat_s):
            job.beat()

    thread = Thread(target=beat, name="matinv-watch", daemon=True)
    thread.start()
    try:
        with progress.heard_by(job.hear):
            yield
    finally:
        ending.set()
        thread.join()
