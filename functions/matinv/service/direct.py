"""The direct call: a matrix in, its inverse in the answer, and in a record if it has a job id."""

from __future__ import annotations

from matinv.core.errors import Code, MatinvError, Refused
from matinv.core.inverse import invert
from matinv.core.job import Delivery, Inline, Matrix, Request, Status, input_info
from matinv.core.limits import predict
from matinv.service.app import App, Deadline, Diverted, Task
from matinv.service.claim import check_claim
from matinv.service.load import check_fits
from matinv.service.publish import describe, document, draft, new_record, publish
from matinv.service.settle import write

# Lambda's limit for a synchronous answer is 6 MB.
_ANSWER_BYTES = 6 * 1024 * 1024


def answer(app: App, request: Request, deadline: Deadline, *, stored: bool) -> bytes:
    """Invert a matrix and return the JSON document of its result.

    Parameters
    ----------
    stored : bool
        Whether to keep record and result like those of any job. A job that has ended keeps its
        record; the answer is computed all the same.

    Raises
    ------
    Refused
        What is wrong with the matrix, JOB_ID_CONFLICT, or TOO_LARGE for an answer above 6 MB.
    Transient
        A passing fault. For an asynchronous call it must leave the function, so that Lambda
        tries again.
    """
    if not isinstance(request.input, Inline):
        raise Refused(
            Code.BAD_MESSAGE,
            "a direct call cannot name an object in S3",
            "send the reference to the jobs queue, or put the matrix into the call",
            limit="matrix or npy",
        )
    task = _task(app, request)
    try:
        return _answer(app, task, request.input.array, deadline, stored=stored)
    except MatinvError as error:
        if stored and error.code is not Code.JOB_ID_CONFLICT:
            write(app, [(task, new_record(app, task, Status.FAILED, error.info))])
        raise


def _task(app: App, request: Request) -> Task:
    sent_at_ms = int(1000 * app.now())
    delivery = Delivery("", "", "", 1, sent_at_ms, request.job_id, request)
    return Task(delivery, request, input_info(request), None)


def _answer(app: App, task: Task, array: Matrix, deadline: Deadline, *, stored: bool) -> bytes:
    fresh = _claimed(app, task) if stored else False
    check_fits(app, task, predict(array.shape, array.dtype, task.options.method), deadline)
    with task.timed("invert_ms", app.now):
        inverses = invert(array, task.options.method, task.options.on_ill_conditioned)
    text = document(describe(app, task, inverses), inverses)
    if fresh:
        write(app, [(task, publish(app, task, draft(app, task, inverses)))])
    if len(text) > _ANSWER_BYTES:
        raise Refused(
            Code.TOO_LARGE,
            "the answer does not fit a direct call",
            "give the call a job_id and fetch the result, or upload the matrix",
            observed=f"{len(text)} bytes",
            limit=f"{_ANSWER_BYTES} bytes",
        )
    return text


def _claimed(app: App, task: Task) -> bool:
    """Whether the job's record is ours to write: not if the job has ended before."""
    task.record = app.table.get([task.job_id]).get(task.job_id)
    try:
        check_claim(task)
    except Diverted:
        return False
    return True
