"""``/jobs``: submit, look, list, send back to work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote

import orjson
from aws_lambda_powertools.event_handler import Response

from matinv.errors import Code, ErrorInfo, MatinvError, Refused
from matinv.formats import json_text
from matinv.http_api import listing, models
from matinv.http_api import submit as submitting
from matinv.http_api.bodies import read
from matinv.http_api.problems import NOT_FOUND, Problem
from matinv.http_api.request import JSON_TYPE, exchange_of, router
from matinv.http_api.responses import answers
from matinv.jobs.ids import job_id_of
from matinv.jobs.message import options_schema, validated
from matinv.jobs.record import Record
from matinv.jobs.record_document import document_of
from matinv.operations.dead_letters import Letter, redrive

routes: Final = router()

LOOK_AGAIN_S: Final = 1


@routes.post(
    "/jobs",
    operation_id="submit",
    summary="Submit a matrix",
    description="A small one in the body; for a large one ask for an upload, and PUT the file to "
    "the URL that comes back, within 15 minutes. The Idempotency-Key is the job's id: sent again "
    "with the same matrix, the request has the same answer.",
    responses=answers(
        {
            200: ("The job has ended before, for this very matrix.", models.Job),
            202: ("It is on its way, or the file is to be sent there.", models.Job | models.Upload),
        },
        400, 409, 413, 415,
    ),
)  # fmt: skip
def submit() -> Response[str]:
    """Submit a matrix."""
    exchange = exchange_of(routes)
    body = read(exchange)
    client = exchange.parts.client
    if isinstance(body.tree, dict) and "upload" in body.tree:
        upload = submitting.upload_of(client, body)
        headers = exchange.location(upload.job_id)
        return Response(202, JSON_TYPE, upload.model_dump_json(), headers)
    (sent,) = client.send([submitting.submission_of(body)])
    if isinstance(sent, MatinvError):
        raise sent
    headers = exchange.location(sent.job_id)
    return _job(sent.record(), 200 if sent.ended else 202, headers)


@routes.get(
    "/jobs",
    operation_id="list_jobs",
    summary="List jobs, the most recently updated first",
    responses=answers({200: ("A page of them.", models.Jobs)}, 400),
)
def list_jobs() -> Response[str]:
    """List jobs."""
    exchange = exchange_of(routes)
    page = listing.page_of(exchange.parts.client, listing.asked(exchange.query))
    return Response(200, JSON_TYPE, orjson.dumps(page).decode())


@routes.get(
    "/jobs/<job_id>",
    operation_id="job",
    summary="Look at a job",
    responses=answers({200: ("Its record.", models.Job)}, 400, 404),
)
def job(job_id: str) -> Response[str]:
    """Look at a job."""
    exchange = exchange_of(routes)
    return _job(exchange.parts.client.job(unquote(job_id)).record(), 200, {})


@routes.post(
    "/jobs/<job_id>/redrive",
    operation_id="redrive",
    summary="Send a dead job back to work",
    description="With the options of the body in place of its own.",
    responses=answers({202: ("It is on its way.", models.Redriven)}, 400, 404, 413, 415, 422),
)
def redrive_job(job_id: str) -> Response[str]:
    """Send a dead job back to work."""
    exchange = exchange_of(routes)
    wanted = job_id_of(unquote(job_id))
    changes = _changes(exchange.body()) if exchange.content else {}

    def selected(letter: Letter) -> bool:
        exchange.deadline.check()
        return wanted in letter.job_ids

    done = redrive(exchange.parts.client, selected, changes)
    sent = [job_id for one in done if not one.problem for job_id in one.letter.job_ids]
    if not sent:
        raise _not_sent(wanted, [one.problem for one in done if one.problem])
    body = orjson.dumps({"job_ids": sent}).decode()
    return Response(202, JSON_TYPE, body, exchange.location(wanted))


def _not_sent(job_id: str, problems: Sequence[ErrorInfo]) -> Exception:
    """Return why no letter was sent back: there is none, or the first is no job."""
    for problem in problems:
        return Refused(problem.code, problem.message, problem.hint)
    return Problem(404, NOT_FOUND, f"no dead letter is of job {job_id}", "see its record")


def _changes(text: bytes) -> dict[str, Any]:
    return validated(options_schema, json_text.parse(text, Code.BAD_MESSAGE))


def _job(record: Record, status: int, headers: dict[str, str]) -> Response[str]:
    if not record.status.terminal:
        headers |= {"retry-after": str(LOOK_AGAIN_S)}
    return Response(status, JSON_TYPE, orjson.dumps(document_of(record)).decode(), headers)
