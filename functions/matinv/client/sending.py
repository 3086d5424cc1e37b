"""Sending: the order of writes on the client's side, so that a crash at any point loses nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from matinv.client.job import Job
from matinv.client.submission import Submission
from matinv.core.errors import Code, Refused, Transient
from matinv.core.job import Claim, InputInfo, Record, Request, Status, claim, input_info
from matinv.service.publish import timestamp
from matinv.settings import DAY_S

if TYPE_CHECKING:
    from matinv.client.connection import Client


def send(client: Client, submission: Submission, record: Record | None) -> Job:
    """Send a matrix, unless its job has ended before for this very input.

    Parameters
    ----------
    client : Client
        Where to.
    submission : Submission
        What.
    record : Record or None
        What the table says of the job id.

    Raises
    ------
    Refused
        JOB_ID_CONFLICT, if another input owns the job id.
    Transient
        If it could not be sent.
    """
    if submission.body is None:
        return _upload(client, submission, record)
    ended = _ended(submission.job_id, record, submission.input)
    if not ended:
        client.queue.send(submission.body)
        if record is None:
            # Only now: what was sent counts, even if the table cannot be written at the moment.
            with suppress(Transient):
                client.table.put([_queued(client, submission)])
    return Job(client, submission.job_id, submission.input, submission.matrix, ended)


def _upload(client: Client, submission: Submission, record: Record | None) -> Job:
    key = f"{submission.job_id}.{submission.format}"
    uri = f"s3://{client.settings.inputs_bucket}/{key}"
    if record and record.input.source != uri:
        raise _conflict(submission.job_id, record)
    with submission.content() as parts:
        reference = client.store.upload(key, parts, submission.metadata())
    info = input_info(Request(submission.job_id, reference))
    return Job(client, submission.job_id, info, submission.matrix)


def _ended(job_id: str, record: Record | None, info: InputInfo) -> bool:
    verdict = claim(record, info, redrive=0)
    if record and verdict is Claim.CONFLICT:
        raise _conflict(job_id, record)
    return verdict is Claim.DUPLICATE


def _queued(client: Client, submission: Submission) -> Record:
    now = client.now()
    return Record(
        submission.job_id,
        Status.QUEUED,
        submission.input,
        created_at=timestamp(now),
        updated_at=timestamp(now),
        expires_at=int(now) + client.settings.retention_days * DAY_S,
        revision=1,
        tags=submission.options.tags,
    )


def _conflict(job_id: str, record: Record) -> Refused:
    return Refused(
        Code.JOB_ID_CONFLICT,
        f"job id {job_id} belongs to another input",
        "choose another job id; a file is replaced by uploading a newer one of the same name",
        observed=record.input.source,
    )
