"""The rules of Lambda's event-source mapping for a batch, without any input or output.

Source: AWS Lambda Developer Guide, "Handling errors for an SQS event source in Lambda", section
"Success and failure conditions", and "Creating and configuring an Amazon SQS event source mapping".
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

Event = dict[str, Any]
Invoke = Callable[[Event], object]
"""Calls a function: takes an event, returns the answer or raises `FunctionError`."""

PAYLOAD_BYTES: Final = 6 * 2**20  # of a synchronous invocation: 6,291,456 bytes

# Of {"Records":[…]}, and of the comma behind each record.
_ENVELOPE_BYTES: Final = len('{"Records":[]}')
_COMMA_BYTES: Final = 1


class FunctionError(Exception):
    """The function raised, or its answer is not JSON; Lambda fails the batch."""


@dataclass(frozen=True, slots=True)
class Polling:
    """How messages are received and become batches, within the bounds that Lambda sets.

    Parameters
    ----------
    batch_size : int
        Messages in one batch at most, 1 to 10,000; above 10 only with a window of a second or more.
    window_s : float
        How long to wait for more messages after the first one, 0 to 300. 0 takes what one receive
        brings.
    visibility_s : int, optional
        How long a received message stays invisible; the queue's own setting by default.
    payload_bytes : int
        Size of the event at most.
    linger_s : float, optional
        End after so long without a message; never by default, as Lambda.
    heartbeat : bool
        Whether a message stays invisible for as long as it is in work: `visibility_s` is set anew
        again and again. Lambda does not do that, and has no function that takes hours.

    Raises
    ------
    ValueError
        If CreateEventSourceMapping would refuse the combination, or a heartbeat has nothing to set.
    """

    batch_size: int = 10
    window_s: float = 0.0
    visibility_s: int | None = None
    payload_bytes: int = PAYLOAD_BYTES
    linger_s: float | None = None
    heartbeat: bool = False

    def __post_init__(self) -> None:
        if self.heartbeat and not self.visibility_s:
            message = "a heartbeat needs a visibility of at least 1 second"
            raise ValueError(message)
        if not 1 <= self.batch_size <= 10_000:
            message = f"the batch size must be 1 to 10000, not {self.batch_size}"
            raise ValueError(message)
        if not 0 <= self.window_s <= 300:
            message = f"the batch window must be 0 to 300 seconds, not {self.window_s:g}"
            raise ValueError(message)
        if self.batch_size > 10 and self.window_s < 1:
            message = (
                f"batches of {self.batch_size}, above 10, need a batch window of at least 1 second"
            )
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Entry:
    """A received message as a record of an event, and its size there."""

    record: Event
    size_bytes: int

    @property
    def message_id(self) -> str:
        """The message's id."""
        return str(self.record["messageId"])

    @property
    def receipt(self) -> str:
        """The handle that deletes the message."""
        return str(self.record["receiptHandle"])


def entry(message: Mapping[str, Any], queue_arn: str) -> Entry:
    """Return a message of boto3's ``receive_message`` as a record of a Lambda event."""
    attributes: dict[str, Event] = {}
    for name, value in message.get("MessageAttributes", {}).items():
        attribute: Event = {"stringListValues": [], "binaryListValues": []}
        if "StringValue" in value:
            attribute["stringValue"] = value["StringValue"]
        if "BinaryValue" in value:
            attribute["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode("ascii")
        attributes[name] = attribute | {"dataType": value["DataType"]}
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message["Attributes"]),
        "messageAttributes": attributes,
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": queue_arn.split(":")[3],
    }
    return Entry(record, len(orjson.dumps(record)))


def event_of(batch: Iterable[Entry]) -> Event:
    """Return the event of a batch."""
    return {"Records": [item.record for item in batch]}


def split(entries: Sequence[Entry], polling: Polling) -> tuple[list[Entry], list[Entry]]:
    """Return the batch to invoke with, and the entries that it has no room for.

    A batch holds at least one entry, if there is one, however large.
    """
    total = _ENVELOPE_BYTES
    for count, item in enumerate(entries):
        total += item.size_bytes + (_COMMA_BYTES if count else 0)
        if count and (count == polling.batch_size or total > polling.payload_bytes):
            return list(entries[:count]), list(entries[count:])
    return list(entries), []


def failed_ids(response: object, sent: Collection[str]) -> frozenset[str]:
    """Return which messages of a batch stay in the queue after a function returned.

    Parameters
    ----------
    response : object
        The function's answer, as JSON has it.
    sent : collection of str
        Message ids of the batch.

    Returns
    -------
    frozenset of str
        All of `sent` when the response breaks the rules: Lambda then takes the batch for failed.

    Notes
    -----
    A complete success is an empty or null response, and an empty or null ``batchItemFailures``
    list; one that is absent is null. That includes a misspelt name: Lambda deletes the messages. A
    complete failure is a response that is no JSON object, a list that is no list, and an
    ``itemIdentifier`` that is empty, null, absent (a bad key name) or not of this batch.
    """
    everything = frozenset(sent)
    if response is None:
        return frozenset()
    if not isinstance(response, dict):
        return everything
    items = response.get("batchItemFailures")
    if items is None:
        return frozenset()
    if not isinstance(items, list):
        return everything
    ids = [item.get("itemIdentifier") if isinstance(item, dict) else None for item in items]
    known = [i for i in ids if isinstance(i, str) and i in everything]
    return frozenset(known) if len(known) == len(ids) else everything
