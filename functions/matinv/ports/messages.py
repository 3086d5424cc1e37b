"""The jobs queue, its dead-letter queue, and the queues of larger lanes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from matinv.errors import MatinvError
from matinv.jobs.lanes import Lane
from matinv.jobs.request import Delivery


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A copy of a delivery for the dead-letter queue, and why it is there.

    `job_id`, `error_code`, `error_message` and `source` travel as message attributes.
    """

    delivery: Delivery
    error_code: str
    error_message: str
    source: str


@dataclass(frozen=True, slots=True)
class Received:
    """A message taken from the dead-letter queue, invisible to others until its timeout ends.

    ``sent_at_ms`` and ``received_at_ms`` are by the queue's clock, in milliseconds since the epoch;
    the latter may be up to a second late, never early. A client's own clock may be wrong by hours.
    """

    message_id: str
    receipt: str
    body: str = field(repr=False)
    sent_at_ms: int
    received_at_ms: int
    receive_count: int
    attributes: Mapping[str, str]


class ClientQueue(Protocol):
    """The jobs queue as a client needs it."""

    def send(self, body: str, group: str = "") -> None:
        """Send a message to the jobs queue, in the message group that it is treated fairly by."""
        ...

    def send_all(
        self, bodies: Sequence[str], groups: Sequence[str] = ()
    ) -> list[MatinvError | None]:
        """Send messages to the jobs queue in as few calls as can be; for each, why it is not there.

        ``groups`` are their message groups, in the same order, if there are any.

        Never raises: what could not be sent does not hinder the others.
        """
        ...

    def check(self) -> None:
        """Raise `Transient` unless the jobs queue answers."""
        ...


class WorkerQueue(Protocol):
    """The queues as the worker needs them: what Lambda has received leaves by one of these."""

    def dead_letter(self, letters: Sequence[DeadLetter]) -> list[bool]:
        """Copy deliveries to the dead-letter queue; for each, whether it is safely there.

        Never raises: what could not be sent is False. A body so near the queue's limit that the
        attributes do not fit is sent with `error_code` and `job_id` alone, else it is False.
        """
        ...

    def forward(
        self, lane: Lane, deliveries: Sequence[Delivery], groups: Sequence[str] = ()
    ) -> list[bool]:
        """Send deliveries on to a lane's queue; for each, whether it is safely there.

        ``groups`` are their message groups, in the same order, if there are any.
        """
        ...

    def delay(self, deliveries: Sequence[Delivery], seconds: Sequence[int]) -> None:
        """Make received messages visible again after so many seconds, 0 to 43,200; best effort."""
        ...

    def max_receive_count(self) -> int:
        """Return after how many receives SQS itself moves a message to the dead-letter queue."""
        ...

    def in_flight(self) -> int:
        """Return about how many messages are received and not deleted, hidden ones included.

        Never raises: 0 if the queue does not say.
        """
        ...


class JobQueue(ClientQueue, WorkerQueue, Protocol):
    """All that can be done with the queues: also to see to the dead letters."""

    def receive_dead(self, limit: int, visibility_s: int) -> Sequence[Received]:
        """Take up to `limit` messages of the dead-letter queue, none when it is empty."""
        ...

    def delete_dead(self, messages: Sequence[Received]) -> None:
        """Remove messages that were taken from the dead-letter queue."""
        ...

    def release_dead(self, messages: Sequence[Received]) -> None:
        """Make messages that were taken from the dead-letter queue visible again at once."""
        ...
