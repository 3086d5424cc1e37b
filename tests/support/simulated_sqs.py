"""SQS on a virtual clock: visibility, receive counts, redrive, retention, long polls, duplicates.

Only the calls of boto3 that the runner and the service use. Where standard queues promise little,
as for the receipts of earlier receives, the worse of what they may do is done.

Source: Amazon SQS Developer Guide, "Amazon SQS visibility timeout", "Using dead-letter queues in
Amazon SQS", "Amazon SQS at-least-once delivery"; API reference, "DeleteMessage".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from itertools import count
from typing import Any, Final

from botocore.exceptions import ClientError

from matinv.backends.memory.faults import FaultInjection

Answer = dict[str, Any]

BEGIN_S: Final = 1_700_000_000.0
RETENTION_S: Final = 14 * 86_400  # the longest that SQS allows, and what is deployed
_ARN: Final = "arn:aws:sqs:eu-central-1:123456789012:"
_MESSAGE_BYTES: Final = 256 * 1024  # of a message as deployed, and of all messages of a call


@dataclass(slots=True)
class VirtualClock:
    """Seconds since the epoch, which pass only when somebody says so."""

    now_s: float = BEGIN_S

    def now(self) -> float:
        """Return the time."""
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += max(0.0, seconds)


@dataclass(slots=True, eq=False)
class Message:
    """A message of a queue; ``receipts`` are those of all of its receives.

    ``moved`` says whether a message-move task brought it there.
    """

    message_id: str
    body: str
    attributes: Mapping[str, Any]
    sent_at_s: float
    visible_at_s: float
    receive_count: int = 0
    received_at_s: float = 0.0
    receipts: list[str] = field(default_factory=list)
    moved: bool = False

    def text(self, name: str) -> str | None:
        """Return the text of an attribute, if there is one."""
        value = self.attributes.get(name, {}).get("StringValue")
        return None if value is None else str(value)


@dataclass(slots=True, eq=False)
class Queue:
    """A queue: what is in it, what was deleted, and what it kept too long."""

    name: str
    visibility_s: int
    dead_letters: Queue | None = None
    max_receives: int = 0
    messages: list[Message] = field(default_factory=list)
    history: list[Message] = field(default_factory=list)
    expired: list[Message] = field(default_factory=list)

    def add(self, message: Message) -> None:
        """Put a message into the queue."""
        self.messages.append(message)
        self.history.append(message)

    def expire(self, now_s: float) -> None:
        """Drop what is too old; the age of a dead letter counts from when it was first sent."""
        old = [m for m in self.messages if now_s - m.sent_at_s >= RETENTION_S]
        self.expired += old
        self.messages[:] = [m for m in self.messages if m not in old]

    def take(
        self, limit: int, visibility_s: int, now_s: float, numbers: count[int]
    ) -> list[Answer]:
        """Receive what is visible; what was received too often moves to the dead letters."""
        self.expire(now_s)
        taken: list[Answer] = []
        for message in [m for m in self.messages if m.visible_at_s <= now_s]:
            if self.dead_letters and message.receive_count >= self.max_receives:
                self.messages.remove(message)
                self.dead_letters.add(message)
            elif len(taken) < limit:
                message.receive_count += 1
                message.received_at_s = message.received_at_s or now_s
                message.visible_at_s = now_s + visibility_s
                message.receipts.append(f"receipt-{next(numbers)}")
                taken.append(_received(message))
        return taken

    def of_receipt(self, receipt: str) -> Message | None:
        """Return the message that was once received with this handle and is still there."""
        return next((m for m in self.messages if receipt in m.receipts), None)


class SimulatedSQS(FaultInjection):
    """What boto3 calls a client; each call asks ``fail`` before and after its effect.

    Parameters
    ----------
    clock : VirtualClock
        The time. Long polls let it pass.
    """

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock
        self._queues: dict[str, Queue] = {}
        self._numbers = count(1)

    def add_queue(
        self,
        name: str,
        visibility_s: int = 30,
        dead_letters: Queue | None = None,
        max_receives: int = 0,
    ) -> Queue:
        """Make a queue; its URL is its name."""
        self._queues[name] = Queue(name, visibility_s, dead_letters, max_receives)
        return self._queues[name]

    def again(self, message: Message, queue: Queue) -> None:
        """Deliver a message that has left the queue: one of SQS's servers had missed that."""
        if message.message_id not in {m.message_id for m in queue.messages}:
            receipts = list(message.receipts)
            copy = replace(message, visible_at_s=self._clock.now_s, receipts=receipts)
            queue.messages.append(copy)

    def move(self, source: Queue, destination: Queue, limit: int) -> int:
        """Do what a message-move task does, the console's redrive; return how many it moved.

        The messages keep body and attributes, and are new ones otherwise: "Learn how to configure
        a dead-letter queue redrive", SQS Developer Guide.
        """
        now_s = self._clock.now_s
        source.expire(now_s)
        for message in [m for m in source.messages if m.visible_at_s <= now_s][:limit]:
            source.messages.remove(message)
            destination.add(
                Message(
                    message_id=f"{next(self._numbers):08x}-e4ca-4bd3-a5b6-2e8f3a6b4f10",
                    body=message.body,
                    attributes=message.attributes,
                    sent_at_s=now_s,
                    visible_at_s=now_s,
                    moved=True,
                )
            )
            limit -= 1
        return limit

    def send_message(self, **request: Any) -> Answer:
        """Send one message."""
        with self.operation("send_message"):
            message = self._send(request["QueueUrl"], request)
        return {"MessageId": message.message_id, "MD5OfMessageBody": _md5(message.body)}

    def send_message_batch(self, **request: Any) -> Answer:
        """Send several."""
        with self.operation("send_message_batch"):
            if sum(map(_size_bytes, request["Entries"])) > _MESSAGE_BYTES:
                raise refusal("AWS.SimpleQueueService.BatchRequestTooLong", "SendMessageBatch")
            sent = [(e["Id"], self._send(request["QueueUrl"], e)) for e in request["Entries"]]
        return {"Successful": [{"Id": number, "MessageId": m.message_id} for number, m in sent]}

    def _send(self, url: str, entry: Mapping[str, Any]) -> Message:
        now_s = self._clock.now_s
        message = Message(
            message_id=f"{next(self._numbers):08x}-e4ca-4bd3-a5b6-2e8f3a6b4f10",
            body=entry["MessageBody"],
            attributes=entry.get("MessageAttributes", {}),
            sent_at_s=now_s,
            visible_at_s=now_s + entry.get("DelaySeconds", 0),
        )
        self._queues[url].add(message)
        return message

    def receive_message(self, **request: Any) -> Answer:
        """Receive up to ``MaxNumberOfMessages``; a long poll ends with the first of them."""
        queue = self._queues[request["QueueUrl"]]
        limit = request.get("MaxNumberOfMessages", 1)
        visibility_s = request.get("VisibilityTimeout", queue.visibility_s)
        clock = self._clock
        with self.operation("receive_message"):
            end_s = clock.now_s + request.get("WaitTimeSeconds", 0)
            taken = queue.take(limit, visibility_s, clock.now_s, self._numbers)
            while not taken and clock.now_s < end_s:
                clock.now_s = min([end_s, *(m.visible_at_s for m in queue.messages)])
                taken = queue.take(limit, visibility_s, clock.now_s, self._numbers)
        date = formatdate(clock.now_s, usegmt=True)
        answer = {"ResponseMetadata": {"HTTPHeaders": {"date": date}}}
        return answer | ({"Messages": taken} if taken else {})

    def delete_message_batch(self, **request: Any) -> Answer:
        """Delete messages, of which any receipt will do: it might, says SQS."""
        queue = self._queues[request["QueueUrl"]]
        with self.operation("delete_message_batch"):
            for entry in request["Entries"]:
                found = queue.of_receipt(entry["ReceiptHandle"])
                if found:
                    queue.messages.remove(found)
        return {"Successful": [{"Id": entry["Id"]} for entry in request["Entries"]]}

    def change_message_visibility_batch(self, **request: Any) -> Answer:
        """Let messages become visible later or sooner, of which any receipt will do."""
        queue, now_s = self._queues[request["QueueUrl"]], self._clock.now_s
        successful, failed = [], []
        with self.operation("change_message_visibility_batch"):
            for entry in request["Entries"]:
                found = queue.of_receipt(entry["ReceiptHandle"])
                if found and found.visible_at_s > now_s:
                    found.visible_at_s = now_s + entry["VisibilityTimeout"]
                    successful.append({"Id": entry["Id"]})
                else:
                    code = "MessageNotInflight" if found else "ReceiptHandleIsInvalid"
                    failed.append({"Id": entry["Id"], "Code": code, "SenderFault": True})
        return {"Successful": successful, "Failed": failed}

    def get_queue_attributes(self, **request: Any) -> Answer:
        """Return those attributes that were asked for."""
        with self.operation("get_queue_attributes"):
            attributes = self._attributes(self._queues[request["QueueUrl"]])
        names = request["AttributeNames"]
        return {"Attributes": {n: v for n, v in attributes.items() if {n, "All"} & {*names}}}

    def _attributes(self, queue: Queue) -> dict[str, str]:
        now_s = self._clock.now_s
        queue.expire(now_s)
        hidden = [m for m in queue.messages if m.visible_at_s > now_s]
        in_flight = sum(bool(m.receipts) for m in hidden)
        attributes = {
            "QueueArn": _ARN + queue.name,
            "ApproximateNumberOfMessages": str(len(queue.messages) - len(hidden)),
            "ApproximateNumberOfMessagesNotVisible": str(in_flight),
            "ApproximateNumberOfMessagesDelayed": str(len(hidden) - in_flight),
        }
        if queue.dead_letters:
            target = {"deadLetterTargetArn": _ARN + queue.dead_letters.name}
            policy = target | {"maxReceiveCount": queue.max_receives}
            attributes["RedrivePolicy"] = json.dumps(policy)
        return attributes


def refusal(code: str, operation: str) -> ClientError:
    """Return what boto3 raises when AWS refuses a call."""
    return ClientError({"Error": {"Code": code, "Message": "for tests"}}, operation)


def _received(message: Message) -> Answer:
    attributes = {
        "ApproximateReceiveCount": str(message.receive_count),
        "SentTimestamp": str(int(1000 * message.sent_at_s)),
        "SenderId": "AIDAIENQZJOLO23YVJ4VO",
        "ApproximateFirstReceiveTimestamp": str(int(1000 * message.received_at_s)),
    }
    return {
        "MessageId": message.message_id,
        "ReceiptHandle": message.receipts[-1],
        "Body": message.body,
        "MD5OfBody": _md5(message.body),
        "Attributes": attributes,
        "MessageAttributes": message.attributes,
    }


def _size_bytes(entry: Mapping[str, Any]) -> int:
    attributes = entry.get("MessageAttributes", {})
    texts = [t for name, value in attributes.items() for t in (name, *value.values())]
    return sum(len(text.encode()) for text in (entry["MessageBody"], *texts))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
