"""``/jobs``: submit, look, list, send back to work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from matinv.errors import Code, Refused
from matinv.formats import json_text
from matinv.http_api import bulk, listing
from matinv.http_api import submit as submitting
from matinv.http_api.bodies import read
from matinv.http_api.problems import Problem
from matinv.http_api.request import Exchange
from matinv.http_api.responses import Response, as_json
from matinv.jobs.error_answers import NOT_FOUND
from matinv.jobs.ids import job_id_of
from matinv.jobs.message import options_schema, validated
from matinv.jobs.record import Record
from matinv.jobs.record_document import document_of
from matinv.operations.dead_letters import Letter, redrive

LOOK_AGAIN_S: Final = 1


def submit(exchange: Exchange) -> Response:
    """Submit a matrix, or several."""
    client = exchange.services.client
    messages = bulk.messages_of(exchange)
    if messages is not None:
        return as_json(200, {"jobs": bulk.outcomes(client, messages, exchange.deadline)})
    body = read(exchange)
    if isinstance(body.tree, dict) and "upload" in body.tree:
        job_id, upload = submitting.upload_of(client, body)
        document = {"job_id": job_id, "upload": upload}
        return as_json(202, document, exchange.location(job_id))
    sent = submitting.sent(client, submitting.submission_of(body))
    record = sent.record or client.job(sent.job_id).record()
    return _job(record, 200 if sent.ended else 202, exchange.location(sent.job_id))


def list_jobs(exchange: Exchange) -> Response:
    """List jobs."""
    return as_json(200, listing.page_of(exchange.services.client, listing.asked(exchange.query)))


def job(exchange: Exchange) -> Response:
    """Look at a job."""
    return _job(exchange.services.client.job(exchange.name).record(), 200, {})


def cancel_job(exchange: Exchange) -> Response:
    """Cancel a job."""
    client = exchange.services.client
    job = client.job(exchange.name)
    record = client.cancel([job]).get(job.job_id)
    return _job(record or job.record(), 200, {})


def redrive_job(exchange: Exchange) -> Response:
    """Send a dead job back to work."""
    wanted = job_id_of(exchange.name)
    changes = {}
    if exchange.content:
        changes = validated(options_schema, json_text.parse(exchange.body(), Code.BAD_MESSAGE))

    def selected(letter: Letter) -> bool:
        exchange.deadline.check()
        return wanted in letter.job_ids

    done = redrive(exchange.services.client, selected, changes)
    sent = [job_id for one in done if not one.problem for job_id in one.letter.job_ids]
    if not sent:
        for problem in (one.problem for one in done if one.problem):
            raise Refused(problem.code, problem.message, problem.hint)
        raise Problem(NOT_FOUND, f"job {wanted} has no dead letter", "see its record")
    return as_json(202, {"job_ids": sent}, exchange.location(wanted))


def _job(record: Record, status: int, headers: Mapping[str, str]) -> Response:
    again = {} if record.status.terminal else {"retry-after": str(LOOK_AGAIN_S)}
    return as_json(status, document_of(record), {**headers, **again})
