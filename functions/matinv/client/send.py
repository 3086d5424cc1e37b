"""Sending: the order of writes on the client's side, so that a crash at any point loses nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from matinv.client.message_text import edited
from matinv.client.results import read_input
from matinv.client.submission import Submission
from matinv.errors import Code, MatinvError, Refused, Transient
from matinv.jobs.fairness import group_of
from matinv.jobs.ids import matrix_digest
from matinv.jobs.message import CONTENT, REPLACE, encode
from matinv.jobs.ownership import Ownership, Question, differing, digest_of, owner
from matinv.jobs.record import InputInfo, Record, Status
from matinv.jobs.request import (
    MESSAGE_SOURCE,
    Request,
    answer_options,
    input_info,
    reference_of,
)
from matinv.jobs.runs import run_of
from matinv.jobs.times import timestamp
from matinv.linalg.types import Matrix
from matinv.ports import ClientQueue, ClientStore, ClientTable, InputStore
from matinv.ports.parallel import CLIENT_THREADS, side_by_side
from matinv.settings import DAY_S, Settings

_PIECE_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends matrices to a stack.

    Parameters
    ----------
    store, table, queue : ClientStore, ClientTable, ClientQueue
        The buckets, the jobs, the jobs queue.
    settings : Settings
        The names of the stack's parts.
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
    """A matrix that was sent, or whose question was answered before.

    Parameters
    ----------
    job_id : str
        Its job.
    input : InputInfo
        The input that was sent.
    matrix : ndarray or None
        The matrix, if it travelled inside a message.
    ended : bool
        Whether the job had ended before, for this very question.
    revision : int
        Of the record of an ended job that this one replaces: only a later one is about what was
        sent. 0 if there is none.
    record : Record or None
        The job's record as far as sending knows it; None of an uploaded file.
    """

    job_id: str
    input: InputInfo
    matrix: Matrix | None = field(default=None, repr=False)
    ended: bool = False
    revision: int = 0
    record: Record | None = None


def send(sender: Sender, submission: Submission, record: Record | None) -> Sent:
    """Send a matrix as `send_all` does.

    Raises
    ------
    Refused
        JOB_ID_CONFLICT, if another question owns the job id: the worker would say the same.
    Transient
        If it could not be sent.
    """
    records = {submission.job_id: record} if record else {}
    (sent,) = send_all(sender, [submission], records)
    if isinstance(sent, MatinvError):
        raise sent
    return sent


@dataclass(frozen=True, slots=True)
class _Begun:
    """A matrix that is known to be ended, was uploaded, or is yet to be sent in a message.

    Parameters
    ----------
    outcome : Sent or MatinvError
        The answer, once `body` is sent.
    body : str or None
        The message.
    queued : Record or None
        The record to write then, if the job has none.
    """

    outcome: Sent | MatinvError
    body: str | None = None
    queued: Record | None = None


def send_all(
    sender: Sender, submissions: Sequence[Submission], records: Mapping[str, Record]
) -> list[Sent | MatinvError]:
    """Send matrices, but for those whose question was answered before.

    Files are uploaded side by side, messages sent ten in a call, records written a hundred in a
    call.

    Parameters
    ----------
    sender : Sender
        The stack's sender.
    submissions : sequence of Submission
        The submissions, with distinct job ids.
    records : mapping
        The records that the table has for the job ids.

    Returns
    -------
    list of Sent or MatinvError
        For each what was sent, or why it was not; the others are.
    """

    def begin(submission: Submission) -> _Begun:
        try:
            return _begin(sender, submission, records.get(submission.job_id))
        except MatinvError as error:
            return _Begun(error)

    begun = side_by_side(begin, submissions, CLIENT_THREADS)
    outcomes: list[Sent | MatinvError] = []
    bodies: dict[int, str] = {}
    groups: list[str] = []
    for number, (one, submission) in enumerate(zip(begun, submissions, strict=True)):
        outcomes.append(one.outcome)
        if one.body is not None:
            bodies[number] = one.body
            fair_by, job_id = sender.settings.fair_by, submission.job_id
            groups.append(group_of(fair_by, job_id, submission.options))
    queued: list[Record] = []
    refusals = sender.queue.send_all([*bodies.values()], groups) if bodies else ()
    for number, refusal in zip(bodies, refusals, strict=True):
        outcomes[number] = refusal or outcomes[number]
    for one, outcome in zip(begun, outcomes, strict=True):
        if one.queued and not isinstance(outcome, MatinvError):
            queued.append(one.queued)
    if queued:
        # Only now: what was sent counts, even if the table cannot be written at the moment.
        with suppress(Transient):
            sender.table.put(queued)
    return outcomes


def _begin(sender: Sender, submission: Submission, record: Record | None) -> _Begun:
    sha256 = _sha256(submission)
    question = _question(submission, record, sha256)
    found = owner(record, question)
    if record and found is Ownership.CONFLICT and _holds(sender.store, record, submission, sha256):
        # Somebody put this very file there by other means, as `aws s3 cp` does.
        question = replace(question, input=record.input)
        found = owner(record, question)
        if found is Ownership.OURS and not record.status.terminal:
            return _Begun(Sent(submission.job_id, record.input, submission.matrix, record=record))
    if record and found is Ownership.CONFLICT:
        raise _conflict(submission.job_id, record, question)
    if record and found is Ownership.ENDED:
        info = question.input if submission.body is not None else record.input
        sent = Sent(submission.job_id, info, submission.matrix, ended=True, record=record)
        return _Begun(sent, _again(submission, record) if submission.replaces else None)
    over = found is Ownership.OURS and record is not None and record.status.terminal
    revision = record.revision if record and over else 0
    if submission.body is None:
        info = _upload(sender, submission, sha256)
        sent = Sent(submission.job_id, info, submission.matrix, revision=revision)
        if record or not run_of(submission.job_id, submission.options.run):
            return _Begun(sent)
        # A run is whole before a worker has seen its files. The worker alone knows their options.
        known = replace(submission.input, source=info.source, id=info.id, content=sha256)
        return _Begun(sent, queued=_queued(sender, submission, Question(known)))
    queued = _queued(sender, submission, question)
    sent = Sent(
        submission.job_id,
        submission.input,
        submission.matrix,
        revision=revision,
        record=queued if record is None or over else record,
    )
    return _Begun(sent, submission.body, queued if record is None else None)


def _again(submission: Submission, record: Record) -> str:
    """Return a message with the same question: one that replaces may yet be on its way."""
    if submission.body is not None:
        return submission.body
    reference = reference_of(record.input)
    body = encode(Request(submission.job_id, reference, submission.options))
    return edited(body, {"replace": True})


def _holds(store: ClientStore, record: Record, submission: Submission, sha256: str) -> bool:
    """Whether the object that a record names has the content that is to be sent.

    Only its bytes tell, where its sender wrote no digest: they are read if all else agrees.
    """
    stands, comes = record.input, submission.input
    alike = stands.shape in {None, comes.shape} and stands.dtype in {None, comes.dtype}
    named = stands.source != MESSAGE_SOURCE and stands.id != ""
    if not (alike and named and isinstance(store, InputStore)):
        return False
    try:
        if submission.matrix is not None:
            return matrix_digest(read_input(store, record)) == matrix_digest(submission.matrix)
        if stands.content is not None or stands.size_bytes not in {None, comes.size_bytes}:
            return False
        digest = hashlib.sha256()
        with store.open(reference_of(stands)) as blob:
            while piece := blob.read(_PIECE_BYTES):
                digest.update(piece)
    except MatinvError:  # it is not there any more, or may not be read
        return False
    return digest.hexdigest() == sha256


def check_free(
    store: ClientStore, submission: Submission, record: Record, *, done_counts: bool = False
) -> bool:
    """Raise the error of `send` for a job id that another question owns; send nothing.

    Parameters
    ----------
    store, submission, record
        The store of results, the job to send, and the record that the table has for its id.
    done_counts : bool
        Whether a job that has succeeded for this very input, with other options, is as good if
        the submission names none of those that differ: whoever redrove it chose them.

    Returns
    -------
    bool
        Whether it is such a job.

    Raises
    ------
    Refused
        JOB_ID_CONFLICT.
    """
    sha256 = _sha256(submission)
    question = _question(submission, record, sha256)
    if owner(record, question) is not Ownership.CONFLICT:
        return False
    if _holds(store, record, submission, sha256):
        question = replace(question, input=record.input)
        if owner(record, question) is not Ownership.CONFLICT:
            return False
    come, stand = question.options or {}, record.options
    differ = {name for name in {**come, **stand} if come.get(name) != stand.get(name)}
    if (
        done_counts
        and record.status.succeeded
        and differing(record, question)
        and not differ & submission.options.named
    ):
        return True
    raise _conflict(submission.job_id, record, question)


def _question(submission: Submission, record: Record | None, sha256: str) -> Question:
    """Return the question that a submission asks, as `matinv.jobs.ownership` compares it.

    A file that is not uploaded yet has no version: it is known by the SHA-256 of its bytes, which
    the record of a file has if its sender wrote it into the metadata. Of a message that refers to
    a file its worker alone knows all options.
    """
    info, options = submission.input, answer_options(submission.options, submission.format)
    if submission.body is None:
        same = record is not None and record.input.content == sha256
        known = record.input.id if record and same else sha256
        info = replace(info, source=f"file of {submission.job_id}", id=known)
    elif info.source != MESSAGE_SOURCE:
        return Question(info, None, replaces=submission.replaces)
    return Question(info, options, replaces=submission.replaces)


def _sha256(submission: Submission) -> str:
    """Return the digest of a file's bytes, ``""`` for a message."""
    if submission.body is not None:
        return ""
    digest = hashlib.sha256()
    with submission.content() as parts:
        for part in parts:
            digest.update(part)
    return digest.hexdigest()


