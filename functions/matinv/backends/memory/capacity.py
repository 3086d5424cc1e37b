"""`Capacity` in memory."""

from __future__ import annotations

from matinv.backends.memory.faults import FaultInjection
from matinv.jobs.lanes import Lane


class MemoryCapacity(FaultInjection):
    """`Capacity` in memory; ``requested`` has the names of lanes, and is for tests to look at."""

    def __init__(self) -> None:
        super().__init__()
        self.requested: list[str] = []
        self.ended = 0  # of the tickets, the oldest first

    def request(self, lane: Lane) -> None:
        """Note a ticket."""
        with self.operation("request"):
            self.requested.append(lane.name)

    def alive(self, lane: Lane) -> bool:
        """Return whether a ticket of the lane has not ended."""
        with self.operation("alive"):
            return lane.name in self.requested[self.ended :]
