"""The dead-letter queue: what is in it, why, and how to send it back to work.

A dead letter is a body that the worker copied there, with the reason as attributes, or one that
SQS itself moved after too many receives, without any; then the job's record knows the reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final, Self

from matinv.client.client import Client
from matinv.client.message_text import edited, members
from matinv.errors import Code, ErrorInfo, MatinvError, Refused
from matinv.jobs.fairness import group_of
from matinv.jobs.intake import deliveries
from matinv.jobs.message import fields_of, options_of_metadata
from matinv.jobs.record import Record
from matinv.jobs.request import (
    Delivery,
    Options,
    Reference,
    Request,
    answer_options,
    input_info,
)
from matinv.pipeline.task import own_format
from matinv.ports import InputStore, Received

# SQS hands out ten messages at a time; each call takes about 20 ms, so that five minutes suffice
# to look through 100,000 of them.
_AT_A_TIME: Final = 10
_VISIBILITY_S: Final = 300


@dataclass(frozen=True, slots=True)
class DeadJob:
    """One job of a dead letter: a notification of several uploads has several."""

    delivery: Delivery
    record: Record | None

    @property
    def redrive(self) -> int:
        """How often the job was sent back before this letter."""
        content = self.delivery.content
        return content.redrive if isinstance(content, Request) else 0

    @property
    def next_redrive(self) -> int:
        """The count that sending it back gives the job."""
        return max(self.redrive, self.record.redrive if self.record else 0) + 1


@dataclass(frozen=True, slots=True)
class Letter:
    """A message of the dead-letter queue, understood as far as it can be.

    Parameters
    ----------
    received : Received
        The message.
    jobs : tuple of DeadJob
        The jobs in it; none in an event that means nothing.
    """

    received: Received
    jobs: tuple[DeadJob, ...]

    @property
    def job_ids(self) -> tuple[str, ...]:
        """The ids of its jobs."""
        named = self.received.attributes.get("job_id")
        return tuple(job.delivery.job_id for job in self.jobs) or ((named,) if named else ())

    @property
    def reason(self) -> tuple[str | None, str | None]:
        """Why it is there: an error code and a message, as far as anyone knows."""
        attributes = self.received.attributes
        if "error_code" in attributes:
            return attributes["error_code"], attributes.get("error_message")
        errors = [job.record.error for job in self.jobs if job.record and job.record.error]
        error = next(iter(errors), self.problem)
        return (error.code, error.message) if error else (None, None)

    @property
    def source(self) -> str | None:
        """The place of its input, or ``message``."""
        records = (job.record.input.source for job in self.jobs if job.record)
        return self.received.attributes.get("source") or next(records, None)

    @property
    def tags(self) -> Mapping[str, str]:
        """The tags of its jobs, as their records or messages have them."""
        tags: dict[str, str] = {}
        for job in self.jobs:
            if isinstance(job.delivery.content, Request):
                tags |= job.delivery.content.options.tags
            tags |= job.record.tags if job.record else {}
        return tags

    @property
    def age_s(self) -> float:
        """For how long it had been there when it was received, by the queue's clock."""
        return (self.received.received_at_ms - self.received.sent_at_ms) / 1000

    def follows(self, sent: Mapping[str, int]) -> bool:
        """Whether a job of it was sent back (`sent`: with which count) and has failed again."""
        jobs = ((job.redrive, sent.get(job.delivery.job_id)) for job in self.jobs)
        return any(count is not None and redrive >= count for redrive, count in jobs)

    @property
    def problem(self) -> ErrorInfo | None:
        """Why it cannot be sent back: its body is no job, and never will be."""
        if not self.jobs:
            return ErrorInfo(Code.BAD_MESSAGE, "the message holds no job", _BY_HAND)
        contents = (job.delivery.content for job in self.jobs)
        error = next((c.info for c in contents if isinstance(c, MatinvError)), None)
        return replace(error, hint=_BY_HAND) if error else None


_BY_HAND: Final = "submit a corrected message, and delete this one: matinv dlq delete"


@dataclass(frozen=True, slots=True)
class Redriven:
    """The outcome of a selected letter: sent back, or not, and why."""

    letter: Letter
    problem: ErrorInfo | None = None