def _upload(sender: Sender, submission: Submission, sha256: str) -> InputInfo:
    metadata = dict(submission.metadata) | {CONTENT: sha256}
    metadata |= {REPLACE: "true"} if submission.replaces else {}
    with submission.content() as parts:
        key = f"{submission.job_id}.{submission.format}"
        reference = sender.store.upload(key, parts, metadata)
    return input_info(Request(submission.job_id, reference))


def _queued(sender: Sender, submission: Submission, question: Question) -> Record:
    now = sender.now()
    return Record(
        submission.job_id,
        Status.QUEUED,
        question.input,
        created_at=timestamp(now),
        updated_at=timestamp(now),
        expires_at=int(now) + sender.settings.retention_days * DAY_S,
        revision=1,
        question=digest_of(question.input, question.options) if question.options else "",
        options=question.options or {},
        tags=submission.options.tags,
        run=run_of(submission.job_id, submission.options.run),
    )


def _conflict(job_id: str, record: Record, question: Question) -> Refused:
    whose = f", of run {record.run}" if record.run else ""
    if options := differing(record, question):
        return Refused(
            Code.JOB_ID_CONFLICT,
            f"job id {job_id} belongs to the same input with other options{whose}",
            "say the options that it has, leave out what is done (--skip-done), or do it again: "
            "replace=True, --replace",
            observed=options[0],
            limit=options[1],
        )
    message = record.input.source == MESSAGE_SOURCE
    stands = "a matrix that came in a message" if message else record.input.source
    return Refused(
        Code.JOB_ID_CONFLICT,
        f"job id {job_id} belongs to another input, {stands}{whose}",
        "choose another job id (of many: --prefix), or replace what it has: replace=True, "
        "--replace",
    )
