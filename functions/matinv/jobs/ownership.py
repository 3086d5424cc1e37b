"""The owner of a job id: the one rule behind dedupe, conditional writes, and every sender.

A job is a question: an input, by its content or its object's version, and the options that shape
its answer. The rule compares the question that stands in the record with the one that comes. It
reads nothing but its arguments; where they do not tell, it says what else to find out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from matinv.jobs.record import InputInfo, Record, Status
from matinv.jobs.request import MESSAGE_SOURCE
from matinv.jobs.times import timestamp


class Ownership(StrEnum):
    """How a question that comes stands to the record that it finds under its job id."""

    OURS = "ours"  # it may be worked on, and its record written
    ENDED = "ended"  # it was answered before: a duplicate
    STALE = "stale"  # a newer question owns the id
    CONFLICT = "conflict"  # another question owns the id
    OPEN_FIRST = "open first"  # its object tells: open it, and write nothing yet
    ASK_S3 = "ask S3"  # which content stands at the key now tells


@dataclass(frozen=True, slots=True)
class Question:
    """A question that comes, as far as it is known.

    Parameters
    ----------
    input : InputInfo
        The input to invert; its ``id`` is ``""`` until its object is open.
    options : mapping of str to str, optional
        The options that shape the answer (`answer_options`); None until all of them are read.
    upload : bool
        Whether a notification of an upload brings it.
    replaces : bool or None
        Whether it asks to take the job id from another question; None until that is read.
    message_id : str
        The SQS message that brings it, ``""`` for what is not sent yet.
    sent_at_ms : int
        When that message was sent, in milliseconds since the epoch.
    was_dead : bool
        Whether that message lay among the dead letters, and somebody moved it back.
    """

    input: InputInfo
    options: Mapping[str, str] | None = None
    upload: bool = False
    replaces: bool | None = False
    message_id: str = ""
    sent_at_ms: int = 0
    was_dead: bool = False


def digest_of(input_: InputInfo, options: Mapping[str, str]) -> str:
    """Return the SHA-256 of a question: its input's identity and the options, in hex."""
    texts = [input_.id, *(f"{name}={options[name]}" for name in sorted(options))]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def owner(
    record: Record | None, question: Question, current: frozenset[str] | None = None
) -> Ownership:
    """Decide whether a question may take a job id.

    Parameters
    ----------
    record : Record or None
        The record that the table has for the job id now.
    question : Question
        The question that a delivery brings.
    current : frozenset of str, optional
        The identities of the content that stands at the question's key now, once S3 was asked:
        none if nothing stands there, and by version and by ETag if something does.

    Returns
    -------
    Ownership
        OURS if the question may be worked on.
    """
    if record is None:
        return Ownership.OURS
    if record.status.failed and _is_again(record, question):
        return Ownership.ENDED
    same_source = question.input.source == record.input.source
    if not question.input.id:
        # An input that was opened keeps its record from one that was not, but for its own message.
        unknown = not record.input.id or question.message_id == record.message_id != ""
        going_on = same_source and unknown and not record.status.terminal
        return Ownership.OURS if going_on or record.status.failed else Ownership.OPEN_FIRST
    if question.input.id == record.input.id or {question.input.id, record.input.id} <= (
        current or frozenset()
    ):
        return _of_the_same_input(record, question)
    if same_source and not record.input.id:  # the object was never opened
        return Ownership.OURS
    if same_source and question.input.source != MESSAGE_SOURCE:
        return _of_another_content(record, question, current)
    return Ownership.OURS if record.status.failed else _if_it_replaces(record, question)


def asked_again(record: Record, question: Question) -> Record | None:
    """Return the record to write in place of the one that a duplicate found; None if that itself.

    Of questions that replace each other the one that was sent last stays. One whose answer is there
    already is no exception: one that was sent before it, and comes later, must find its time.
    """
    if not (question.replaces and record.status.succeeded and _is_sent_later(record, question)):
        return None
    return replace(
        record,
        message_id=question.message_id,
        message_at_ms=question.sent_at_ms,
        revision=record.revision + 1,
    )


def differing(record: Record, question: Question) -> tuple[str, str] | None:
    """Return which options of the same input differ: as they come, and as the record has them."""
    if question.input.id != record.input.id:
        return None
    come, stand = question.options or {}, record.options
    names = [name for name in {**stand, **come} if come.get(name) != stand.get(name)]
    shown = [", ".join(f"{n}: {side.get(n, 'none')}" for n in names) for side in (come, stand)]
    return (shown[0], shown[1]) if names else None


def _of_the_same_input(record: Record, question: Question) -> Ownership:
    same = Ownership.ENDED if record.status.succeeded else Ownership.OURS
    if record.status.failed or not record.options:
        return same
    # While the job goes on, another notification of its upload may turn out to have other options.
    if _is_again(record, question) and (question.options is None or record.status.succeeded):
        return same
    if question.options is None:
        return Ownership.OPEN_FIRST
    if question.options == record.options:
        return same
    if question.upload and _is_newer_upload(record, question):
        return Ownership.OURS
    return _if_it_replaces(record, question)


def _of_another_content(
    record: Record, question: Question, current: frozenset[str] | None
) -> Ownership:
    """Decide between two contents of one key: the newer one owns the id, whoever tells of it."""
    if _sequencer(record.input) and _sequencer(question.input):
        newer = _sequencer(question.input) >= _sequencer(record.input)
    elif current is None:
        return Ownership.ASK_S3
    else:
        newer = question.input.id in current
    if newer:
        return Ownership.OURS
    # An upload that is not the newest is answered by the newest; a message asks for this one.
    uploaded = question.upload or question.input.order is not None
    return Ownership.STALE if uploaded else _if_it_replaces(record, question)


def _if_it_replaces(record: Record, question: Question) -> Ownership:
    """Let a question take the id if it says so; of two that do, SQS's own time tells the newer."""
    if question.replaces is None:
        return Ownership.OPEN_FIRST
    if not question.replaces:
        return Ownership.CONFLICT
    newer = not question.message_id or _is_sent_later(record, question)
    return Ownership.OURS if newer else Ownership.STALE


def _is_sent_later(record: Record, question: Question) -> bool:
    stands = (record.message_at_ms, record.message_id)
    return (question.sent_at_ms, question.message_id) > stands


def _is_again(record: Record, question: Question) -> bool:
    """Whether this very message, or this upload's notification, was done or cancelled before.

    A message that was sent before its job was cancelled is cancelled with it, by the clocks of
    SQS and of the caller that cancelled. A failure that may pass is not done: its message is still
    SQS's to deliver, and no copy of it lies among the dead letters.
    """
    if record.status.failed and record.error and record.error.retryable:
        return False
    cancelled, sent_at = record.status is Status.CANCELLED, timestamp(question.sent_at_ms / 1000)
    if cancelled and question.sent_at_ms and sent_at <= record.updated_at:
        return True
    if question.message_id and question.message_id == record.message_id:
        return True
    known = question.input.id != "" and question.input.id == record.input.id
    # Who cancels a file that no worker has seen knows no sequencer of it.
    uploads = question.upload and (cancelled or record.input.order is not None)
    return known and uploads and not question.was_dead and not _is_newer_upload(record, question)


def _is_newer_upload(record: Record, question: Question) -> bool:
    """Whether S3 has put the upload behind the record's; without both sequencers nobody knows."""
    stands = _sequencer(record.input)
    return stands != "" and _sequencer(question.input) > stands


def _sequencer(info: InputInfo) -> str:
    """Return S3's sequencer of an upload; records of earlier versions may have its time there."""
    return info.order if info.order and info.order.isalnum() else ""
