"""What must hold in every schedule: at each moment, after each batch, and in the end."""

from __future__ import annotations

import hashlib
import re
from math import inf
from typing import Any

from matinv import pipeline
from matinv.backends.aws.event_source import Event
from matinv.jobs import intake
from matinv.jobs.record import InputInfo, Record, Status
from matinv.jobs.request import Delivery, Request
from matinv.pipeline.outcome import Outcome, Verdict
from matinv.pipeline.task import task_of
from matinv.testing.events import sqs_event
from support.simulated_sqs import Message
from support.simulator import MAX_RECEIVES, TIMEOUT_S, Frame, Simulator

from .matrices import may_fail, wrong

_EXPIRES = re.compile(r'"expires_in_s": ?([0-9]+)')
_REPLACES = re.compile(r'"replace": ?true')
_OF_ONE_JOB = ("open", "read", "put_result")  # calls that concern one job of a batch


class Witness:
    """Knows what was sent, looks at everything that is written, and asserts.

    Attributes
    ----------
    matrices : dict of str to nested list
        The matrix behind the identity of an input; None if it holds none.
    uploads : dict of str to int
        The order of uploads, by the identity of the input.
    asked : dict of str to dict
        The options that a message asked for, by its id.
    """

    def __init__(self, simulator: Simulator) -> None:
        self.matrices: dict[str, Any] = {}
        self.uploads: dict[str, int] = {}
        self._simulator = simulator
        self.asked: dict[str, dict[str, str]] = {}
        self._questions: dict[str, Any] = {}
        self._seen: dict[str, Record] = {}
        self._newest: dict[str, int] = {}
        self._objects: dict[str, Any] = {}
        self._ended: set[tuple[str, str]] = set()
        self._stale: set[tuple[str, str]] = set()
        self._statuses: set[tuple[str, str]] = set()
        self._cancelled_ms: dict[str, int] = {}
        self._begun: set[tuple[str, str]] = set()
        self._last_ended_ms: dict[tuple[str, str], int] = {}
        self._owned_ms: dict[tuple[str, Any], int] = {}
        self._replaced_ms: dict[str, int] = {}
        simulator.watch = self.look
        simulator.judge = self.judge

    # At each moment

    def look(self) -> None:
        """Look at what is new in the table and in the bucket."""
        for job_id, record in self._simulator.service.table.records.items():
            if record is not self._seen.get(job_id):
                self._look_at_change(self._seen.get(job_id), record)
                self._seen[job_id] = record
        for uri, versions in self._simulator.service.store._versions.items():
            if uri.startswith("s3://results/"):
                assert len(versions) == 1, f"{uri} was written twice"
                assert self._objects.setdefault(uri, versions[0]) is versions[0], uri

    def forget(self, job_id: str) -> None:
        """Take note that a record is dropped because it is too old."""
        self._seen.pop(job_id)
        self._replaced_ms.pop(job_id, None)

    def _look_at_change(self, old: Record | None, new: Record) -> None:
        assert new.revision == (old.revision if old else 0) + 1
        if old:
            self._look_at_owner(old, new)
        order = self.uploads.get(new.input.id, -1)
        self._newest[new.input.source] = max(order, self._newest.get(new.input.source, -1))
        owner = new.job_id, (new.input.id, frozenset(new.options.items()))
        self._owned_ms[owner] = max(new.message_at_ms, self._owned_ms.get(owner, -1))
        if new.status.terminal:
            self._ended.add((new.job_id, new.input.id))
            at_ms = self._last_ended_ms.get((new.job_id, new.input.source), 0)
            self._last_ended_ms[new.job_id, new.input.source] = max(at_ms, new.message_at_ms)
            self._statuses.add((new.job_id, new.status))
        if new.status in {Status.RUNNING, Status.RETRYING}:
            self._begun.add((new.job_id, new.input.id))
        if new.status is Status.FAILED:
            self._look_at_failure(new)
        elif new.status is Status.CANCELLED:
            assert new.result is None
            self._cancelled_ms[new.job_id] = int(1000 * self._simulator.clock.now_s)
        elif new.status is Status.EXPIRED:
            assert new.result is None
            self._look_at_expiry(new)
        elif new.status.terminal:
            self._look_at_result(new)

    def _look_at_expiry(self, record: Record) -> None:
        sent = self._simulator.jobs.history
        (message,) = (m for m in sent if m.message_id == record.message_id)
        limit_s = self._limit_s(message)
        if limit_s is not None:  # else it is in the metadata of a file
            waited_s = self._simulator.clock.now_s - message.sent_at_s
            assert waited_s > limit_s, "a job expired before its time was over"

    def _limit_s(self, message: Message) -> int | None:
        """Return for how long a message may wait, if it says so itself."""
        found = _EXPIRES.search(message.body)
        return int(found[1]) if found else None

    def _look_at_owner(self, old: Record, new: Record) -> None:
        if new.status is Status.CANCELLED:
            assert not old.status.terminal, f"{old.status} was cancelled"
            return
        if old.status is Status.CANCELLED:
            since = new.message_at_ms > self._cancelled_ms[old.job_id]
            assert since, "a message that was sent before its job was cancelled was worked on"
            return
        if old.status is Status.EXPIRED:
            assert new.message_id != old.message_id, "a message that expired was worked on"
            return
        if self._supersedes(new.input, old.input):
            return

        assert not self._supersedes(old.input, new.input), "an older upload won over a newer one"
        if old.status is Status.FAILED:
            passing = old.error is not None and old.error.retryable
            assert passing or new.message_id != old.message_id, "one message failed twice"
            return
        if new.message_id in self._replacing():
            newest_ms = max(old.message_at_ms, self._replaced_ms.get(new.job_id, -1))
            assert new.message_at_ms >= newest_ms, "an older message replaced a newer one"
            return
        assert not old.status.terminal, f"{old.status} was reopened"
        # Until its object was opened, no question owns the id: of two references to it the first
        # that is answered does, and the other one is refused.
        assert new.input.source == old.input.source, "another source took the job id"
        assert new.input.id == old.input.id or not old.input.id, "another input took the job id"
        if new.options and old.options and old.input.id:
            assert new.options == old.options, "other options took the job id"

    def _replacing(self) -> set[str]:
        """Return the messages that may take a job id from another question."""
        sent = self._simulator.jobs.history
        return {message.message_id for message in sent if _REPLACES.search(message.body)}

    def _supersedes(self, new: InputInfo, old: InputInfo) -> bool:
        orders = (self.uploads.get(new.id), self.uploads.get(old.id))
        if new.source != old.source or None in orders:
            return False
        return orders > orders[::-1]  # type: ignore[operator] - not None, see above

    def _look_at_failure(self, record: Record) -> None:
        error = record.error
        assert error
        assert record.result is None
        if error.retryable:
            assert record.attempts >= MAX_RECEIVES, f"gave up after {record.attempts}: {error}"
            return
        assert self._is_buried(record.job_id, error.code), f"no letter of {record.job_id}"
        matrix = self.matrices.get(record.input.id)
        assert matrix is None or may_fail(matrix), f"a good job failed: {error}"

    def _look_at_result(self, record: Record) -> None:
        result = record.result
        assert result
        data = result.inline
        if result.uri:
            assert data is None
            (stored,) = self._simulator.service.store._versions[result.uri]
            assert stored
            assert stored.version_id == result.version_id
            data = stored.data
        assert data is not None
        assert hashlib.sha256(data).hexdigest() == result.sha256
        assert len(data) == result.size_bytes
        problem = wrong(record, self.matrices[record.input.id], data)
        assert problem is None, f"{problem}: {record}"
        asked = self.asked.get(record.message_id)
        assert asked is None or asked.items() <= record.options.items(), "another question's answer"
        question = (record.input.id, tuple(sorted(record.options.items())))
        if result.uri:
            assert self._questions.setdefault(result.uri, question) == question, "a key of two"

    def _is_buried(self, job_id: str, code: str, body: str | None = None) -> bool:
        return any(
            (letter.text("job_id"), letter.text("error_code")) == (job_id, code)
            and body in {None, letter.body}
            for letter in self._simulator.dead.history
        )

    # After each batch

    def judge(self, event: Event, report: pipeline.Report, frame: Frame) -> None:
        """Look at an answer of the function."""
        answer = report.batch_item_failures()
        sent = {record["messageId"] for record in event["Records"]}
        ids = [item["itemIdentifier"] for item in answer["batchItemFailures"]]
        assert len(set(ids)) == len(ids)
        assert set(ids) <= sent
        for outcome in report.outcomes:
            if outcome.exception:  # a bug, or one of the assertions above
                raise outcome.exception
            if outcome.verdict in {Verdict.DONE, Verdict.DUPLICATE}:
                self._note_replacing(outcome)
            if outcome.verdict is Verdict.DONE:
                self._judge_done(outcome, frame)
            if outcome.verdict is Verdict.DUPLICATE:
                self._judge_duplicate(outcome)
            if outcome.verdict is Verdict.STALE:
                self._judge_stale(outcome.delivery)
            if outcome.verdict is Verdict.REFUSED:
                assert outcome.error
                delivery = outcome.delivery
                assert self._is_buried(delivery.job_id, outcome.error.code, delivery.body)
        if not frame.faults:
            why = [outcome.error for outcome in report.outcomes if outcome.error]
            assert ids == [], f"a message came back although nothing was amiss: {why}"
        alone = all(moment.partition(":")[0] in _OF_ONE_JOB for moment in frame.faults)
        if alone and not frame.paused:
            jobs = {o.delivery.job_id for o in report.outcomes if o.verdict is Verdict.RETRY}
            assert len(jobs) <= len(frame.faults), "one job's fault came upon others"

    def _note_replacing(self, outcome: Outcome) -> None:
        """Note when the last question was sent that replaces others and has its answer."""
        record, delivery = outcome.record, outcome.delivery
        if record and record.status.succeeded and _REPLACES.search(delivery.body):
            newest_ms = self._replaced_ms.get(delivery.job_id, -1)
            self._replaced_ms[delivery.job_id] = max(delivery.sent_at_ms, newest_ms)

    def _judge_done(self, outcome: Outcome, frame: Frame) -> None:
        """Look whether a job had time left when the invocation began that did it."""
        record = outcome.record
        assert record
        sent = self._simulator.jobs.history
        (message,) = (m for m in sent if m.message_id == outcome.delivery.message_id)
        limit_s = self._limit_s(message)
        if limit_s is not None and (record.job_id, record.input.id) not in self._begun:
            waited_s = frame.ends_at_s - TIMEOUT_S - message.sent_at_s
            assert waited_s <= limit_s, "a job was done whose time was over"

    def _judge_duplicate(self, outcome: Outcome) -> None:
        """Look whether what was taken for a duplicate had its answer."""
        record, delivery = outcome.record, outcome.delivery
        assert record
        same = record.message_id == delivery.message_id
        if record.status is Status.CANCELLED:
            before = delivery.sent_at_ms <= self._cancelled_ms[record.job_id]
            known = isinstance(delivery.content, Request) and delivery.content.dropped
            assert same or before or known, "a message that came since was not worked on"
            return
        if record.status in {Status.FAILED, Status.EXPIRED}:
            uploads = isinstance(delivery.content, Request) and delivery.content.dropped
            assert same or (uploads and not delivery.error_code), "a failure was taken for final"
        asked = self.asked.get(delivery.message_id, {})
        assert same or asked.items() <= record.options.items(), "other options were ignored"

    def _judge_stale(self, delivery: Delivery) -> None:
        """Look whether a newer upload stands at the key, which its own message answers."""
        if not (isinstance(delivery.content, Request) and delivery.content.dropped):
            return
        input_ = task_of(self._simulator.app, delivery, None).input
        uploads = self._simulator.service.store._versions[input_.source]
        older = {f"version:{upload.version_id}" for upload in uploads[:-1] if upload}
        assert input_.id in older, "the newest upload was called stale"
        self._stale.add((delivery.job_id, input_.id))

    # In the end

    def conclude(self) -> None:
        """Look for what was lost, when the queue is empty."""
        self.look()
        assert not self._simulator.jobs.messages
        for message in self._simulator.jobs.history:
            for delivery in _deliveries(message):
                assert self._is_accounted_for(message, delivery), f"lost: {delivery}"
        for letter in self._simulator.dead.history:
            assert self._is_kept(letter), f"a dead letter was lost: {letter}"
        for event in self._simulator.service.events.published:
            assert (event.job_id, event.attributes["status"]) in self._statuses

    def _is_accounted_for(self, message: Message, delivery: Delivery) -> bool:
        task = task_of(self._simulator.app, delivery, None)
        input_, options = task.input, frozenset((task.question().options or {}).items())
        done = self._ended | self._stale
        if (delivery.job_id, input_.id) in done or message in self._simulator.jobs.expired:
            return True
        if 1000 * message.sent_at_s <= self._cancelled_ms.get(delivery.job_id, -1):
            return True
        if self.uploads.get(input_.id, inf) < self._newest.get(input_.source, -1):
            return True  # a newer upload under the same key has taken over
        ended_ms = self._last_ended_ms.get((delivery.job_id, input_.source), -1)
        if not input_.id and ended_ms >= 0:
            return True  # it named whatever stood there, and that was done
        ends_ms = [
            ms for (job_id, _), ms in self._last_ended_ms.items() if job_id == delivery.job_id
        ]
        # One that was sent later, or an upload, has replaced it, whether or not that has ended.
        ends_ms += [
            ms
            for (job_id, other), ms in self._owned_ms.items()
            if job_id == delivery.job_id and other != (input_.id, options)
        ]
        if _REPLACES.search(message.body) and max(ends_ms, default=-1) >= 1000 * message.sent_at_s:
            return True
        copies = {message.body, delivery.body}
        return any(letter.body in copies for letter in self._simulator.dead.history)

    def _is_kept(self, letter: Message) -> bool:
        dead = self._simulator.dead
        return letter in dead.messages or letter in dead.expired or self._is_redriven(letter)

    def _is_redriven(self, letter: Message) -> bool:
        again = {
            (delivery.job_id, task_of(self._simulator.app, delivery, None).input.id)
            for message in self._simulator.jobs.history
            if '"redrive"' in message.body or message.text("error_code") or message.moved
            for delivery in _deliveries(message)
        }
        return all(
            (delivery.job_id, task_of(self._simulator.app, delivery, None).input.id) in again
            for delivery in _deliveries(letter)
        )


def _deliveries(message: Message) -> list[Delivery]:
    return intake.deliveries(sqs_event([message.body]))
