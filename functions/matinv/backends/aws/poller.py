"""The poller: polls a queue and invokes a function, by the rules of Lambda's event-source mapping.

It deletes what the function did, and nothing else: messages that failed stay as they are, become
visible when their timeout ends, and move to the dead-letter queue after the queue's own
``maxReceiveCount``. A poller that is killed therefore loses nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from matinv.backends.aws.event_source import (
    Entry,
    FunctionError,
    Invoke,
    Polling,
    entry,
    event_of,
    failed_ids,
    split,
)
from matinv.backends.aws.in_hand import InHand

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import ReceiveMessageRequestTypeDef

_log = logging.getLogger("matinv.poller")

_RECEIVE: Final = 10  # messages that SQS hands out, or deletes, at once
_POLL_S: Final = 1  # one long poll: how long a stop may take when the queue is empty
_PAUSE_S: Final = 0.05  # between looks at the queue while a window is about to end
_RETRY_S: Final = (0.5, 1.0, 2.0, 5.0)  # after polls that failed; the last one repeats
_BACKLOG: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


@dataclass(frozen=True, slots=True)
class Clock:
    """Seconds that only grow, and a pause of so many; tests have one that they move themselves."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(slots=True)
class Tally:
    """Counts of a poller's work."""

    invocations: int = 0
    failed_invocations: int = 0
    deleted: int = 0
    returned: int = 0

    def add(self, *, error: bool, deleted: int, returned: int) -> None:
        """Count an invocation."""
        self.invocations += 1
        self.failed_invocations += error
        self.deleted += deleted
        self.returned += returned


