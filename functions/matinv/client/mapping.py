"""Many matrices through the service: inverses in order, with few jobs and bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice
from typing import Final, Protocol

import numpy as np

from matinv.client.errors import JobFailed
from matinv.client.job import Job, JobReader
from matinv.client.lookup import known_records
from matinv.client.preparation import Source, checked_array, prepare
from matinv.client.results import inverse_of
from matinv.client.submission import Submission
from matinv.client.wait import Mode, Watch, rounds
from matinv.errors import ErrorInfo, MatinvError
from matinv.jobs.record import Record
from matinv.jobs.request import Options, Output
from matinv.linalg.types import Accuracy, Matrix
from matinv.ports import ClientTable
from matinv.ports.parallel import CLIENT_THREADS, side_by_side

Progress = Callable[[int, int | None], None]
"""Called with how many matrices are done, and of how many, if that is known."""

# A stack of k matrices has one record and one result where k jobs have k of them: a million jobs
# are $3.60 in messages of 252 KiB or $6.60 as files, $1.88 in records, and $5.40 for results that
# are written and read. So small neighbours travel together, in a message if that holds them, else
# as a file, which is dearer than one message and cheaper than two. Up to n = 512, two of which take
# a worker 0.1 s: of larger ones computing costs more than all of that, and is better done side by
# side. A record names the first hundred of a stack's failures.
_SLICES: Final = 100
_STACK_BYTES: Final = 4 << 20
# A stack waits so long for more neighbours. A list that comes faster than that is cut in the same
# places each time, so that what was inverted before is known.
_STACK_S: Final = 5.0

# Jobs that are out at a time, and bytes of matrices that are held for them: enough for the calls
# to be full, whatever the matrices' order.
_JOBS: Final = 1000
_HELD_BYTES: Final = 64 << 20
_BATCH: Final = 160  # jobs that are sent together: sixteen calls of SQS side by side
_BATCH_S: Final = 0.5  # a slow iterable's first matrices are not kept waiting for its later ones
_POLLED: Final = 100  # records of one read; results come in order, so the first ones count


class OnError(StrEnum):
    """The handling of a matrix that has no inverse."""

    RAISE = "raise"
    RETURN = "return"


@dataclass(frozen=True, slots=True)
class _Piece:
    """Neighbours that travel together: one matrix, or several as a stack.

    Parameters
    ----------
    count : int
        How many matrices.
    content : Submission or MatinvError
        The submission, or the error that prevents it.
    stack : ndarray or None
        The matrices, if they are several.
    """

    count: int
    content: Submission | MatinvError
    stack: Matrix | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Out:
    """A piece that was sent, or could not be; `held_bytes` of it are in memory."""

    piece: _Piece
    job: Job | MatinvError
    held_bytes: int = 0


class MapClient(JobReader, Protocol):
    """The part of a client that a map needs."""

    table: ClientTable
    now: Callable[[], float]
    sleep: Callable[[float], None]
    jitter: Callable[[], float]

    def send(self, submissions: Sequence[Submission]) -> Sequence[Job | MatinvError]:
        """See `Client.send`."""
        ...


@dataclass(slots=True)
class Mapped:
    """The inverses of many matrices, in their order.

    Parameters
    ----------
    client : MapClient
        The client that sends them.
    matrices : iterable of array_like or path
        Taken as they are needed; it may be a generator, and never end.
    options : Options
        Of all of them.
    on_error : OnError
        Whether an error is raised, or yielded in place of the inverse.
    verify : bool
        Whether each result is held against its matrix, here.
    timeout_s : float or None
        How long to wait for the next inverse at most.
    progress : callable or None
        See `Progress`.
    stacking : bool
        Whether neighbours may travel together.
    """

    client: MapClient
    matrices: Iterable[Source]
    options: Options
    on_error: OnError
    verify: bool
    timeout_s: float | None
    progress: Progress | None
    stacking: bool = True

    def inverses(self) -> Generator[Matrix | MatinvError, None, None]:
        """Yield the inverses."""
        total = len(self.matrices) if isinstance(self.matrices, Sized) else None
        left, done = self._pieces(), 0
        out: deque[_Out] = deque()
        more = True
        while True:
            # Once half of them are back, in few calls.
            while more and (
                2 * len(out) <= _JOBS and 2 * sum(one.held_bytes for one in out) <= _HELD_BYTES
            ):
                more = self._send(left, out)
            if not out:
                return
            for found in side_by_side(self._answers, self._ended(out), CLIENT_THREADS):
                for answer in found:
                    done += 1
                    if self.progress:
                        self.progress(done, total)
                    if isinstance(answer, MatinvError) and self.on_error is OnError.RAISE:
                        answer.add_note(f"matrix {done - 1} of those that were mapped")
                        raise answer
                    yield answer

    def _pieces(self) -> Iterator[_Piece]:
        """Yield the matrices, small neighbours of one shape and dtype as stacks."""
        options = self.options
        stacking = (
            self.stacking
            and options.accuracy is Accuracy.STANDARD
            and options.output is not Output.DYNAMODB
            and options.format is None
        )
        group: list[Matrix] = []
        begun_s = 0.0

        def stacked() -> Iterator[_Piece]:
            if group:
                yield self._piece(np.stack(group) if len(group) > 1 else group[0], len(group))
                group.clear()

        for source in self.matrices:
            if isinstance(source, (str, bytes)) or hasattr(source, "__fspath__"):
                yield from stacked()
                yield self._piece(source)
                continue
            try:
                matrix = checked_array(source)
            except MatinvError as error:
                yield from stacked()
                yield _Piece(1, error)
                continue
            if group and (
                group[0].shape != matrix.shape
                or group[0].dtype != matrix.dtype
                or len(group) == _SLICES
                or (len(group) + 1) * matrix.nbytes > _STACK_BYTES
                or self.client.now() - begun_s > _STACK_S
            ):
                yield from stacked()
            if stacking and matrix.ndim == 2 and 2 * matrix.nbytes <= _STACK_BYTES:
                begun_s = begun_s if group else self.client.now()
                # A copy: whoever made it may use its memory for the next one.
                group.append(matrix.copy())
            else:
                yield self._piece(matrix.copy())
        yield from stacked()

    def _piece(self, source: Source, count: int = 1) -> _Piece:
        try:
            content: Submission | MatinvError = prepare(source, None, self.options)
        except MatinvError as error:
            content = error
        stack = source if count > 1 and isinstance(source, np.ndarray) else None
        return _Piece(count, content, stack)

    def _send(self, left: Iterator[_Piece], out: deque[_Out]) -> bool:
        """Send the next pieces; return whether there may be more."""
        batch: list[_Piece] = []
        held_bytes, began_s = 0, self.client.now()
        for piece in islice(left, _BATCH):
            batch.append(piece)
            if isinstance(piece.content, Submission):
                held_bytes += piece.content.input.size_bytes or 0
            if 2 * held_bytes > _HELD_BYTES or self.client.now() - began_s > _BATCH_S:
                break
        # The same matrix twice is one job.
        jobs = {one.job.job_id: one.job for one in out if not isinstance(one.job, MatinvError)}
        fresh = {
            piece.content.job_id: piece.content
            for piece in batch
            if isinstance(piece.content, Submission) and piece.content.job_id not in jobs
        }
        sent = dict(zip(fresh, self.client.send([*fresh.values()]), strict=True)) | jobs
        for piece in batch:
            content = piece.content
            job = content if isinstance(content, MatinvError) else sent[content.job_id]
            held = piece.stack if isinstance(job, MatinvError) or job.matrix is None else job.matrix
            out.append(_Out(piece, job, 0 if held is None else held.nbytes))
        return bool(batch)

    def _ended(self, out: deque[_Out]) -> list[tuple[_Out, Record | None]]:
        """Wait for the first piece; take it and those behind it that have ended as well."""
        first = [*islice(out, _POLLED)]
        jobs = {one.job.job_id: one.job for one in first if not isinstance(one.job, MatinvError)}
        known: dict[str, Record] = {}
        head = first[0].job
        if not isinstance(head, MatinvError):
            client, queued = self.client, dict[str, Record]()

            def polled(job_ids: tuple[str, ...]) -> dict[str, Record]:
                known.update(known_records(client.table, client.store, [*jobs.values()], queued))
                return {job_id: known[job_id] for job_id in job_ids if job_id in known}

            watched = Watch((head.job_id,), Mode.ALL, self.timeout_s)
            for _ in rounds(watched, polled, client.now, client.sleep, client.jitter):
                pass
        taken: list[tuple[_Out, Record | None]] = []
        held_bytes = 0
        for one in first:
            record = None if isinstance(one.job, MatinvError) else known.get(one.job.job_id)
            ended = isinstance(one.job, MatinvError) or (record and record.status.terminal)
            if not ended or 2 * held_bytes > _HELD_BYTES:
                break
            held_bytes += (record.input.size_bytes or 0) if record else 0
            taken.append((out.popleft(), record))
        return taken

    def _answers(self, ended: tuple[_Out, Record | None]) -> Sequence[Matrix | MatinvError]:
        """Return the outcome of each matrix of a piece."""
        one, record = ended
        if isinstance(one.job, MatinvError) or record is None:
            return [one.job] * one.piece.count  # type: ignore[list-item] # one of both is there
        try:
            record = replace(one.job, known=record).ended_record()
            matrix = one.job.matrix if one.piece.stack is None else one.piece.stack
            found = inverse_of(self.client.store, record, matrix, verified=self.verify)
        except JobFailed as error:
            if one.piece.stack is None:
                return [error]
            # Whatever ended the whole of it may be one slice's fault: each is asked for alone.
            alone = replace(self, matrices=one.piece.stack, stacking=False, progress=None)
            return list(replace(alone, on_error=OnError.RETURN).inverses())
        except MatinvError as error:
            return [error] * one.piece.count
        if one.piece.stack is None:
            return [found]
        failures = record.slices.failures if record.slices else ()
        errors = {
            failure.index: JobFailed(record, ErrorInfo(failure.code, failure.message))
            for failure in failures
        }
        # Copies: one inverse that is kept does not keep its neighbours.
        return [errors.get(index) or found[index].copy() for index in range(one.piece.count)]
