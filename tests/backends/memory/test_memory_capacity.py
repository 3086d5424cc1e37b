"""Capacity in memory keeps the contract."""

from __future__ import annotations

from dataclasses import replace

import pytest

from matinv.backends.memory import MemoryCapacity
from matinv.jobs.lanes import Lane, Ticket, grid, huge
from matinv.testing.contracts import CapacityContract


class TestMemoryCapacity(CapacityContract):
    @pytest.fixture
    def lane(self) -> Lane:
        return replace(huge("h"), ticket=Ticket("machines", "poller"))

    @pytest.fixture
    def capacity(self, lane: Lane) -> MemoryCapacity:
        return MemoryCapacity()

    def tickets(self, capacity: MemoryCapacity, lane: Lane) -> int:  # type: ignore[override] # the one that it made
        return capacity.requested.count(lane.name)

    def end(self, capacity: MemoryCapacity, lane: Lane) -> None:  # type: ignore[override] # likewise
        capacity.ended = len(capacity.requested)

    def test_a_ticket_is_alive_until_it_ends(self, capacity: MemoryCapacity, lane: Lane) -> None:
        capacity.request(lane)
        assert (capacity.alive(lane), capacity.alive(grid("g"))) == (True, False)
