"""`JobQueue` in memory."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Final

from matinv.backends.memory.faults import FaultInjection
from matinv.errors import MatinvError, Transient, printable
from matinv.jobs.lanes import Lane
from matinv.jobs.request import Delivery
from matinv.ports import DeadLetter, Received

_MESSAGE_BYTES: Final = 256 * 1024  # SQS's limit as deployed, attributes included
_MAX_RECEIVES: Final = 5


class MemoryQueue(FaultInjection):
    """`JobQueue` in memory.

    Parameters
    ----------
    max_receive_count : int or None
        Of the queue's redrive policy; None if it has none.
    now : callable
        The queue's clock, seconds since the epoch.

    Attributes
    ----------
    dead : list of DeadLetter
        Letters in the dead-letter queue.
    forwarded : dict of list of Delivery
        Forwarded deliveries, by the URL of their new queue.
    delays : list of (Delivery, int)
        Delayed deliveries, each with its delay in seconds.
    sent : list of str
        The bodies sent to the jobs queue.
    groups : dict of str
        Their message groups, by body; empty for those in none.
    unsendable : set of str
        Job ids that `dead_letter` and `forward` fail on.
    hidden : int
        How many messages are in flight: nobody counts them here.
    """

    def __init__(
        self,
        *,
        max_receive_count: int | None = _MAX_RECEIVES,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self._now: Callable[[], float] = now
        self.dead: list[DeadLetter] = []
        self.forwarded: dict[str, list[Delivery]] = {}
        self.delays: list[tuple[Delivery, int]] = []
        self.sent: list[str] = []
        self.groups: dict[str, str] = {}
        self.unsendable: set[str] = set()
        self.hidden = 0
        self._max_receive_count = max_receive_count
        self._letters: dict[str, Received] = {}
        self._in_flight: set[str] = set()
        self._numbers = count(1)

    def dead_letter(self, letters: Sequence[DeadLetter]) -> list[bool]:
        """Copy deliveries to the dead-letter queue."""
        try:
            with self.operation("dead_letter"):
                copied = [self._dead_letter(letter) for letter in letters]
        except Transient:
            return [False] * len(letters)
        return copied

    def _dead_letter(self, letter: DeadLetter) -> bool:
        brief = {"error_code": letter.error_code, "job_id": letter.delivery.job_id}
        full = brief | {"error_message": letter.error_message, "source": letter.source}
        for texts in (full, brief):
            attributes = {name: printable(text, 1024) for name, text in texts.items() if text}
            if self._fits(letter.delivery, attributes):
                self.dead.append(letter)
                self._add_letter(letter.delivery.body, attributes)
                return True
        return False

    def _fits(self, delivery: Delivery, attributes: Mapping[str, str]) -> bool:
        texts = [delivery.body, *attributes, *attributes.values()]
        size_bytes = sum(len(text.encode("utf-8", "replace")) for text in texts)
        return delivery.job_id not in self.unsendable and size_bytes <= _MESSAGE_BYTES

    def give_up(self, body: str) -> None:
        """Follow SQS after the last receive: move a message as it is, with no reason."""
        with self.operation("give_up"):
            self._add_letter(body, {})

    def _add_letter(self, body: str, attributes: Mapping[str, str]) -> None:
        message_id = f"dead-{next(self._numbers)}"
        self._letters[message_id] = Received(
            message_id, "", body, int(1000 * self._now()), 0, 0, attributes
        )

    def forward(
        self,
        lane: Lane,
        deliveries: Sequence[Delivery],
        groups: Sequence[str] = (),  # noqa: ARG002 - the port's
    ) -> list[bool]:
        """Send deliveries on to a lane's queue."""
        try:
            with self.operation("forward"):
                sent = [self._fits(d, {}) for d in deliveries]
                gone = [d for d, ok in zip(deliveries, sent, strict=True) if ok]
                self.forwarded.setdefault(lane.queue_url, []).extend(gone)
        except Transient:
            return [False] * len(deliveries)
        return sent

    def delay(self, deliveries: Sequence[Delivery], seconds: Sequence[int]) -> None:
        """Make messages visible again later."""
        try:
            with self.operation("delay"):
                self.delays += zip(deliveries, seconds, strict=True)
        except Transient:
            return

    def max_receive_count(self) -> int:
        """Return after how many receives SQS gives up; never, without a redrive policy."""
        with self.operation("max_receive_count"):
            return self._max_receive_count or sys.maxsize

    def in_flight(self) -> int:
        """Return the value of `hidden`."""
        return self.hidden

    def check(self) -> None:
        """Be there."""
        with self.operation("check"):
            pass

    def send(self, body: str, group: str = "") -> None:
        """Send a message to the jobs queue."""
        with self.operation("send"):
            self.sent.append(body)
            self.groups[body] = group

    def send_all(
        self, bodies: Sequence[str], groups: Sequence[str] = ()
    ) -> list[MatinvError | None]:
        """Send messages, each by itself: a fault hits one of them."""
        refusals: list[MatinvError | None] = []
        for body, group in zip(bodies, groups or [""] * len(bodies), strict=True):
            try:
                self.send(body, group)
            except MatinvError as error:
                refusals.append(error)
            else:
                refusals.append(None)
        return refusals

    def receive_dead(self, limit: int, visibility_s: int) -> Sequence[Received]:  # noqa: ARG002 - no timeouts here
        """Take dead letters; they stay invisible until they are released."""
        with self.operation("receive_dead"):
            visible = [m for i, m in self._letters.items() if i not in self._in_flight][:limit]
            taken = [
                replace(
                    message,
                    receipt=f"receipt-{next(self._numbers)}",
                    received_at_ms=int(1000 * self._now()),
                    receive_count=message.receive_count + 1,
                )
                for message in visible
            ]
            self._letters |= {message.message_id: message for message in taken}
            self._in_flight |= {message.message_id for message in taken}
            return taken

    def delete_dead(self, messages: Sequence[Received]) -> None:
        """Remove dead letters."""
        with self.operation("delete_dead"):
            for message in messages:
                self._letters.pop(message.message_id, None)
                self._in_flight.discard(message.message_id)

    def release_dead(self, messages: Sequence[Received]) -> None:
        """Make dead letters visible again."""
        with self.operation("release_dead"):
            self._in_flight -= {message.message_id for message in messages}
