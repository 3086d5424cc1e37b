"""The rules for every `Capacity`."""
# ruff: noqa: D102 - a test's name is its sentence

from __future__ import annotations

import pytest

from matinv.jobs.lanes import Lane
from matinv.ports import Capacity


class CapacityContract:
    """`matinv.ports.Capacity`."""

    @pytest.fixture
    def lane(self) -> Lane:
        """Return a lane with a ticket, of which no machine was asked for."""
        raise NotImplementedError

    @pytest.fixture
    def capacity(self, lane: Lane) -> Capacity:
        """Return a ticket for the lane's machines."""
        raise NotImplementedError

    def tickets(self, capacity: Capacity, lane: Lane) -> int:
        """Return how many machines of the lane were asked for, ended or not."""
        raise NotImplementedError

    def end(self, capacity: Capacity, lane: Lane) -> None:
        """Let all of them end."""
        raise NotImplementedError

    def test_nothing_is_alive_that_nobody_asked_for(self, capacity: Capacity, lane: Lane) -> None:
        assert capacity.alive(lane) is False
        assert self.tickets(capacity, lane) == 0

    def test_each_request_is_a_ticket(self, capacity: Capacity, lane: Lane) -> None:
        for count in (1, 2):
            capacity.request(lane)
            assert self.tickets(capacity, lane) == count

    def test_what_has_ended_is_not_alive(self, capacity: Capacity, lane: Lane) -> None:
        capacity.request(lane)
        self.end(capacity, lane)
        assert capacity.alive(lane) is False
