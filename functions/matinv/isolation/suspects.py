"""Suspects: a message that was delivered before may be the one that took its worker down.

An attempt that ended without a word (by a crash, the system's out-of-memory killer, the
invocation's timeout) sent the whole batch back. So suspects, messages at their second receive or
later, come after all others, one at a time, in a child process. A job that ends its child is known
then, and given up with what happened; its neighbours go on in a new child.

This module runs in the worker; `matinv.isolation.child_process` is its handle on the child, and
``python -m matinv.isolation`` the child itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from matinv import pipeline
from matinv.errors import Code, MatinvError, Misconfigured, Transient
from matinv.isolation.child import Child, Died, Start
from matinv.jobs import intake
from matinv.pipeline import MARGIN_S, App, Deadline, Report
from matinv.telemetry import LambdaContext

# From this receive on a message is a suspect.
SUSPECT_FROM: Final = 2

# Of a fresh invocation: to start a child, and to settle how it ended.
_OVERHEAD_S: Final = 2 * MARGIN_S

_LATE: Final = Transient(Code.DEADLINE, "the invocation ended before this message's turn")


def process(app: App, event: object, context: LambdaContext, start: Start | None = None) -> Report:
    """Do the jobs of an SQS event: those of suspects last, and each alone in a child process.

    Parameters
    ----------
    app : App
        The service.
    event : object
        The event that Lambda hands to the worker.
    context : LambdaContext
        Of the invocation.
    start : callable, optional
        Starts a child: a real one by default.

    Returns
    -------
    Report
        Of outcomes it has those that were decided here. The child logs and counts its own.

    Raises
    ------
    ValueError
        If the event is not from SQS: a wiring fault.
    """
    deadline = Deadline.of_milliseconds(context.get_remaining_time_in_millis)
    records = intake.records(event)
    suspects = [r for r in records if intake.receive_count(r) >= SUSPECT_FROM]
    others = [r for r in records if intake.receive_count(r) < SUSPECT_FROM]
    report = pipeline.process(app, intake.deliveries({"Records": others}), deadline)
    if not suspects:
        return report
    if stop := pipeline.stop_of(report.outcomes):  # no job can go on, in no process
        return Report.joined([report, _handed_back(app, suspects, stop)])
    if start is None:
        from matinv.isolation.child_process import ChildProcess  # noqa: PLC0415 - few invocations need it

        start = ChildProcess
    children = _Children(context, start)
    return Report.joined([report, *_isolated(app, suspects, deadline, children)])


class _Children:
    """Starts a child when one is needed and none is there."""

    def __init__(self, context: LambdaContext, start: Start) -> None:
        self._context = context
        self._start = start
        self._child: Child | None = None

    def attempt(self, record: intake.Record, deadline: Deadline) -> bool:
        """Do a message in the child; a new one takes over from one that died."""
        if self._child is None:
            self._child = self._start(self._context)
        try:
            return self._child.attempt(record, deadline)
        except Died:
            self._child = None
            raise

    def stop(self) -> None:
        """End the child, if there is one."""
        if self._child:
            self._child.stop()


def _isolated(
    app: App, suspects: Sequence[intake.Record], deadline: Deadline, children: _Children
) -> Iterator[Report]:
    """Do suspects one after another; yield a report for what the child did not report itself."""
    try:
        for number, record in enumerate(suspects):
            own = _own_deadline(deadline, alone=number == len(suspects) - 1)
            if own.remaining_s() <= MARGIN_S:
                yield _handed_back(app, suspects[number:], _LATE)
                return
            try:
                yield from _attempts(app, record, children, own, deadline)
            except Misconfigured as stop:
                yield _elsewhere(record, done=False)
                yield _handed_back(app, suspects[number + 1 :], stop)
                return
    except Transient as error:  # no child comes up
        yield _handed_back(app, suspects[number:], error)
    finally:
        children.stop()


def _own_deadline(deadline: Deadline, *, alone: bool) -> Deadline:
    """Return a suspect's own deadline: one that hangs must leave half of the time to the others."""
    left_s = deadline.remaining_s()
    kept_s = MARGIN_S if alone else MARGIN_S + (left_s - MARGIN_S) / 2
    return Deadline(lambda: deadline.remaining_s() - kept_s, deadline.total_s - _OVERHEAD_S)


def _attempts(
    app: App, record: intake.Record, children: _Children, own: Deadline, deadline: Deadline
) -> Iterator[Report]:
    """Do one message: once, and again after each of its jobs that ended the child."""
    given_up: set[int] = set()
    while True:
        try:
            yield _elsewhere(record, done=children.attempt(record, own))
            return
        except Died as died:
            # The message's jobs; its body is read only if the child survived that.
            jobs = (
                [intake.unread(record, died.error)]
                if died.job is None
                else intake.deliveries({"Records": [record]})
            )
            culprit = died.job or 0
            if culprit in given_up:  # its record is not its own: a third attempt would not help
                yield _elsewhere(record, done=False)
                return
            report = pipeline.give_up(app, jobs[culprit], died.error, deadline)
            yield report
            given_up.add(culprit)
            if report.batch_item_failures()["batchItemFailures"] or len(given_up) == len(jobs):
                return


def _elsewhere(record: intake.Record, *, done: bool) -> Report:
    return Report([], [], elsewhere={record["messageId"]: done})


def _handed_back(app: App, records: Sequence[intake.Record], error: MatinvError) -> Report:
    unread = [intake.unread(record, error) for record in records]
    return Report(unread, list(pipeline.hand_back(app, unread, error)))
