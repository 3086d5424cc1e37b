"""Sending: the order of writes on the client's side, so that a crash at any point loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from matinv.client.submission import Submission
from matinv.errors import Code, Refused, Transient
from matinv.jobs.ownership import Claim, claim
from matinv.jobs.record import InputInfo, Record, Status
from matinv.jobs.request import Request, input_info
from matinv.jobs.times import timestamp
from matinv.linalg.types import Matrix
from matinv.ports import ClientQueue, ClientStore, ClientTable
from matinv.settings import DAY_S, Settings


@dataclass(frozen=True, slots=True)
class Sender:
    """Where matrices are sent to.

    Parameters
    ----------
    store, table, queue : ClientStore, ClientTable, ClientQueue
        The buckets, the jobs, the jobs queue.
    settings : Settings
        Where all of that is.
    now : callable
        Seconds since the epoch.
    """

    store: ClientStore
    table: ClientTable
    queue: ClientQueue
    settings: Settings
    now: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Sent:
    """A matrix that was sent, or whose job had ended before.

    Parameters
    ----------
    job_id : str
        Its job.
    input : InputInfo
        What was sent.
    matrix : ndarray or None
        The matrix, if it travelled inside a message.
    ended : bool
        Whether the job had ended before, for this very input.
    record : Record or None
        The job's record as far as sending knows it; None of an uploaded file.
    """

    job_id: str
    input: InputInfo
    matrix: Matrix | None = field(default=None, repr=False)
    ended: bool = False
    record: Record | None = None


def send(sender: Sender, submission: Submission, record: Record | None) -> Sent:
    """Send a matrix, unless its job has ended before for this very input.

    Parameters
    ----------
    sender : Sender
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
        return _upload(sender, submission, record)
    ended = _ended(submission.job_id, record, submission.input)
    queued = _queued(sender, submission)
    if not ended:
        sender.queue.send(submission.body)
        if record is None:
            # Only now: what was sent counts, even if the table cannot be written at the moment.
            with suppress(Transient):
                sender.table.put([queued])
    known = record or queued
    return Sent(submission.job_id, submission.input, submission.matrix, ended, known)


def _upload(sender: Sender, submission: Submission, record: Record | None) -> Sent:
    key = f"{submission.job_id}.{submission.format}"
    uri = f"s3://{sender.settings.inputs_bucket}/{key}"
    if record and record.input.source != uri:
        raise _conflict(submission.job_id, record)
    with submission.content() as parts:
        reference = sender.store.upload(key, parts, submission.metadata)
    info = input_info(Request(submission.job_id, reference))
    return Sent(submission.job_id, info, submission.matrix)


def _ended(job_id: str, record: Record | None, info: InputInfo) -> bool:
    verdict = claim(record, info, redrive=0)
    if record and verdict is Claim.CONFLICT:
        raise _conflict(job_id, record)
    return verdict is Claim.DUPLICATE


def _queued(sender: Sender, submission: Submission) -> Record:
    now = sender.now()
    return Record(
        submission.job_id,
        Status.QUEUED,
        submission.input,
        created_at=timestamp(now),
        updated_at=timestamp(now),
        expires_at=int(now) + sender.settings.retention_days * DAY_S,
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
