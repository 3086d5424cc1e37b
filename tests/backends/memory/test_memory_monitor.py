"""The in-memory monitor keeps the contract of its port, and shows what a test gives it."""

from __future__ import annotations

import pytest

from matinv.backends.memory import (
    MemoryMonitor,
)
from matinv.ports.monitor import Alarm, Depth, Figures, State
from matinv.testing.contracts import (
    MonitorContract,
)
from matinv.testing.contracts.monitor import DO, RUNBOOK, WHY


class TestMemoryMonitor(MonitorContract):
    @pytest.fixture
    def monitor(self) -> MemoryMonitor:
        monitor = MemoryMonitor()
        monitor.depths["large"] = Depth()
        return monitor

    @pytest.fixture
    def laneless(self) -> MemoryMonitor:
        return MemoryMonitor()

    def fill(self, monitor: MemoryMonitor, queue: str, depth: Depth) -> None:
        monitor.depths[queue] = depth

    def fire(self, monitor: MemoryMonitor, name: str, state: State, *, pages: bool = False) -> None:
        since = "2026-11-21T03:00:01.500Z"
        monitor.known_alarms.append(Alarm(name, state, since, WHY, DO, RUNBOOK, pages=pages))

    def count(
        self, monitor: MemoryMonitor, *, acknowledged: int, duplicates: int, age_s: float
    ) -> None:
        monitor.counted = Figures({"standard": age_s}, acknowledged, duplicates)
