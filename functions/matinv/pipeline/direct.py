"""The direct call: a matrix in, its inverse in the answer, and in a record if it has a job id."""

from __future__ import annotations

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
from matinv.pipeline.dedupe import check_owner
from matinv.pipeline.finish import write
from matinv.pipeline.outcome import NotOurs, Outcome, Report, Verdict, as_matinv_error, failure
from matinv.pipeline.publish import describe, document, draft, new_record, publish
from matinv.pipeline.task import Task, task_of

# Lambda's limit for the answer of a synchronous call is 6 MB.
_ANSWER_BYTES: Final = 6 * 10**6


@dataclass(frozen=True, slots=True)
class Answer:
    """The JSON document for the caller, the report for telemetry, and what went wrong, if so."""

    document: bytes = field(repr=False)
    report: Report
    error: MatinvError | None = None


def answer(app: App, call: Parsed, deadline: Deadline, *, stored: bool) -> Answer:
    """Invert the matrix of a call.

    Parameters
    ----------
    call : Parsed
        What was asked for.
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
    error: MatinvError | None = None
    done = result_or_error(_answered, app, task, deadline, announcer if stored else None)
    if isinstance(done, Exception):
        known = as_matinv_error(done)
        error = _keep_failure(app, task, known, announcer) if stored else known
        text = orjson.dumps({"job_id": task.job_id, "error": error.info.document()})
        transient = isinstance(error, Transient)
        verdict = Verdict.of_transient(error) if transient else Verdict.REFUSED
        outcome = Outcome(delivery, verdict, None, error.info, failure(done)[1])
    else:
        text, record = done
        outcome = Outcome(delivery, Verdict.DONE, record)
    return Answer(text, Report([delivery], [outcome], announcer.close()), error)


def _answered(
    app: App, task: Task, deadline: Deadline, keeping: Announcer | None
) -> tuple[bytes, Record]:
    inverses, record = _invert(app, task, deadline, keeping)
    return _bounded(document(record, inverses), stored=keeping is not None), record


def _bounded(text: bytes, *, stored: bool) -> bytes:
    if len(text) <= _ANSWER_BYTES:
        return text
    raise Refused(
        Code.TOO_LARGE,
        "the answer does not fit a direct call",
        "fetch the result by its job id" if stored else "give the call a job_id, or upload a file",
        observed=f"{len(text)} bytes",
        limit=f"{_ANSWER_BYTES} bytes",
    )


def _invert(
    app: App, task: Task, deadline: Deadline, keeping: Announcer | None
) -> tuple[Inverses, Record]:
    ours = keeping is not None and _owned(app, task)
    array = _inline(task).array
    check_fits(
        app,
        task,
        predict(array.shape, array.dtype, task.options.method, accuracy=task.options.accuracy),
        deadline,
    )
    with task.timed("invert_ms", app.now):
        budget = Budget(lambda: deadline.remaining_s() - MARGIN_S, app.lane.budget_bytes)
        inverses = invert(
            array,
            task.options.method,
            task.options.on_ill_conditioned,
            accuracy=task.options.accuracy,
            budget=budget,
        )
    if keeping is None or not ours:
        return inverses, describe(app, task, inverses)
    record = publish(app, task, draft(app, task, inverses))
    _keep(app, task, record, keeping)
    return inverses, record


def _inline(task: Task) -> Inline:
    if isinstance(task.delivery.content, MatinvError):
        raise task.delivery.content
    if task.request and isinstance(task.request.input, Inline):
        return task.request.input
    raise Refused(
        Code.BAD_MESSAGE,
        "a direct call cannot name an object in S3",
        "send the reference to the jobs queue, or put the matrix into the call",
        limit="matrix or npy",
    )


def _owned(app: App, task: Task) -> bool:
    """Whether the job's record is ours to write: not if the job has ended before."""
    task.record = app.table.get([task.job_id]).get(task.job_id)
    try:
        check_owner(app, task)
    except NotOurs:
        return False
    return True


def _keep(app: App, task: Task, record: Record, announcer: Announcer) -> None:
    for end in write(app, [(task, record)]):
        if isinstance(end.result, MatinvError):
            raise end.result
        if isinstance(end.result, Record):
            announcer.announce([end.result])


def _keep_failure(app: App, task: Task, error: MatinvError, announcer: Announcer) -> MatinvError:
    """Write why a call failed into its record, unless that is another job's; return what to say."""
    if error.code is Code.JOB_ID_CONFLICT:
        return error
    try:
        _keep(app, task, new_record(app, task, Status.FAILED, error=error.info), announcer)
    except MatinvError as unwritten:
        return unwritten
    return error
