"""Group, load and invert: from tasks to terminal records that only need to be written.

Matrices that came inside messages are stacked by order and dtype, so that a thousand of them cost
one LAPACK call. Objects flow through a pool of threads, so that reading, inverting and writing
overlap; a gate bounds their memory and a semaphore the cores that invert at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Final

import numpy as np

from matinv.cores import granted_threads
from matinv.errors import Code, MatinvError, Misconfigured, Refused, Transient
from matinv.jobs.lanes import MARGIN_S
from matinv.jobs.limits import predict
from matinv.jobs.record import Record
from matinv.jobs.request import Inline
from matinv.linalg import crew
from matinv.linalg.budget import Budget
from matinv.linalg.inverse import SMALL_N, Inverses, invert
from matinv.linalg.types import Matrix
from matinv.pipeline.admission import MemoryGate
from matinv.pipeline.app import App, Deadline
from matinv.pipeline.attempt import result_or_error
from matinv.pipeline.dedupe import check_begins
from matinv.pipeline.finish import Finished
from matinv.pipeline.load import loaded
from matinv.pipeline.publish import UnpublishedResult, draft, publish
from matinv.pipeline.running import announce_running
from matinv.pipeline.task import Task
from matinv.pipeline.watch import watched

# Enough to hide a GET of 20 to 50 ms behind the work of two cores.
_IO_THREADS: Final = 8

# Finished jobs wait at most this long for others to share the write of their records.
_FLUSH_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Bounds:
    """Resources that the jobs of one batch share: memory, cores, time.

    ``threads`` work on each object: all of them on a single one; of several, each has one thread
    and they run side by side, which is faster (1.88 against 1.55 times on two cores), never both.
    """

    gate: MemoryGate
    cores: BoundedSemaphore
    deadline: Deadline
    threads: int

    def for_other_ways(self, app: App) -> Budget:
        """Return the budget of a matrix for which the plain way cannot vouch.

        Its share of the memory, all of it for a single object, and half of the time that is left,
        since ball arithmetic holds the GIL and the others wait.
        """
        memory_bytes = self.gate.spare_bytes() * self.threads // app.lane.threads
        deadline = self.deadline
        return Budget(lambda: (deadline.remaining_s() - MARGIN_S) / 2, memory_bytes, deadline.begin)


def run(
    app: App, tasks: Sequence[Task], deadline: Deadline
) -> Generator[list[Finished], None, None]:
    """Do the tasks of a batch, and yield them in lists as they end.

    Once one has found that no job can go on, none is begun any more: the others end like it.
    Closing the generator leaves out what has not begun.

    Parameters
    ----------
    tasks : sequence of Task
        Distinct jobs, with the records that were found for them.
    """
    checked = [(task, result_or_error(_check, app, task)) for task in tasks]
    yield [Finished(task, error) for task, error in checked if error]
    ours = [task for task, error in checked if not error]
    objects = [task for task in ours if not isinstance(_input(task), Inline)]
    threads = granted_threads(app.lane.threads) if len(objects) == 1 else 1
    cores = BoundedSemaphore(app.lane.threads)
    bounds = Bounds(MemoryGate(app.lane.budget_bytes), cores, deadline, threads)
    crew.set_threads(threads)
    pool = app.pool(_IO_THREADS, "matinv")

    def submit(call: Callable[..., Record], *args: object) -> Future[Record | Exception]:
        return pool.submit(result_or_error, lambda: _unless_stopped(deadline, call, *args))

    try:
        pending = {submit(invert_object, app, task, bounds): task for task in objects}
        ended: list[Finished] = []
        for task, drafted in _invert_inline(ours, app, bounds):
            match drafted:
                case UnpublishedResult(record=record, parts=None):
                    ended.append(Finished(task, record))
                case UnpublishedResult():
                    pending[submit(publish, app, task, drafted)] = task
                case _:
                    ended.append(Finished(task, drafted))
        yield ended
        yield from _collect(pending, deadline)
    finally:
        # What still runs after the deadline may finish its PUT: the next attempt adopts it.
        pool.shutdown(wait=False, cancel_futures=True)


def _unless_stopped(deadline: Deadline, call: Callable[..., Record], *args: object) -> Record:
    """Do a piece of work, unless another one has found that no job can go on."""
    deadline.go_on()
    try:
        return call(*args)
    except Misconfigured as error:
        deadline.stopped.append(error)
        raise


def _collect(
    pending: dict[Future[Record | Exception], Task], deadline: Deadline
) -> Iterator[list[Finished]]:
    while pending:
        left_s = deadline.remaining_s() - MARGIN_S / 2
        if left_s <= 0:
            late = Transient(Code.DEADLINE, "the invocation ended before this job did")
            yield [Finished(task, late) for task in pending.values()]
            return
        done, _ = wait(pending, timeout=min(left_s, _FLUSH_S))
        yield [Finished(pending.pop(future), future.result()) for future in done]


def _check(app: App, task: Task) -> None:
    """Raise why a task needs no work: what is wrong with its body, or that it owns no job."""
    content = task.delivery.content
    try:
        check_begins(app, task)
    except MatinvError:
        if isinstance(content, MatinvError):
            raise content from None
        raise
    if isinstance(content, MatinvError):
        raise content


def invert_object(app: App, task: Task, bounds: Bounds) -> Record:
    """Read an object, invert it in place and store its inverse: one job from end to end.

    Returns
    -------
    Record
        Terminal, still to be written.

    Raises
    ------
    NotOurs, MatinvError
    """
    bounds.deadline.check()
    if app.ranks:
        from matinv.grid.wire import UnvouchedError  # noqa: PLC0415 - few lanes have ranks
        from matinv.pipeline.ranks import invert_over_ranks  # noqa: PLC0415 - likewise

        try:
            if spread := invert_over_ranks(app, task, app.ranks, bounds.deadline):
                return spread
        except UnvouchedError as unvouched:
            # Alone, this process has other ways, if it has the memory and the time.
            try:
                return _invert_kept(app.alone(), task, bounds)
            except Refused as alone:
                if alone.code is Code.TOO_LARGE:
                    raise unvouched.error from alone
                raise
        app = app.alone()
    with ExitStack() as held:
        with task.timed("load_ms", app.now):
            matrix = held.enter_context(
                loaded(app, task, bounds.gate, bounds.deadline, bounds.threads)
            )
        announce_running(app, task)
        inverses = _timed_inverses(app, task, matrix, bounds, overwrite=True)
        if not inverses.overwritten:
            return publish(app, task, draft(app, task, inverses))
        del matrix, inverses
    return _invert_kept(app, task, bounds)


def _invert_kept(app: App, task: Task, bounds: Bounds) -> Record:
    """Read a matrix of which nothing is left, and keep it beside its inverse, for other ways."""
    with loaded(app, task, bounds.gate, bounds.deadline, bounds.threads, copies=1) as matrix:
        inverses = _timed_inverses(app, task, matrix, bounds, overwrite=False)
        return publish(app, task, draft(app, task, inverses))


def _timed_inverses(
    app: App, task: Task, matrix: Matrix, bounds: Bounds, *, overwrite: bool
) -> Inverses:
    with bounds.cores, task.timed("invert_ms", app.now), watched(app, task):
        bounds.deadline.go_on()
        options = task.options
        return invert(
            matrix,
            options.method,
            options.on_ill_conditioned,
            accuracy=options.accuracy,
            overwrite=overwrite,
            budget=bounds.for_other_ways(app),
        )


def _invert_inline(
    tasks: Sequence[Task], app: App, bounds: Bounds
) -> Iterator[tuple[Task, UnpublishedResult | Exception]]:
    """Yield the results of all matrices that came inside messages, stacked where it pays."""
    groups: dict[object, list[tuple[Task, Matrix]]] = {}
    for task in tasks:
        if isinstance(source := _input(task), Inline):
            array, options = source.array, task.options
            n = array.shape[-1]
            alike = (n, array.dtype, options.method, options.accuracy, options.on_ill_conditioned)
            groups.setdefault(alike if n <= SMALL_N else id(task), []).append((task, array))
    for group in groups.values():
        yield from _invert_group(app, group, bounds)


def _invert_group(
    app: App, group: Sequence[tuple[Task, Matrix]], bounds: Bounds
) -> Iterator[tuple[Task, UnpublishedResult | Exception]]:
    """Invert matrices of one order in one call; if that breaks, each alone."""
    begun = app.now()
    inverses = result_or_error(_invert_stack, app, group, bounds)
    if isinstance(inverses, Exception):
        if len(group) == 1:
            yield group[0][0], inverses
        else:
            for single in group:
                yield from _invert_group(app, [single], bounds)
        return
    spent_ms = 1000 * (app.now() - begun) / len(inverses.x)
    begin = 0
    for task, array in group:
        end = begin + (1 if array.ndim == 2 else len(array))
        task.timings_ms["invert_ms"] = round(spent_ms * (end - begin), 3)
        own = inverses[begin] if array.ndim == 2 else inverses[begin:end]
        yield task, result_or_error(draft, app, task, own)
        begin = end


def _invert_stack(app: App, group: Sequence[tuple[Task, Matrix]], bounds: Bounds) -> Inverses:
    options = group[0][0].options
    n = group[0][1].shape[-1]
    arrays = [array.reshape(-1, n, n) for _, array in group]
    stack = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    bounds.deadline.check(
        predict(stack.shape, stack.dtype, options.method, accuracy=options.accuracy).seconds
    )
    with bounds.cores:
        return invert(
            stack,
            options.method,
            options.on_ill_conditioned,
            accuracy=options.accuracy,
            overwrite=n <= SMALL_N,
            budget=bounds.for_other_ways(app),
        )


def _input(task: Task) -> object:
    return task.request.input if task.request else None
