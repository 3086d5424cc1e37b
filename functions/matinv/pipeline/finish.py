"""Settle: write how tasks ended, in the order that loses nothing if the worker dies in between.

A success is stored, then recorded, then acknowledged. A refusal is copied to the dead-letter
queue, then recorded, then acknowledged. Everything else stays on the queue.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from matinv.errors import Code, ErrorInfo, MatinvError, Refused, Transient
from matinv.jobs.fairness import group_of
from matinv.jobs.lanes import Lane
from matinv.jobs.ownership import Ownership, asked_again
from matinv.jobs.prices import job_cost
from matinv.jobs.record import Record, Status
from matinv.jobs.request import Delivery
from matinv.pipeline.app import App
from matinv.pipeline.dedupe import check_owner, ownership_of
from matinv.pipeline.outcome import NotOurs, Outcome, Verdict, failure
from matinv.pipeline.publish import in_place_of, new_record
from matinv.pipeline.retry import delay_s, longest_stopped_s
from matinv.pipeline.task import Task
from matinv.ports import DeadLetter

# Two workers on one job lose to each other once each; more rounds mean a hot loop somewhere.
_ROUNDS: Final = 5
_HOT: Final = Transient(Code.STORAGE, "the record changed during every attempt to write it")


@dataclass(frozen=True, slots=True)
class Finished:
    """A task that ended: with its record, or with why it has none."""

    task: Task
    result: Record | Exception


@dataclass(frozen=True, slots=True)
class FailedTask:
    """A task that failed, and why; `exception` is set for a bug.

    ``verdict`` is of the message, if it stays on the queue.
    """

    task: Task
    error: ErrorInfo
    exception: BaseException | None
    verdict: Verdict = Verdict.RETRY


_NOT_BURIED: Final = Transient(
    Code.STORAGE,
    "the dead-letter queue could not be written",
    "check that the worker may send to it; the message stays on the jobs queue",
).info


def settle(app: App, ended: Sequence[Finished]) -> Iterator[Outcome]:
    """Write the records of tasks and yield their outcomes.

    Parameters
    ----------
    ended : sequence of Finished
        Distinct jobs. Records are terminal and not written yet.
    """
    succeeded = [(end.task, end.result) for end in ended if isinstance(end.result, Record)]
    others = [end for end in ended if not isinstance(end.result, Record)]
    failed: list[Finished] = []
    forwarded: list[Task] = []
    for end in _noted(app, [*write(app, succeeded), *others]):
        match end.result:
            case Record() as record:
                yield Outcome(end.task.delivery, Verdict.DONE, record)
            case NotOurs(verdict=Verdict.FORWARDED):
                forwarded.append(end.task)
            case NotOurs(verdict=verdict):
                yield Outcome(end.task.delivery, verdict, end.task.record)
            case _:
                failed.append(end)
    if forwarded and app.lane.next:  # without a lane behind this one nothing is forwarded
        for end in _forward(app, app.lane.next, forwarded):
            if isinstance(end.result, NotOurs):
                yield Outcome(end.task.delivery, end.result.verdict)
            else:
                failed.append(end)
    yield from _fail(app, failed)


def _forward(app: App, lane: Lane, tasks: Sequence[Task]) -> Iterator[Finished]:
    """Ask for a machine for each task if the lane has to, then send its message on.

    In this order: a worker that dies in between leaves a machine that finds no work and ends, and
    its message where it was. The other way round a message could wait for a machine that nobody
    has asked for.
    """
    served: list[Task] = []
    for number, task in enumerate(tasks):
        if lane.ticket and app.capacity:
            try:
                app.capacity.request(lane)
            except Transient as error:  # likely for the others, too
                # Not Misconfigured, if it is: jobs that stay in this lane can go on.
                stuck = Transient(error.code, error.info.message, error.info.hint)
                yield from (Finished(unserved, stuck) for unserved in tasks[number:])
                break
        served.append(task)
    if not served:
        return
    groups = [group_of(app.fair_by, task.job_id, task.options) for task in served]
    sent = app.queue.forward(lane, [task.delivery for task in served], groups)
    unwritable = f"the queue of the lane {lane.name} could not be written"
    unsent = Transient(Code.STORAGE, unwritable, "check the worker's role")
    for task, ok in zip(served, sent, strict=True):
        yield Finished(task, NotOurs(Verdict.FORWARDED) if ok else unsent)


def _noted(app: App, ended: list[Finished]) -> list[Finished]:
    """Return how tasks ended, once the records of duplicates say when they were asked for last."""
    for _ in range(_ROUNDS):
        again = {
            id(end): (end.task, record)
            for end in ended
            if isinstance(end.result, NotOurs) and end.result.verdict is Verdict.DUPLICATE
            if end.task.record and (record := asked_again(end.task.record, end.task.question()))
        }
        if not again:
            return ended
        ended = [end for end in ended if id(end) not in again]
        for end in write(app, [*again.values()]):
            if isinstance(end.result, Record):
                end.task.record = end.result
                ended.append(Finished(end.task, NotOurs(Verdict.DUPLICATE)))
            else:
                ended.append(end)
    raise _HOT


def hand_back(app: App, deliveries: Sequence[Delivery], error: MatinvError) -> Iterator[Outcome]:
    """Yield RETRY or STOPPED for deliveries that were not begun; their records stay as they are."""
    verdict = Verdict.of_transient(error)
    if deliveries:
        longest_s = longest_stopped_s(app, {verdict})
        seconds = [delay_s(app, error.info, verdict, d, longest_s) for d in deliveries]
        app.queue.delay(deliveries, seconds)
    yield from (Outcome(d, verdict, None, error.info) for d in deliveries)


def _fail(app: App, failed: Sequence[Finished]) -> Iterator[Outcome]:
    """Dead-letter refused tasks, put off transient ones, and say so in the records.

    Of what has expired there is no dead letter: nobody waits for it, nor has to fix it.
    """
    failures = [
        FailedTask(end.task, *failure(end.result), Verdict.of_transient(end.result))
        for end in failed
        if isinstance(end.result, Exception)
    ]
    expired = [f for f in failures if f.error.code is Code.EXPIRED]
    refused = [f for f in failures if not f.error.retryable and f.error.code is not Code.EXPIRED]
    letters = [
        DeadLetter(f.task.delivery, f.error.code, f.error.message, f.task.input.source)
        for f in refused
    ]
    sent = app.queue.dead_letter(letters) if letters else []
    stuck = [replace(f, error=_NOT_BURIED) for f, ok in zip(refused, sent, strict=True) if not ok]
    dead = [f for f, ok in zip(refused, sent, strict=True) if ok]
    statuses = [(f, Status.FAILED) for f in dead] + [(f, Status.EXPIRED) for f in expired]
    ends = _write_failures(app, statuses)
    unwritten = []
    for f, status in statuses:
        verdict = Verdict.EXPIRED if status is Status.EXPIRED else Verdict.REFUSED
        match ends.get(id(f.task)):
            case Transient() as error:  # dead, but the record does not say so yet
                verdict = Verdict.of_transient(error)
                unwritten.append(replace(f, error=error.info, verdict=verdict))
            case Record() as record:
                yield Outcome(f.task.delivery, verdict, record, f.error, f.exception)
            case _ if status is Status.EXPIRED:  # the record is another job's by now, and no
                unwritten.append(f)  # letter says what became of this one: it is judged anew
            case _:  # the record is another job's
                yield Outcome(f.task.delivery, verdict, None, f.error, f.exception)
    yield from _postpone(app, unwritten, {})
    yield from _retry(app, [*stuck, *(f for f in failures if f.error.retryable)])


def _retry(app: App, transient: Sequence[FailedTask]) -> Iterator[Outcome]:
    """Say RETRYING in the records, FAILED at the last receive, and put the messages off.

    The records are written as far as can be: what counts is that the messages stay.
    """
    if not transient:
        return
    try:
        last = app.queue.max_receive_count()
    except Transient:
        last = sys.maxsize
    statuses = [
        (f, Status.FAILED if f.task.delivery.receive_count >= last else Status.RETRYING)
        for f in transient
    ]
    # A task that was handed back did nothing wrong, so that its record need not say anything: for
    # want of time there is none to write it; where a batch was stopped there may be no way.
    news = [
        (f, to)
        for f, to in statuses
        if to.terminal or not (f.error.code is Code.DEADLINE or f.verdict is Verdict.STOPPED)
    ]
    yield from _postpone(app, transient, _write_failures(app, news))


def _write_failures(
    app: App, failures: Sequence[tuple[FailedTask, Status]]
) -> dict[int, Record | Exception]:
    """Write the records of failures whose job is theirs; return what became of each task."""
    ours = [(f, to) for f, to in failures if _owns(app, f.task)]
    pairs = [(f.task, new_record(app, f.task, to, error=f.error)) for f, to in ours]
    return {id(end.task): end.result for end in write(app, pairs)}


def _postpone(
    app: App, failures: Sequence[FailedTask], ends: Mapping[int, Record | Exception]
) -> Iterator[Outcome]:
    deliveries = [f.task.delivery for f in failures]
    if deliveries:
        longest_s = longest_stopped_s(app, {f.verdict for f in failures})
        seconds = [delay_s(app, f.error, f.verdict, f.task.delivery, longest_s) for f in failures]
        app.queue.delay(deliveries, seconds)
    for f in failures:
        end = ends.get(id(f.task))
        record = end if isinstance(end, Record) else None
        yield Outcome(f.task.delivery, f.verdict, record, f.error, f.exception)


def _owns(app: App, task: Task) -> bool:
    """Whether a failure of this task is the job's failure, as far as anybody can tell."""
    try:
        return ownership_of(app, task) is Ownership.OURS
    except Transient:
        return False


def write(app: App, pairs: Sequence[tuple[Task, Record]]) -> list[Finished]:
    """Write records, deciding anew about each job that another worker changed meanwhile."""
    ended: list[Finished] = []
    pending = list(pairs)
    try:
        for _ in range(_ROUNDS):
            if not pending:
                return ended
            pending = [
                (t, replace(r, cost=job_cost(r, app.lane, t.billed_s, t.shared_by)))
                for t, r in pending
            ]
            won = app.table.put([record for _, record in pending])
            ended += [Finished(*pair) for pair, ok in zip(pending, won, strict=True) if ok]
            pending = [pair for pair, ok in zip(pending, won, strict=True) if not ok]
            found = app.table.get([task.job_id for task, _ in pending]) if pending else {}
            rebased = []  # what may still be written, over what stands there now
            for task, record in pending:
                task.record = found.get(task.job_id)
                try:
                    check_owner(app, task)
                except (NotOurs, Refused) as decided:
                    ended.append(Finished(task, decided))
                    continue
                if _owns(app, task):
                    rebased.append((task, in_place_of(task.record, record)))
            pending = rebased
    except MatinvError as error:
        return ended + [Finished(task, error) for task, _ in pending]
    return ended + [Finished(task, _HOT) for task, _ in pending]