class Poller:
    """Polls one queue for one function.

    Parameters
    ----------
    sqs : client
        boto3's.
    queue_url : str
        The queue to poll.
    invoke : callable
        Takes an event, returns the function's answer or raises `FunctionError`.
    polling : Polling
        How messages are received and become batches.
    clock : Clock
        Measures the window and the pauses.

    Raises
    ------
    botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError
        If the queue cannot be reached.
    """

    def __init__(
        self,
        sqs: SQSClient,
        queue_url: str,
        invoke: Invoke,
        polling: Polling = Polling(),  # noqa: B008 - frozen
        *,
        clock: Clock = Clock(),
    ) -> None:
        self._sqs = sqs
        self._queue_url = queue_url
        self._invoke = invoke
        self._polling = polling
        self._in_hand = InHand(sqs, queue_url)
        self._clock = clock
        names = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
        self._queue_arn = names["Attributes"]["QueueArn"]
        self.tally = Tally()
        self._busy_s = 0.0  # when there was work last

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop` is set, or the queue was empty for as long as the poller lingers.

        The batch in hand is finished first.
        """
        linger_s = inf if self._polling.linger_s is None else self._polling.linger_s
        self._busy_s = self._clock.monotonic()
        with ExitStack() as stack:
            if self._polling.heartbeat and self._polling.visibility_s:
                stack.enter_context(
                    self._in_hand.beating(self._polling.visibility_s, self._clock.monotonic)
                )
            self._serve(stop, lambda: self._clock.monotonic() - self._busy_s >= linger_s)

    def hand_back(self) -> int:
        """Give the messages in hand back to the queue; return how many that are.

        For a process that ends before its batch does: from another thread than `run`.
        """
        return self._in_hand.hand_back()

    def drain(self, timeout_s: float = 60.0) -> bool:
        """Serve until the queue is empty: nothing visible, delayed or in flight.

        Returns
        -------
        bool
            Whether it was, within `timeout_s`.
        """
        end = self._clock.monotonic() + timeout_s

        def done() -> bool:
            return self._clock.monotonic() >= end or self.backlog() == 0

        self._serve(threading.Event(), done)
        return self.backlog() == 0

    def backlog(self) -> int:
        """Return how many messages the queue holds in any state."""
        attributes = self._sqs.get_queue_attributes(
            QueueUrl=self._queue_url, AttributeNames=_BACKLOG
        )["Attributes"]
        return sum(map(int, attributes.values()))

    def _serve(self, stop: threading.Event, done: Callable[[], bool]) -> None:
        held: list[Entry] = []
        failures = 0
        while held or not (stop.is_set() or done()):
            try:
                held = self.step(held, stop)
            except (BotoCoreError, ClientError) as error:
                _log.warning("cannot poll: %s", error)
                # Not stop.wait: a signal handler that sets the event would deadlock with its own
                # thread.
                end = self._clock.monotonic() + _RETRY_S[min(failures, len(_RETRY_S) - 1)]
                while not stop.is_set() and self._clock.monotonic() < end:
                    self._clock.sleep(_PAUSE_S)
                failures += 1
                self._busy_s = self._clock.monotonic()  # that it is empty nobody has seen
            else:
                failures = 0

    def step(self, held: Sequence[Entry], stop: threading.Event) -> list[Entry]:
        """Poll once, and invoke the function if there is a batch for it.

        Parameters
        ----------
        held : sequence of Entry
            The messages that the last step returned.
        stop : threading.Event
            Ends the window early.

        Returns
        -------
        list of Entry
            Messages without room in the batch: they are in flight, and begin the next batch.

        Raises
        ------
        botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError
            If polling fails; then nothing was invoked.
        """
        batch, rest = split(self._collect(held, stop), self._polling)
        if not batch:
            return rest
        # Invoke the function with the batch, and delete what it did.
        sent = {item.message_id for item in batch}
        error = False
        try:
            failed = failed_ids(self._invoke(event_of(batch)), sent)
        except FunctionError as raised:
            _log.warning("the function failed with a batch of %d: %s", len(batch), raised)
            failed, error = frozenset(sent), True
        done = [item.receipt for item in batch if item.message_id not in failed]
        self._in_hand.settle(item.receipt for item in batch)
        self._delete(done)
        self.tally.add(error=error, deleted=len(done), returned=len(batch) - len(done))
        self._busy_s = self._clock.monotonic()
        return rest

    def _collect(self, held: Sequence[Entry], stop: threading.Event) -> list[Entry]:
        """Return entries for one batch and perhaps more, first those held back from the last."""
        entries = list(held)
        size = sum(item.size_bytes for item in entries)
        end: float | None = None  # of the window, which the first message opens
        while len(entries) < self._polling.batch_size and size <= self._polling.payload_bytes:
            if entries and end is None:
                end = self._clock.monotonic() + self._polling.window_s
            left_s = _POLL_S if end is None else end - self._clock.monotonic()
            if left_s <= 0 or stop.is_set():
                break
            options: ReceiveMessageRequestTypeDef = {
                "QueueUrl": self._queue_url,
                "MessageSystemAttributeNames": ["All"],
                "MessageAttributeNames": ["All"],
                "MaxNumberOfMessages": min(self._polling.batch_size - len(entries), _RECEIVE),
                "WaitTimeSeconds": _POLL_S if left_s >= _POLL_S else 0,
            }
            if self._polling.visibility_s is not None:
                options["VisibilityTimeout"] = self._polling.visibility_s
            began_s = self._clock.monotonic()
            messages = self._sqs.receive_message(**options).get("Messages", [])
            if not messages and left_s < _POLL_S:
                self._clock.sleep(min(left_s, _PAUSE_S))
            received = [entry(message, self._queue_arn) for message in messages]
            self._in_hand.take((item.receipt for item in received), began_s)
            entries += received
            size += sum(item.size_bytes for item in received)
            if not entries:
                break
        return entries

    def _delete(self, receipts: Sequence[str]) -> None:
        for begin in range(0, len(receipts), _RECEIVE):
            page = receipts[begin : begin + _RECEIVE]
            try:
                answer = self._sqs.delete_message_batch(
                    QueueUrl=self._queue_url,
                    Entries=[{"Id": str(i), "ReceiptHandle": r} for i, r in enumerate(page)],
                )
            except (BotoCoreError, ClientError) as error:
                # What was done stays in the queue and comes again, as a duplicate.
                _log.warning("cannot delete %d messages: %s", len(page), error)
                continue
            for failure in answer.get("Failed", []):
                _log.warning("cannot delete a message: %s", failure.get("Code"))
