"""Health: what one look at a stack says, and what it says of what it could not see."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from threading import Event

import pytest

from matinv.errors import Code, ErrorInfo, Misconfigured, Transient
from matinv.jobs.record import Status
from matinv.jobs.times import timestamp
from matinv.operations import health
from matinv.operations.health import Duplicates, HealthWatch, LaneHealth, snapshot
from matinv.ports.monitor import DEAD, Alarm, Depth, Figures, State
from support.memory_service import MemoryService, general
from support.processes import SOON_S, until
from support.timed_records import NOW_S, ended, look, put, waiting


class TestLanes:
    def test_a_stack_without_a_large_lane_shows_one(self, service: MemoryService) -> None:
        service.monitor.depths["standard"] = Depth(5, 3, 1)
        found = look(service)
        assert found.lanes == (LaneHealth("standard", 5, 3, 1, None),)
        assert found.backlog == 9

    def test_the_large_lane_counts_for_the_backlog(self, service: MemoryService) -> None:
        service.monitor.depths |= {"standard": Depth(1), "large": Depth(2, 3, 4)}
        service.monitor.depths[DEAD] = Depth(7)
        found = look(service)
        assert [lane.name for lane in found.lanes] == ["standard", "large"]
        assert (found.backlog, found.dead_letters) == (10, 7)

    def test_dead_letters_that_somebody_looks_at_count(self, service: MemoryService) -> None:
        service.monitor.depths[DEAD] = Depth(waiting=2, working=3)
        assert look(service).dead_letters == 5

    def test_a_queue_that_denies_is_unknown_and_the_others_are_not(
        self, service: MemoryService
    ) -> None:
        depths = iter([True, False, False])

        def deny(moment: str) -> None:
            if moment == "depth:before" and next(depths):
                raise Misconfigured(Code.ACCESS_DENIED, "denied", "ask for it")

        service.monitor.depths["large"] = Depth(3)
        service.monitor.fail = deny
        found = look(service)
        unread = LaneHealth("standard", None, None, None, None)
        assert found.lanes == (unread, LaneHealth("large", 3, 0, 0, None))
        assert (found.backlog, found.eta_s, found.dead_letters) == (None, None, 0)
        (unknown,) = found.unknown
        assert (unknown.part, unknown.error.message) == ("queue standard", "denied")


class TestOldest:
    @pytest.fixture
    def service(self, service: MemoryService) -> MemoryService:
        service.monitor.depths |= {"standard": Depth(2), "large": Depth(2)}
        return service

    def ages(self, service: MemoryService) -> list[float | None]:
        return [lane.oldest_s for lane in look(service).lanes]

    def test_cloudwatch_s_age_counts(self, service: MemoryService) -> None:
        put(service, waiting("a", 50))
        service.monitor.counted = Figures({"standard": 12.0, "large": 13.0})
        assert self.ages(service) == [12.0, 13.0]

    def test_without_it_the_oldest_record_tells(self, service: MemoryService) -> None:
        put(service, waiting("a", 10), waiting("b", 50, Status.RETRYING), waiting("c", 40))
        put(service, waiting("d", 900, Status.RUNNING), ended("e", 800))
        assert self.ages(service) == [50.0, None]

    def test_each_lane_asks_for_its_own(self, service: MemoryService) -> None:
        service.monitor.counted = Figures({"large": 13.0})
        put(service, waiting("a", 10))
        assert self.ages(service) == [10.0, 13.0]

    def test_an_empty_lane_has_no_oldest(self, service: MemoryService) -> None:
        service.monitor.depths["standard"] = Depth()
        put(service, waiting("a", 10))
        service.monitor.counted = Figures({"standard": 5.0})
        assert self.ages(service) == [None, None]

    def test_of_more_jobs_than_are_read_nobody_knows(
        self, service: MemoryService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(health, "LIST_LIMIT", 3)
        put(service, *(waiting(f"j{n}", n) for n in range(2)))
        assert self.ages(service) == [1.0, None]
        put(service, waiting("j2", 2))
        assert self.ages(service) == [None, None]


class TestAlarms:
    def test_are_shown_those_that_ring_first(self, service: MemoryService) -> None:
        calm = Alarm("canary", State.OK, timestamp(0))
        loud = Alarm("table", State.ALARM, timestamp(0), "it throttles", pages=True)
        service.monitor.known_alarms = [calm, loud]
        assert look(service).alarms == (loud, calm)

    def test_where_there_are_none_none_are_shown(self, service: MemoryService) -> None:
        assert look(service).alarms == ()

    def test_a_denial_is_no_failure_and_says_why(self, service: MemoryService) -> None:
        service.monitor.fail = failing("alarms:before", code=Code.ACCESS_DENIED)
        found = look(service)
        assert found.alarms is None
        assert [(u.part, u.error.code) for u in found.unknown] == [("alarms", Code.ACCESS_DENIED)]
        assert found.lanes[0].waiting == 0


def failing(*moments: str, code: Code = Code.STORAGE) -> Callable[[str], None]:
    def fail(asked: str) -> None:
        if asked in moments:
            raise Transient(code, "out of order", "wait")

    return fail


class TestUnknown:
    def test_metrics_that_are_out_of_order_leave_the_rest(self, service: MemoryService) -> None:
        service.monitor.counted = Figures({}, 10, 1)
        service.monitor.fail = failing("figures:before")
        found = look(service)
        assert found.duplicates is None
        assert [unknown.part for unknown in found.unknown] == ["metrics"]

    def test_a_table_that_is_out_of_order_leaves_the_rest(self, service: MemoryService) -> None:
        service.monitor.depths["standard"] = Depth(3)
        service.table.fail = failing("places:before", "list:before")
        found = look(service)
        assert (found.flow, found.failures, found.eta_s, found.backlog) == (None, (), None, 3)
        assert [u.part for u in found.unknown] == ["jobs", "failures", "oldest job"]

    def test_without_a_monitor_the_table_still_tells(self, service: MemoryService) -> None:
        put(service, ended("a", 1))
        client = service.client
        client.backend = replace(client.backend, monitor=None)
        found = snapshot(client)
        assert found.flow
        assert found.flow.ended == 1
        assert (found.alarms, found.dead_letters, found.backlog) == (None, None, None)
        assert {u.error.hint for u in found.unknown} == {"use --stack, or the MATINV_* settings"}


def test_duplicates_are_cloudwatch_s(service: MemoryService) -> None:
    assert look(service).duplicates is None
    service.monitor.counted = Figures({}, acknowledged=40, duplicates=2)
    assert look(service).duplicates == Duplicates(2, 40)


def test_the_last_failures_say_why_the_latest_first(service: MemoryService) -> None:
    error = ErrorInfo(Code.SINGULAR, "two rows agree", "use pinv")
    for n in range(7):
        put(service, replace(ended(f"j{n}", 5000 + n, Status.FAILED), error=error))
    found = look(service).failures
    assert [failure.job_id for failure in found] == [f"j{n}" for n in range(5)]
    assert (found[0].code, found[0].message, found[0].hint) == (
        "SINGULAR",
        "two rows agree",
        "use pinv",
    )
    assert found[0].at == timestamp(NOW_S - 5000)


def test_a_document_is_json(service: MemoryService) -> None:
    service.monitor.known_alarms = [Alarm("table", State.ALARM, timestamp(0))]
    service.monitor.counted = Figures({"standard": 1.0}, 1, 0)
    service.client.submit(general(4), job_id="good").wait()
    service.client.submit([[1.0, 2.0], [2.0, 4.0]], job_id="bad").wait()
    document = look(service).document()
    assert json.loads(json.dumps(document, allow_nan=False)) == json.loads(json.dumps(document))
    assert document["alarms"][0]["state"] == "ALARM"
    assert document["flow"]["ended"] == 2
    assert document["failures"][0]["job_id"] == "bad"


class TestWatch:
    def test_what_is_slow_holds_up_nothing_else_and_is_not_asked_twice(
        self, service: MemoryService
    ) -> None:
        answer = Event()

        def stall(moment: str) -> None:
            if moment == "alarms:before":
                assert answer.wait(SOON_S)

        service.monitor.fail = stall
        service.monitor.known_alarms = [Alarm("table", State.ALARM, timestamp(0))]
        service.monitor.depths["standard"] = Depth(5)
        watch = HealthWatch(service.client)
        until(lambda: watch.read(0).pending == ("alarms",))
        found = watch.read(0)
        assert (found.alarms, found.unknown, found.backlog, found.partial) == (None, (), 5, True)
        assert service.monitor.calls["alarms"] == 1
        answer.set()
        found = watch.read()
        assert (found.pending, len(found.alarms or ()), found.partial) == ((), 1, False)

    def test_what_answered_before_is_shown_until_it_answers_again(
        self, service: MemoryService
    ) -> None:
        answer = Event()
        watch = HealthWatch(service.client)
        service.monitor.depths["standard"] = Depth(5)
        watch.read()
        service.monitor.fail = lambda _: answer.wait(SOON_S) and None
        service.monitor.depths["standard"] = Depth(6)
        found = watch.read(0)
        assert (found.backlog, found.pending) == (5, ())
        answer.set()
        assert watch.read().backlog in {5, 6}  # what was asked before may have been read before
        assert watch.read().backlog == 6

    def test_a_denial_is_forgotten_once_it_is_over(self, service: MemoryService) -> None:
        watch = HealthWatch(service.client)
        service.monitor.fail = failing("alarms:before")
        assert [unknown.part for unknown in watch.read().unknown] == ["alarms"]
        service.monitor.fail = None
        assert watch.read().unknown == ()

    def test_the_oldest_job_is_found_without_reading_a_record(self, service: MemoryService) -> None:
        service.monitor.depths["standard"] = Depth(5000)
        put(service, *(waiting(f"j{n}", n / 100) for n in range(5000)))
        assert look(service).lanes[0].oldest_s == pytest.approx(49.99)
        assert service.table.calls["list"] == 2  # the last that failed, and that expired
        assert service.table.calls["get"] <= 1  # of no job that ended
