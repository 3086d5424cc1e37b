"""`Client`: the service as one object."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from itertools import islice

from matinv.client.job import Job
from matinv.client.looking import look
from matinv.client.parallel import side_by_side
from matinv.client.prepare import Source, prepare
from matinv.client.sending import send
from matinv.client.submission import Submission
from matinv.client.waiting import Mode, OnChange, Watch, watch
from matinv.core.errors import MatinvError
from matinv.core.job import Format, Method, OnIllConditioned, Options, Output, Record, Status
from matinv.monitor import Monitor
from matinv.ports import JobQueue, JobTable, MatrixStore, Place
from matinv.settings import Settings, of_api


class Client:
    """The service, for those who have matrices.

    Parameters
    ----------
    store : MatrixStore
        The buckets.
    table : JobTable
        The jobs.
    queue : JobQueue
        The jobs queue and its dead letters.
    settings : Settings
        Where all of that is.
    monitor : Monitor, optional
        What AWS knows of the stack, for `matinv.client.health`.
    now, sleep, jitter : callable
        Seconds since the epoch, a pause of so many seconds, a random number in [0, 1).
    """

    def __init__(  # noqa: PLR0913 - three ports, and what tests replace
        self,
        store: MatrixStore,
        table: JobTable,
        queue: JobQueue,
        settings: Settings,
        *,
        monitor: Monitor | None = None,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.store = store
        self.table = table
        self.queue = queue
        self.settings = settings
        self.monitor = monitor
        self.now = now
        self.sleep = sleep
        self._jitter = jitter

    @classmethod
    def connect(
        cls, environment: Mapping[str, str] | None = None, *, api: str | None = None
    ) -> Client:
        """Return a client of the service that the ``MATINV_*`` variables name.

        Parameters
        ----------
        environment : mapping, optional
            Those variables; the process's own environment by default. Region, credentials and
            endpoints are boto3's and always come from the process.
        api : str, optional
            URL of the service's HTTP API, to speak with that instead; no other setting counts.

        Raises
        ------
        SettingsError
            If names are missing, or the URL is none.
        """
        settings = of_api(api) if api else Settings.from_environment(environment)
        from matinv import wiring  # noqa: PLC0415 - boto3, 0.3 s, for those who connect

        if api:
            return cls(*wiring.remote_ports(api), settings)
        return cls(*wiring.ports(settings), settings, monitor=wiring.monitor(settings))

    def submit(  # noqa: PLR0913 - the fields of a message
        self,
        source: Source,
        *,
        job_id: str | None = None,
        method: Method | str = Method.AUTO,
        output: Output | str = Output.AUTO,
        format: Format | str | None = None,  # noqa: A002 - the message's name for it
        on_ill_conditioned: OnIllConditioned | str = OnIllConditioned.WARN,
        tags: Mapping[str, str] | None = None,
    ) -> Job:
        """Send a matrix: inside a message when it is small, else as a file.

        Parameters
        ----------
        source : array_like, shape (n, n) or (k, n, n), or path
            Real, complex or integer numbers in any memory and byte order; or a .npy or .json file.
        job_id : str, optional
            By default the file's name without extension, made valid; for an array ``sha256-…`` of
            it, so that the same array is the same job.
        method, output, format, on_ill_conditioned, tags
            See the README.

        Returns
        -------
        Job
            If a job with this id and this very input has ended before, that job; nothing is sent.

        Raises
        ------
        Refused
            What the worker would refuse, as far as it can be seen from here, and
            JOB_ID_CONFLICT if another input owns the job id.
        Transient
            If a part of the service is out of order.
        OSError
            If the file cannot be read.
        """
        options = Options(
            Method(method),
            Output(output),
            None if format is None else Format(format),
            OnIllConditioned(on_ill_conditioned),
            dict(tags or {}),
        )
        (sent,) = self.send([prepare(source, job_id, options)])
        if isinstance(sent, MatinvError):
            raise sent
        return sent

    def send(self, submissions: Sequence[Submission]) -> Sequence[Job | MatinvError]:
        """Send prepared matrices side by side.

        Parameters
        ----------
        submissions : sequence of Submission
            With distinct job ids (see `prepare`).

        Returns
        -------
        sequence of Job or MatinvError
            For each one its job, or why it was not sent; the others are.
        """
        records = self.table.get([submission.job_id for submission in submissions])

        def send_one(submission: Submission) -> Job | MatinvError:
            try:
                return send(self, submission, records.get(submission.job_id))
            except MatinvError as error:
                return error

        return side_by_side(send_one, submissions)

    def job(self, job_id: str) -> Job:
        """Return a handle of a job, whether it exists or not."""
        return Job(self, job_id)

    def records(self, jobs: Iterable[Job | str]) -> dict[str, Record]:
        """Return the records of those jobs that are known; an uploaded file counts as QUEUED."""
        handles = {job.job_id: job for job in self._handles(jobs)}
        return look(self.table, self.store, list(handles.values()), {})

    def wait(
        self,
        jobs: Iterable[Job | str],
        *,
        mode: Mode | str = Mode.ALL,
        timeout_s: float | None = None,
        on_change: OnChange | None = None,
    ) -> dict[str, Record]:
        """Wait until all jobs, or any of them, have ended.

        One read of the table serves all jobs of a round; the pauses between rounds grow from
        0.1 to 5 s, with jitter.

        Parameters
        ----------
        jobs : iterable of Job or str
            What to wait for. A `Job` that `submit` returned waits for the input that was sent and
            is not misled by a record of an older one.
        mode : {'all', 'any'}
            When to stop.
        timeout_s : float, optional
            How long to wait at most; as long as it takes by default.
        on_change : callable, optional
            Called with the record of each job that is first seen or changes its status.

        Returns
        -------
        dict
            The records by job id: with ``any`` also those of jobs that have not ended.

        Raises
        ------
        TimedOut
            If the time is over.
        NotFound
            If, for 30 s, nothing is known of any of the jobs that are still waited for.
        """
        sent = {job.job_id: job for job in self._handles(jobs)}
        queued: dict[str, Record] = {}

        def look_at(job_ids: tuple[str, ...]) -> dict[str, Record]:
            return look(self.table, self.store, [sent[job_id] for job_id in job_ids], queued)

        watched = Watch(tuple(sent), Mode(mode), timeout_s, on_change)
        return watch(watched, look_at, self.now, self.sleep, self._jitter)

    def list(
        self,
        status: Status | str | None = None,
        limit: int = 100,
        before: Place | None = None,
    ) -> Iterator[Record]:
        """Yield at most `limit` records, the most recently updated first.

        With `before` only those that stand behind that place, the ``updated_at`` and job id of a
        record. Files that no worker has taken yet have no record and are not listed.
        """
        if status is not None:
            return self.table.list(Status(status), limit, before)
        each = (self.table.list(one, limit, before) for one in Status)
        newest_first = merge(
            *each, key=lambda record: (record.updated_at, record.job_id), reverse=True
        )
        return islice(newest_first, limit)

    def _handles(self, jobs: Iterable[Job | str]) -> Iterator[Job]:
        return (self.job(job) if isinstance(job, str) else job for job in jobs)
