"""`Monitor` in memory."""

from __future__ import annotations

from collections.abc import Sequence

from matinv.backends.memory.faults import FaultInjection
from matinv.ports.monitor import DEAD, Alarm, Depth, Figures, by_urgency


class MemoryMonitor(FaultInjection):
    """`Monitor` in memory.

    Attributes
    ----------
    depths : dict
        How much is in each queue that there is.
    known_alarms : list of Alarm
        The alarms, in any order.
    counted : Figures
        The figures, the same for every window.
    """

    def __init__(self) -> None:
        super().__init__()
        self.depths = {"standard": Depth(), DEAD: Depth()}
        self.known_alarms: list[Alarm] = []
        self.counted = Figures()

    def depth(self, queue: str) -> Depth | None:
        """Return how much is in a queue."""
        with self.operation("depth"):
            return self.depths.get(queue)

    def alarms(self) -> Sequence[Alarm]:
        """Return the alarms."""
        with self.operation("alarms"):
            return sorted(self.known_alarms, key=by_urgency)

    def figures(self, window_s: float) -> Figures:  # noqa: ARG002 - no clock here
        """Return the count."""
        with self.operation("figures"):
            return self.counted
