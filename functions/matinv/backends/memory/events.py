"""`JobEvents` in memory."""

from __future__ import annotations

from collections.abc import Sequence

from matinv.backends.memory.faults import FaultInjection
from matinv.errors import Transient
from matinv.jobs.event import Event, event_of
from matinv.jobs.record import Record


class MemoryEvents(FaultInjection):
    """`JobEvents` in memory; ``published`` is for tests to look at."""

    def __init__(self) -> None:
        super().__init__()
        self.published: list[Event] = []

    def publish(self, records: Sequence[Record]) -> list[bool]:
        """Tell subscribers."""
        try:
            with self.operation("publish"):
                self.published += [event_of(record) for record in records]
        except Transient:
            return [False] * len(records)
        return [True] * len(records)