class DeadLetters:
    """The letters of the dead-letter queue, one after the other; to be used in a ``with`` block.

    Only those that were there when the first was received, by the queue's own clock.
    While the block runs nobody else sees the letters that it has looked at. In the end those that
    were not deleted are released at once.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._queue = client.stack(
            "looking into the dead letters", "matinv dlq redrive --job-id ID works"
        ).queue
        self._taken: dict[str, Received] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._queue.release_dead(list(self._taken.values()))

    def __iter__(self) -> Iterator[Letter]:
        seen: set[str] = set()
        began_ms = 0
        while True:
            batch = self._queue.receive_dead(_AT_A_TIME, _VISIBILITY_S)
            fresh = [message for message in batch if message.message_id not in seen]
            seen |= {message.message_id for message in batch}
            for message in batch:
                # Bodies may be large, and there may be many: only what releases them is kept.
                self._taken[message.message_id] = replace(message, body="")
            if not fresh:  # the queue is empty, or this is its second round
                return
            began_ms = began_ms or batch[0].received_at_ms
            fresh = [message for message in fresh if message.sent_at_ms <= began_ms]
            found: dict[str, list[Delivery]] = {}
            for message in fresh:
                event = {
                    "eventSource": "aws:sqs",
                    "messageId": message.message_id,
                    "receiptHandle": message.receipt,
                    "body": message.body,
                }
                found[message.message_id] = deliveries({"Records": [event]})
            ids = {delivery.job_id for group in found.values() for delivery in group}
            records = self._client.table.get(sorted(ids))
            for message in fresh:
                group = found[message.message_id]
                yield Letter(message, tuple(DeadJob(one, records.get(one.job_id)) for one in group))

    def delete(self, letter: Letter) -> None:
        """Remove a letter from the queue."""
        self._queue.delete_dead([letter.received])
        self._taken.pop(letter.received.message_id, None)  # SQS may hand out a message twice


def redrive(  # noqa: PLR0913 - two say how it is done
    client: Client,
    selected: Callable[[Letter], bool],
    changes: Mapping[str, Any],
    limit: int | None = None,
    *,
    dry_run: bool = False,
    on_done: Callable[[Redriven], None] | None = None,
) -> list[Redriven]:
    """Send dead jobs back to the jobs queue, each as a message that reopens its record.

    Sent first, then deleted: a crash in between makes a duplicate, and loses nothing. Only letters
    that were there before are sent back: one that a job leaves behind because it fails again stays.

    Parameters
    ----------
    client : Client
        The service.
    selected : callable
        Which letters to send back.
    changes : mapping
        Options to set, as a message names them.
    limit : int, optional
        How many letters at most.
    dry_run : bool
        Only look.
    on_done : callable, optional
        Called with each letter as it is done.

    Returns
    -------
    list of Redriven
        One for each letter that was selected.
    """
    done: list[Redriven] = []
    sent: dict[str, int] = {}  # whatever the clocks say: of each job the redrive that was sent
    with DeadLetters(client) as letters:
        for letter in filter(selected, letters):
            if letter.follows(sent):
                continue
            problem = letter.problem or _send(client, letter, changes, dry_run=dry_run)
            if not problem and not dry_run:
                letters.delete(letter)
                sent |= {job.delivery.job_id: job.next_redrive for job in letter.jobs}
            done.append(Redriven(letter, problem))
            if on_done:
                on_done(done[-1])
            if limit is not None and len(done) >= limit:
                break
    return done


def delete(
    client: Client,
    selected: Callable[[Letter], bool],
    limit: int | None = None,
    *,
    dry_run: bool = False,
) -> list[Letter]:
    """Delete dead letters; the records of their jobs stay.

    Only letters that were there before are deleted, whether they could be sent back or not.

    Parameters
    ----------
    client : Client
        The service.
    selected : callable
        Which letters to delete.
    limit : int, optional
        How many letters at most.
    dry_run : bool
        Only find them.

    Returns
    -------
    list of Letter
        Those that were selected.
    """
    done: list[Letter] = []
    with DeadLetters(client) as letters:
        for letter in islice(filter(selected, letters), limit):
            if not dry_run:
                letters.delete(letter)
            done.append(letter)
    return done


def redriven_body(
    delivery: Delivery, record: Record | None, changes: Mapping[str, Any], store: InputStore
) -> str:
    """Return a message that does a dead job again, in spite of its record.

    The text of an inline matrix is copied as it is, to the last digit. An upload becomes a
    reference to that very version, with its place among the uploads of the key and the options of
    its metadata: only a notification makes the worker look there.

    Raises
    ------
    Refused
        INPUT_GONE, or what is wrong with the metadata.
    """
    request = delivery.content
    if not isinstance(request, Request):
        raise request
    fields: dict[str, Any] = {
        **changes,
        "job_id": delivery.job_id,
        "redrive": DeadJob(delivery, record).next_redrive,
    }
    if request.dropped and isinstance(request.input, Reference):
        with store.open(request.input) as blob:
            asked = options_of_metadata(blob.metadata)
        options = fields_of(replace(asked, named=frozenset()))  # a file of text wins over them
        if record and record.options and record.input.id == input_info(request).id:
            # A file of text may have had others of its own, which a message would overrule.
            told = answer_options(asked, own_format(request))
            options |= {n: v for n, v in record.options.items() if v != told.get(n)}
            options |= {"tags": dict(record.tags)} if record.tags else {}
        named = ("bucket", "key", "version_id", "order")
        s3 = {name: getattr(request.input, name) for name in named}
        s3 = {name: value for name, value in s3.items() if value is not None}
        return json.dumps({"s3": s3, **options} | fields)
    body = delivery.body
    texts = members(body)
    while texts.get("Type") == '"Notification"' and "Message" in texts:  # what SNS wraps around it
        body = json.loads(texts["Message"])
        texts = members(body)
    return edited(body, fields)


def _send(
    client: Client, letter: Letter, changes: Mapping[str, Any], *, dry_run: bool
) -> ErrorInfo | None:
    """Send the jobs of a letter back; return why that cannot be done."""
    store = client.stack("looking into the dead letters").store
    try:
        bodies = [redriven_body(job.delivery, job.record, changes, store) for job in letter.jobs]
        for job, body in () if dry_run else zip(letter.jobs, bodies, strict=True):
            content = job.delivery.content
            options = content.options if isinstance(content, Request) else Options()
            fair_by = client.settings.fair_by
            client.queue.send(body, group_of(fair_by, job.delivery.job_id, options))
    except Refused as error:
        return error.info
    return None
