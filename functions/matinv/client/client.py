"""`Client`: the service as one object."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Final, Unpack

from matinv.client.cancel import Canceller
from matinv.client.choice import Chosen, JobOptions, one_of, options_of
from matinv.client.job import Job
from matinv.client.lookup import known_records
from matinv.client.mapping import Mapped, OnError, Progress
from matinv.client.preparation import Source, prepare
from matinv.client.send import Sender, send_all
from matinv.client.submission import Submission
from matinv.client.wait import Mode, OnChange, Watch, rounds, watch, watch_run
from matinv.errors import Code, MatinvError, Refused
from matinv.jobs.ids import job_id_of
from matinv.jobs.record import Record, Status
from matinv.linalg.types import Matrix
from matinv.ports import ApiBackend, Backend, ClientQueue, ClientStore, ClientTable, Place
from matinv.settings import Settings, of_api

if TYPE_CHECKING:
    from matinv.client.aio import AsyncClient

_PAGE: Final = 100  # records of one read


class Client:
    """The service, for those who have matrices.

    Parameters
    ----------
    backend : Backend or ApiBackend
        The ports of the service.
    settings : Settings
        The names of the stack's parts.
    now, sleep, jitter : callable
        Seconds since the epoch, a pause of so many seconds, a random number in [0, 1).
    """

    def __init__(
        self,
        backend: Backend | ApiBackend,
        settings: Settings,
        *,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.backend = backend
        self.store: ClientStore = backend.store
        self.table: ClientTable = backend.table
        self.queue: ClientQueue = backend.queue
        self.settings = settings
        self.now = now
        self.sleep = sleep
        self.jitter = jitter

    def stack(self, to: str, hint: str = "use the stack itself: --stack, or MATINV_*") -> Backend:
        """Return all ports of the stack, for operations that an HTTP API does not offer.

        Parameters
        ----------
        to : str
            Their purpose, for the error.
        hint : str
            Advice for the error.

        Raises
        ------
        Refused
            FORBIDDEN_REF, if this client speaks with an HTTP API.
        """
        if isinstance(self.backend, Backend):
            return self.backend
        raise Refused(Code.FORBIDDEN_REF, f"the HTTP API does not offer this: {to}", hint)

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
            return cls(wiring.api_backend(api), settings)
        return cls(wiring.watched_backend(settings), settings, now=wiring.now)

    @classmethod
    def in_memory(cls) -> MemoryClient:
        """Return a client of a service in this process, for the tests of programs that use one.

        It is the real worker on buckets, a table and queues in memory: results and errors are those
        of AWS, certificates included. Nothing leaves the process, no thread is started, and waiting
        takes no time. `submit` does the job before it returns; set ``client.working = False`` for
        jobs that stay QUEUED until ``client.work()``.

        To test what your program does when something fails, send what fails (a singular matrix ends
        FAILED), or let a part of the service fail::

            def throttled(moment: str) -> None:
                if moment == "send:before":
                    raise Transient(Code.THROTTLED, "too many requests")

            client.memory_queue.fail = throttled   # or memory_table, memory_store

        Examples
        --------
        >>> client = Client.in_memory()
        >>> client.submit([[1, 2], [3, 4]], job_id="mine").result()
        array([[-2. ,  1. ],
               [ 1.5, -0.5]])
        >>> client.job("mine").status()
        <Status.SUCCEEDED: 'SUCCEEDED'>
        """
        return MemoryClient()

    def submit(
        self,
        source: Source,
        *,
        job_id: str | None = None,
        replace: bool = False,
        **options: Unpack[JobOptions],
    ) -> Job:
        """Send a matrix: inside a message when it is small, else as a file.

        Parameters
        ----------
        source : array_like, shape (n, n) or (k, n, n), or path
            Real, complex or integer numbers in any memory and byte order; or a file that holds one.
        job_id : str, optional
            By default the file's name without extension, made valid; for an array ``sha256-…`` of
            it, so that the same array is the same job.
        method, output, format, accuracy, on_ill_conditioned, tags
            See `matinv/jobs/README.md`. An option that you name wins over the one in a .json file.
        run : str, optional
            The run that the job belongs to; by default the first folder of its id, if it has one.
        expires_in_s : int, optional
            A job that has not begun by then ends EXPIRED.
        replace : bool
            Whether the job id may be taken from another matrix, or from other options.

        Returns
        -------
        Job
            If a job with this id has succeeded for this very matrix and these options, that job;
            nothing is sent, unless `replace` makes it the newest question. One that failed is done
            again.

        Raises
        ------
        Refused
            If the worker would refuse the matrix, as far as it can be seen from here, and
            JOB_ID_CONFLICT if another matrix, or other options, own the job id.
        Transient
            If a part of the service is out of order.
        OSError
            If the file cannot be read.
        """
        submission = prepare(source, job_id, options_of(**options))
        (sent,) = self.send([submission.replacing() if replace else submission])
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
        sender = Sender(self.store, self.table, self.queue, self.settings, self.now)

        return [
            sent
            if isinstance(sent, MatinvError)
            else Job(self, sent.job_id, sent.input, sent.matrix, sent.ended, revision=sent.revision)
            for sent in send_all(sender, submissions, records)
        ]

    def job(self, job_id: str) -> Job:
        """Return a handle of a job, by its id, its key or its file's name; it need not exist."""
        return Job(self, job_id_of(job_id), asked=job_id)

    def records(self, jobs: Iterable[Job | str]) -> dict[str, Record]:
        """Return the records of those jobs that are known; an uploaded file counts as QUEUED."""
        handles = {job.job_id: job for job in self._handles(jobs)}
        return known_records(self.table, self.store, list(handles.values()), {})

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
            Jobs or their ids. A `Job` that `submit` returned waits for the input that was sent and
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

        def poll(job_ids: tuple[str, ...]) -> dict[str, Record]:
            wanted = [sent[job_id] for job_id in job_ids]
            return known_records(self.table, self.store, wanted, queued)

        watched = Watch(tuple(sent), Mode(mode), timeout_s, on_change)
        return watch(watched, poll, self.now, self.sleep, self.jitter)

    def wait_for_run(
        self,
        run: str,
        timeout_s: float | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> bool:
        """Wait until each job of a run has ended; return whether all did within the time.

        See `matinv.client.wait.watch_run`.
        """
        return watch_run(
            self.table,
            run,
            timeout_s,
            now=self.now,
            sleep=self.sleep,
            jitter=self.jitter,
            progress=progress,
        )

    def map(
        self,
        matrices: Iterable[Source],
        *,
        errors: OnError | str = OnError.RAISE,
        verify: bool = False,
        timeout_s: float | None = None,
        progress: Progress | None = None,
        **options: Unpack[JobOptions],
    ) -> Generator[Matrix | MatinvError, None, None]:
        """Yield the inverses of many matrices, in their order.

        Small neighbours of one shape and dtype share a message or a file: each is judged alone, and
        has its own inverse or error. At most 1,000 jobs are out at a time, with at most 64 MB of
        matrices in them, however many matrices there are. What was inverted before is not sent
        again: a list that was interrupted goes on where it was.

        Parameters
        ----------
        matrices : iterable of array_like or path
            Each as for `submit`. It may be a generator: matrices are taken as they are needed.
        errors : {'raise', 'return'}
            Whether an error is raised, or yielded in the place of the inverse.
        verify : bool
            Whether to check each result, as `Job.result` does.
        timeout_s : float, optional
            How long to wait for the next inverse at most; as long as it takes by default.
        progress : callable, optional
            Called with how many matrices are done, and of how many; that is None of a generator.
        method, output, format, accuracy, on_ill_conditioned, tags, run, expires_in_s
            As for `submit`.

        Raises
        ------
        MatinvError
            Errors of `submit` and `Job.result`; with ``errors="return"`` only TimedOut and
            NotFound, once nothing is to be expected any more.

        Examples
        --------
        >>> client = Client.in_memory()
        >>> [inverse.tolist() for inverse in client.map([[[2.0]], [[4.0]]])]
        [[[0.5]], [[0.25]]]
        """
        chosen = options_of(**options)
        mapped = Mapped(
            self, matrices, chosen, one_of(OnError, errors), verify, timeout_s, progress
        )
        return mapped.inverses()

    def as_completed(
        self, jobs: Iterable[Job | str], *, timeout_s: float | None = None
    ) -> Generator[Job, None, None]:
        """Yield jobs as they end, well or not; `Job.result` of these reads no record again.

        Parameters
        ----------
        jobs : iterable of Job or str
            As for `wait`.
        timeout_s : float, optional
            How long to wait at most until all have ended.

        Raises
        ------
        TimedOut, NotFound
            As `wait`.
        """
        sent = {job.job_id: job for job in self._handles(jobs)}
        watched = Watch(tuple(sent), Mode.ALL, timeout_s)
        queued: dict[str, Record] = {}

        def poll(job_ids: tuple[str, ...]) -> dict[str, Record]:
            wanted = [sent[job_id] for job_id in job_ids]
            return known_records(self.table, self.store, wanted, queued)

        for _ in rounds(watched, poll, self.now, self.sleep, self.jitter):
            for job_id in sent.keys() - watched.pending():
                yield replace(sent.pop(job_id), known=watched.records[job_id])

    @property
    def aio(self) -> AsyncClient:
        """The same for programs on asyncio."""
        from matinv.client.aio import AsyncClient  # noqa: PLC0415 - asyncio: the API needs none

        return AsyncClient(self)

    def cancel(self, jobs: Iterable[Job | str]) -> dict[str, Record]:
        """Cancel those of the jobs that have not ended.

        A message that was sent before is not worked on; one that is sent later is. What a worker
        has begun goes on, and its result is dropped.

        Returns
        -------
        dict
            By job id the record as it is now: CANCELLED, or as the job had ended before. Jobs that
            nobody knows are left out.

        Raises
        ------
        Transient
            If a part of the service is out of order.
        """
        handles = list({job.job_id: job for job in self._handles(jobs)}.values())
        if isinstance(self.backend, ApiBackend):
            return self.backend.queue.cancel([job.job_id for job in handles])
        return self._canceller().cancel(handles)

    def cancel_run(self, run: str, check: Callable[[], object] = lambda: None) -> int:
        """Cancel the jobs of a run that have not ended, and return how many those were.

        Files of the run that no worker has seen are in no index: cancel those by their ids.

        Parameters
        ----------
        check : callable, optional
            Called before each hundred jobs; may raise to stop.
        """
        if isinstance(self.backend, ApiBackend):
            return self.backend.queue.cancel_run(run)
        return self._canceller().cancel_run(run, check)

    def _canceller(self) -> Canceller:
        return Canceller(self.store, self.table, self.settings, self.now)

    def list(
        self,
        status: Status | str | None = None,
        limit: int = 100,
        before: Place | None = None,
        chosen: Chosen | None = None,
    ) -> Iterator[Record]:
        """Yield at most `limit` records, the most recently updated first.

        With `before` only those that stand behind that place, the ``updated_at`` and job id of a
        record; with `chosen` only those that it chooses, which are found by reading the others too.
        Files that no worker has taken yet have no record and are not listed.
        """
        if chosen is not None:
            if chosen.run and before is None:
                newest_first = self._of_run(
                    chosen.run, None if status is None else one_of(Status, status.upper())
                )
            else:
                newest_first = self.list(status, sys.maxsize, before)
            return islice(chosen.among(newest_first), limit)
        if status is not None:
            name = status.upper()
            if name not in set(Status):
                raise Refused(
                    Code.BAD_MESSAGE,
                    "there is no such status",
                    "use one of the allowed values, in upper or lower case",
                    observed=status,
                    limit=", ".join(Status),
                )
            return self.table.list(Status(name), limit, before)
        each = (self.table.list(one, limit, before) for one in Status)
        newest_first = merge(
            *each, key=lambda record: (record.updated_at, record.job_id), reverse=True
        )
        return islice(newest_first, limit)

    def _of_run(self, run: str, status: Status | str | None) -> Iterator[Record]:
        """Yield the records of a run, the most recently updated first: no other is read."""
        wanted = None if status is None else one_of(Status, status.upper())
        entries = {entry.job_id: entry for entry in self.table.run_entries(run, wanted)}
        newest_first = sorted(
            entries, key=lambda job_id: (entries[job_id].updated_at, job_id), reverse=True
        )
        for start in range(0, len(newest_first), _PAGE):
            page = newest_first[start : start + _PAGE]
            records = self.table.get(page)
            yield from (records[job_id] for job_id in page if job_id in records)

    def _handles(self, jobs: Iterable[Job | str]) -> Iterator[Job]:
        return (self.job(job) if isinstance(job, str) else job for job in jobs)


class MemoryClient(Client):
    """A client of a service in this process; made by `Client.in_memory`.

    Attributes
    ----------
    memory_store, memory_table, memory_queue
        The backend: what is in it, ``calls`` counted by name, and ``fail``, a function that is
        called with ``"put:before"``, ``"put:after"`` and so on around each effect and may raise.
    now, sleep : callable
        The clock, seconds since the epoch; what moves it, and takes no time.
    """

    def __init__(self) -> None:
        from matinv.client.in_memory import MemoryWorker  # noqa: PLC0415 - the worker, for tests

        self._worker = worker = MemoryWorker()
        self.memory_store, self.memory_table = worker.store, worker.table
        self.memory_queue = worker.queue
        super().__init__(
            worker.backend(),
            worker.settings,
            now=lambda: worker.now_s,
            sleep=worker.pass_time,
            jitter=lambda: 0.5,
        )

    @property
    def working(self) -> bool:
        """Whether a worker runs. While none does, jobs stay QUEUED until `work` is called."""
        return self._worker.working

    @working.setter
    def working(self, working: bool) -> None:
        self._worker.working = working

    def send(self, submissions: Sequence[Submission]) -> Sequence[Job | MatinvError]:
        """Send prepared matrices; the jobs have ended when this returns, if a worker runs."""
        sent = super().send(submissions)
        self._worker.pass_time(0.0)
        return sent

    def work(self) -> None:
        """Do all that is on the queue, once: a job that is put off comes again in the next call."""
        self._worker.work()
