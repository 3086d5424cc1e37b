"""The direct call: a matrix in, its inverse in the answer, and in a record if it has a job id."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

import orjson

from matinv.errors import Code, MatinvError, Refused, Transient
from matinv.jobs.lanes import MARGIN_S
from matinv.jobs.limits import predict
from matinv.jobs.message import Parsed
from matinv.jobs.record import Record, Status
from matinv.jobs.request import Delivery, Inline
from matinv.linalg.budget import Budget
from matinv.linalg.inverse import Inverses, invert
from matinv.pipeline.admission import check_fits
from matinv.pipeline.announce import Announcer
from matinv.pipeline.app import App, Deadline
from matinv.pipeline.attempt import result_or_error
from matinv.pipeline.bill import Bill
from matinv.pipeline.dedupe import check_owner
from matinv.pipeline.finish import write
from matinv.pipeline.outcome import NotOurs, Outcome, Report, Verdict, as_matinv_error, failure
from matinv.pipeline.publish import describe, document, draft, new_record, publish
from matinv.pipeline.task import Task, task_of

# Lambda's limit for the answer of a synchronous call is 6 MB.
_ANSWER_BYTES: Final = 6 * 10**6


@dataclass(frozen=True, slots=True)
class Answer:
    """The JSON document for the caller, the report for telemetry, and the error, if any."""

    document: bytes = field(repr=False)
    report: Report
    error: MatinvError | None = None


def answer(app: App, call: Parsed, deadline: Deadline, *, stored: bool) -> Answer:
    """Invert the matrix of a call.

    Parameters
    ----------
    call : Parsed
        The parsed call.
    stored : bool
        Whether to keep record and result like those of any job. A job that has ended keeps its
        record; the answer is computed all the same.

    Returns
    -------
    Answer
        The result, or ``{"error": …}`` for what is wrong with the call, a JOB_ID_CONFLICT, an
        answer above 6 MB (TOO_LARGE), a passing fault, or a bug (INTERNAL).
    """
    id_, sent_at_ms = f"call-{uuid4().hex}", int(1000 * app.now())
    delivery = Delivery(id_, "", "", 1, sent_at_ms, call.job_id, call.content)
    task = task_of(app, delivery, None)
    announcer = Announcer(app, deadline)
    bill = Bill(deadline, jobs=1)
    error: MatinvError | None = None
    done = result_or_error(_answered, app, task, bill, announcer if stored else None)
    if isinstance(done, Exception):
        error = as_matinv_error(done)
        if stored and error.code is not Code.JOB_ID_CONFLICT:  # else the record is another job's
            try:
                bill.charge([task])
                failed = new_record(app, task, Status.FAILED, error=error.info)
                _keep(app, task, failed, announcer)
            except MatinvError as unwritten:
                error = unwritten
        text = orjson.dumps({"job_id": task.job_id, "error": error.info.document()})
        transient = isinstance(error, Transient)
        verdict = Verdict.of_transient(error) if transient else Verdict.REFUSED
        outcome = Outcome(delivery, verdict, None, error.info, failure(done)[1])
    else:
        text, record = done
        outcome = Outcome(delivery, Verdict.DONE, record)
    return Answer(text, Report([delivery], [outcome], announcer.close()), error)


def _answered(app: App, task: Task, bill: Bill, keeping: Announcer | None) -> tuple[bytes, Record]:
    ours = False
    if keeping is not None:
        task.record = app.table.get([task.job_id]).get(task.job_id)
        with suppress(NotOurs):  # the job has ended before: its record is not ours to write
            check_owner(app, task)
            ours = True
    inverses = _invert(app, task, bill.deadline)
    if keeping is None or not ours:
        record = describe(app, task, inverses)
    else:
        record = publish(app, task, draft(app, task, inverses))
        bill.charge([task])
        _keep(app, task, record, keeping)
    text = document(record, inverses)
    if len(text) > _ANSWER_BYTES:
        raise Refused(
            Code.TOO_LARGE,
            "the answer does not fit a direct call",
            "fetch the result by its job id"
            if keeping is not None
            else "give the call a job_id, or upload a file",
            observed=f"{len(text)} bytes",
            limit=f"{_ANSWER_BYTES} bytes",
        )
    return text, record


def _invert(app: App, task: Task, deadline: Deadline) -> Inverses:
    if isinstance(task.delivery.content, MatinvError):
        raise task.delivery.content
    if not task.request or not isinstance(task.request.input, Inline):
        raise Refused(
            Code.BAD_MESSAGE,
            "a direct call cannot name an object in S3",
            "send the reference to the jobs queue, or put the matrix into the call",
            limit="matrix or npy",
        )
    array, options = task.request.input.array, task.options
    prediction = predict(array.shape, array.dtype, options.method, accuracy=options.accuracy)
    check_fits(app, task, prediction, deadline)
    with task.timed("invert_ms", app.now):
        return invert(
            array,
            options.method,
            options.on_ill_conditioned,
            accuracy=options.accuracy,
            budget=Budget(lambda: deadline.remaining_s() - MARGIN_S, app.lane.budget_bytes),
        )


def _keep(app: App, task: Task, record: Record, announcer: Announcer) -> None:
    for end in write(app, [(task, record)]):
        if isinstance(end.result, MatinvError):
            raise end.result
        if isinstance(end.result, Record):
            announcer.announce([end.result])
