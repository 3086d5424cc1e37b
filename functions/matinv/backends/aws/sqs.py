"""`JobQueue` on SQS."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from matinv.backends.aws.calls import message_bytes, packed, pages, pause
from matinv.backends.aws.errors import HINTS, of_code, translated
from matinv.errors import Code, MatinvError, Transient, printable
from matinv.jobs.lanes import Lane
from matinv.jobs.request import Delivery
from matinv.ports import DeadLetter, Received
from matinv.ports.parallel import CLIENT_THREADS, side_by_side

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_ENTRIES: Final = 10  # SQS's limit for every batch call
_BYTES: Final = 256 * 1024  # of a message, and of all messages of a call, attributes included
_LONGEST_DELAY_S: Final = 43_200
_ATTRIBUTE_LENGTH: Final = 1024

# SQS asks all of its servers only if it may wait; otherwise a short queue can look empty.
_WAIT_S: Final = 1

_ATTEMPTS: Final = 3

# What SQS refuses in a body (https://www.w3.org/TR/REC-xml/#charsets).
# Compiled when the first message is sent: it takes 5 ms, and a small job sends none.
_REFUSED: Final = "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"


@dataclass(frozen=True, slots=True)
class _Outgoing:
    """A message to send; `reserve` are the attributes to fall back on if it is too long."""

    body: str
    attributes: Mapping[str, str]
    reserve: Mapping[str, str]
    group: str = ""

    def shortened(self) -> _Outgoing:
        """Return the message with fewer attributes."""
        return _Outgoing(self.body, self.reserve, self.reserve, self.group)

    def size_bytes(self) -> int:
        """Return the size as SQS counts it."""
        return message_bytes(self.body, self.attributes)

    def entry(self, number: int) -> dict[str, Any]:
        """Return the message as an entry of a batch."""
        attributes = {
            name: {"DataType": "String", "StringValue": text}
            for name, text in self.attributes.items()
        }
        entry = {"Id": str(number), "MessageBody": self.body, **_grouped(self.group)}
        return entry | {"MessageAttributes": attributes} if attributes else entry


def _grouped(group: str) -> Any:
    """Return the parameter that puts a message into a group, if it is in one."""
    return {"MessageGroupId": group} if group else {}


class SQSQueue:
    """The service's queues.

    Parameters
    ----------
    sqs : SQSClient
        From `matinv.backends.aws.clients.client`.
    jobs_queue_url, dlq_url : str
        The jobs queue and its dead-letter queue.
    """

    def __init__(self, sqs: SQSClient, jobs_queue_url: str, dlq_url: str) -> None:
        self._sqs = sqs
        self._jobs_queue_url = jobs_queue_url
        self._dlq_url = dlq_url
        self._max_receive_count: int | None = None

    def dead_letter(self, letters: Sequence[DeadLetter]) -> list[bool]:
        """Copy deliveries to the dead-letter queue."""
        messages = []
        for letter in letters:
            brief = {"error_code": letter.error_code, "job_id": letter.delivery.job_id}
            full = brief | {"error_message": letter.error_message, "source": letter.source}
            body = _sendable(letter.delivery.body)
            messages.append(_Outgoing(body, _attributes(full), _attributes(brief)))
        return self._send_all(self._dlq_url, messages)

    def forward(
        self, lane: Lane, deliveries: Sequence[Delivery], groups: Sequence[str] = ()
    ) -> list[bool]:
        """Send deliveries on to a lane's queue; never raises."""
        messages = []
        for delivery, group in zip(deliveries, groups or [""] * len(deliveries), strict=True):
            # As it is, and with the mark of what somebody moved back.
            mark = {"error_code": delivery.error_code} if delivery.error_code else {}
            messages.append(_Outgoing(_sendable(delivery.body), mark, mark, group))
        return self._send_all(lane.queue_url, messages)

    def _send_all(self, url: str, messages: Sequence[_Outgoing]) -> list[bool]:
        """Send messages; those that SQS refuses alone again, shortened."""
        pending = {
            number: message if message.size_bytes() <= _BYTES else message.shortened()
            for number, message in enumerate(messages)
        }
        sent: set[int] = set()
        for attempt in range(_ATTEMPTS):
            pause(attempt)
            calls = packed(pending.items(), _ENTRIES, _BYTES, lambda item: item[1].size_bytes())
            answers = side_by_side(lambda call: self._send_call(url, call), calls)
            sent |= {int(e["Id"]) for answer in answers for e in answer.get("Successful", ())}
            failed = [e for answer in answers for e in answer.get("Failed", ())]
            if not failed:
                break
            at_fault = {int(e["Id"]): e["SenderFault"] for e in failed}
            pending = {
                number: pending[number].shortened() if ours else pending[number]
                for number, ours in at_fault.items()
            }
        return [number in sent for number in range(len(messages))]

    def _send_call(self, url: str, call: Sequence[tuple[int, _Outgoing]]) -> Mapping[str, Any]:
        entries: Any = [message.entry(number) for number, message in call]
        try:
            with translated("sending messages"):
                return self._sqs.send_message_batch(QueueUrl=url, Entries=entries)
        except Transient:  # botocore has tried again where that makes sense
            return {}

    def delay(self, deliveries: Sequence[Delivery], seconds: Sequence[int]) -> None:
        """Make messages visible again later; a message that is several waits for the longest."""
        delays: dict[str, int] = {}
        for delivery, delay_s in zip(deliveries, seconds, strict=True):
            longest = max(delays.get(delivery.receipt, 0), delay_s)
            delays[delivery.receipt] = min(longest, _LONGEST_DELAY_S)
        with suppress(Transient):  # then the queue's own visibility timeout decides
            self._set_visibility(self._jobs_queue_url, [*delays.items()])

    def max_receive_count(self) -> int:
        """Return the redrive policy's count, asked for once; a huge number if there is none."""
        if self._max_receive_count is None:
            with translated("reading the queue's redrive policy"):
                answer = self._sqs.get_queue_attributes(
                    QueueUrl=self._jobs_queue_url, AttributeNames=["RedrivePolicy"]
                )
            policy = json.loads(answer.get("Attributes", {}).get("RedrivePolicy", "{}"))
            self._max_receive_count = int(policy.get("maxReceiveCount", sys.maxsize))
        return self._max_receive_count

    def in_flight(self) -> int:
        """Return about how many messages of the jobs queue are in flight, 0 if it does not say."""
        name: Any = "ApproximateNumberOfMessagesNotVisible"
        try:
            with translated("counting the messages in flight"):
                answer = self._sqs.get_queue_attributes(
                    QueueUrl=self._jobs_queue_url, AttributeNames=[name]
                )
            return int(answer.get("Attributes", {}).get(name, 0))
        except Transient:
            return 0

    def check(self) -> None:
        """Ask for the queue's ARN."""
        with translated("looking at the jobs queue"):
            self._sqs.get_queue_attributes(
                QueueUrl=self._jobs_queue_url, AttributeNames=["QueueArn"]
            )

    def send(self, body: str, group: str = "") -> None:
        """Send a message to the jobs queue."""
        with translated("sending a message"):
            self._sqs.send_message(
                QueueUrl=self._jobs_queue_url, MessageBody=body, **_grouped(group)
            )

    def send_all(
        self, bodies: Sequence[str], groups: Sequence[str] = ()
    ) -> list[MatinvError | None]:
        """Send messages, ten in a call as far as their lengths allow."""
        errors: dict[int, MatinvError] = {}

        def send(call: Sequence[tuple[int, str]]) -> None:
            for attempt in range(_ATTEMPTS):
                pause(attempt)
                entries: Any = [
                    {"Id": str(number), "MessageBody": body}
                    | _grouped(groups[number] if groups else "")
                    for number, body in call
                ]
                try:
                    with translated("sending messages"):
                        answer = self._sqs.send_message_batch(
                            QueueUrl=self._jobs_queue_url, Entries=entries
                        )
                except Transient as error:  # botocore has tried again where that makes sense
                    errors.update((number, error) for number, _ in call)
                    return
                failed = {int(entry["Id"]): entry for entry in answer.get("Failed", ())}
                for number, entry in failed.items():
                    code = of_code(entry["Code"])
                    text = f"sending a message failed: {entry['Code']}"
                    errors[number] = Transient(code, text, HINTS[code])
                for number in {number for number, _ in call} - failed.keys():
                    errors.pop(number, None)
                call = [
                    (n, body) for n, body in call if n in failed and not failed[n]["SenderFault"]
                ]
                if not call:
                    return

        numbered = enumerate(bodies)
        side_by_side(
            send,
            packed(numbered, _ENTRIES, _BYTES, lambda item: message_bytes(item[1], {})),
            CLIENT_THREADS,
        )
        return [errors.get(number) for number in range(len(bodies))]

    def receive_dead(self, limit: int, visibility_s: int) -> Sequence[Received]:
        """Take messages of the dead-letter queue, ten per call."""
        taken: list[Received] = []
        try:
            while len(taken) < limit and (
                page := self._receive_dead(limit - len(taken), visibility_s)
            ):
                taken += page
        except BaseException:  # Ctrl-C, too: nobody else would let go of what was taken
            self.release_dead(taken)
            raise
        return taken

    def _receive_dead(self, limit: int, visibility_s: int) -> list[Received]:
        with translated("reading the dead-letter queue"):
            answer = self._sqs.receive_message(
                QueueUrl=self._dlq_url,
                MaxNumberOfMessages=min(limit, _ENTRIES),
                VisibilityTimeout=visibility_s,
                WaitTimeSeconds=_WAIT_S,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
            )
        # RFC 9110, 6.6.1: any server with a clock says its time, in whole seconds.
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date") or formatdate(usegmt=True)
        received_at_ms = 1000 * int(parsedate_to_datetime(date).timestamp()) + 999
        received = []
        for message in answer.get("Messages", []):
            system: Mapping[Any, str] = message.get("Attributes", {})
            own = message.get("MessageAttributes", {})
            texts = {k: v["StringValue"] for k, v in own.items() if "StringValue" in v}
            received.append(
                Received(
                    message_id=message["MessageId"],
                    receipt=message["ReceiptHandle"],
                    body=message["Body"],
                    sent_at_ms=int(system.get("SentTimestamp", 0)),
                    received_at_ms=received_at_ms,
                    receive_count=int(system.get("ApproximateReceiveCount", 1)),
                    attributes={**system, **texts},
                )
            )
        return received

    def delete_dead(self, messages: Sequence[Received]) -> None:
        """Remove messages of the dead-letter queue."""

        def delete(page: Sequence[Received]) -> Sequence[Any]:
            with translated("removing dead letters"):
                answer = self._sqs.delete_message_batch(
                    QueueUrl=self._dlq_url,
                    Entries=[
                        {"Id": str(i), "ReceiptHandle": m.receipt} for i, m in enumerate(page)
                    ],
                )
            return answer.get("Failed", [])

        failed = [e for page in side_by_side(delete, pages(messages, _ENTRIES)) for e in page]
        if failed:
            raise Transient(
                Code.STORAGE,
                f"{len(failed)} dead letters could not be removed: {failed[0]['Code']}",
                HINTS[Code.STORAGE],
            )

    def release_dead(self, messages: Sequence[Received]) -> None:
        """Make messages of the dead-letter queue visible again at once."""
        self._set_visibility(self._dlq_url, [(message.receipt, 0) for message in messages])

    def _set_visibility(self, url: str, delays: Sequence[tuple[str, int]]) -> None:
        def change(page: Sequence[tuple[str, int]]) -> None:
            with translated("making messages visible"):
                self._sqs.change_message_visibility_batch(
                    QueueUrl=url,
                    Entries=[
                        {"Id": str(i), "ReceiptHandle": receipt, "VisibilityTimeout": delay_s}
                        for i, (receipt, delay_s) in enumerate(page)
                    ],
                )

        side_by_side(change, pages(delays, _ENTRIES))


def _attributes(texts: Mapping[str, str]) -> dict[str, str]:
    """Return texts as message attributes of SQS: not empty, without control characters, short."""
    return {name: printable(text, _ATTRIBUTE_LENGTH) for name, text in texts.items() if text}


def _sendable(body: str) -> str:
    """Replace the characters of a body that SQS refuses; such a body cannot have come from SQS."""
    return re.sub(_REFUSED, "\ufffd", body)
