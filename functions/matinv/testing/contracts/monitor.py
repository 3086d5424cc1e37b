"""The rules for every `Monitor`."""
# ruff: noqa: D102 - a test's name is its sentence

from __future__ import annotations

import pytest

from matinv.jobs.times import seconds_of
from matinv.ports.monitor import DEAD, Depth, Monitor, State

WHY = "Jobs wait longer than promised."
DO = "Raise maximum_concurrency of the lane."
RUNBOOK = "https://example.org/runbook#alarm-backlog"


class MonitorContract:
    """`matinv.ports.monitor.Monitor` of a stack with a large lane."""

    @pytest.fixture
    def monitor(self) -> Monitor:
        """Return a monitor of empty queues, without alarms and figures."""
        raise NotImplementedError

    @pytest.fixture
    def laneless(self) -> Monitor:
        """Return a monitor of a stack without a large lane."""
        raise NotImplementedError

    def fill(self, monitor: Monitor, queue: str, depth: Depth) -> None:
        """Put messages into a queue."""
        raise NotImplementedError

    def fire(self, monitor: Monitor, name: str, state: State, *, pages: bool = False) -> None:
        """Make an alarm with `WHY`, `DO` and `RUNBOOK`, in a state."""
        raise NotImplementedError

    def count(self, monitor: Monitor, *, acknowledged: int, duplicates: int, age_s: float) -> None:
        """Count deliveries within the last minutes, and measure an age of the standard queue."""
        raise NotImplementedError

    def test_an_empty_queue_holds_nothing(self, monitor: Monitor) -> None:
        assert [monitor.depth(queue) for queue in ("standard", "large", DEAD)] == [Depth()] * 3

    def test_messages_are_counted_by_what_they_wait_for(self, monitor: Monitor) -> None:
        self.fill(monitor, "standard", Depth(waiting=3, working=2, delayed=1))
        self.fill(monitor, DEAD, Depth(waiting=1))
        assert monitor.depth("standard") == Depth(3, 2, 1)
        assert monitor.depth("large") == Depth()
        assert monitor.depth(DEAD) == Depth(1)

    def test_a_queue_that_there_is_not_has_no_depth(self, laneless: Monitor) -> None:
        assert laneless.depth("large") is None
        assert laneless.depth("standard") == Depth()

    def test_without_alarms_there_are_none(self, monitor: Monitor) -> None:
        assert list(monitor.alarms()) == []

    def test_an_alarm_says_what_it_means_and_what_to_do(self, monitor: Monitor) -> None:
        self.fire(monitor, "backlog-standard", State.ALARM, pages=True)
        (alarm,) = (alarm for alarm in monitor.alarms() if alarm.name != "unhealthy")
        assert (alarm.name, alarm.state, alarm.pages) == ("backlog-standard", State.ALARM, True)
        assert (alarm.why, alarm.do, alarm.runbook) == (WHY, DO, RUNBOOK)
        assert seconds_of(alarm.since) > 0

    def test_alarms_that_fire_come_first(self, monitor: Monitor) -> None:
        self.fire(monitor, "a", State.OK, pages=True)
        self.fire(monitor, "b", State.INSUFFICIENT_DATA)
        self.fire(monitor, "c", State.ALARM)
        self.fire(monitor, "d", State.ALARM, pages=True)
        names = [alarm.name for alarm in monitor.alarms() if alarm.name != "unhealthy"]
        assert names == ["d", "c", "a", "b"]

    def test_where_nothing_is_counted_nothing_is_known(self, monitor: Monitor) -> None:
        figures = monitor.figures(900)
        assert (figures.acknowledged, figures.duplicates) == (None, None)
        assert figures.oldest_s == {}

    def test_figures_are_of_the_window(self, monitor: Monitor) -> None:
        self.count(monitor, acknowledged=40, duplicates=2, age_s=12.5)
        figures = monitor.figures(900)
        assert (figures.acknowledged, figures.duplicates) == (40, 2)
        assert figures.oldest_s == {"standard": 12.5}
