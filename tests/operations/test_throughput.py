"""Figures computed from job records: throughput, latency, and how long the backlog will take."""

from __future__ import annotations

from typing import Any

import pytest

from matinv.backends.memory import MemoryTable
from matinv.jobs.record import Status
from matinv.jobs.times import timestamp
from matinv.operations import throughput
from matinv.operations.throughput import Percentiles, Recent
from matinv.ports.monitor import Depth
from support.memory_service import MemoryService
from support.timed_records import NOW_S, ended, look, put, waiting


def noted(monkeypatch: pytest.MonkeyPatch, method: str) -> list[str]:
    """Return a list to which a method of the table adds the jobs that it hands out."""
    names: list[str] = []
    real = getattr(MemoryTable, method)

    def note(*arguments: Any) -> Any:
        found = real(*arguments)
        found = found if isinstance(found, dict) else list(found)
        names.extend(one if isinstance(one, str) else one[1] for one in found)
        return found

    monkeypatch.setattr(MemoryTable, method, note)
    return names


class TestFlow:
    def test_buckets_are_the_window(self, service: MemoryService) -> None:
        put(service, ended("a", 0), ended("b", 59), ended("c", 61, Status.FAILED))
        put(service, ended("d", 61, Status.PARTIAL), ended("old", 901), waiting("w", 1))
        found = look(service).flow
        assert found
        assert (found.ended, found.failed, found.complete) == (4, 1, True)
        assert (len(found.buckets), found.bucket_s) == (30, 30.0)
        counts = [(bucket.ended, bucket.failed) for bucket in found.buckets[-4:]]
        assert counts == [(2, 1), (1, 0), (0, 0), (1, 0)]
        assert found.buckets[0].begin == found.since == timestamp(NOW_S - 870)
        assert found.until == timestamp(NOW_S)

    def test_latency_is_from_being_queued_to_the_result(self, service: MemoryService) -> None:
        times = {"queued_ms": 100.0, "load_ms": 10.0, "invert_ms": 5.0, "publish_ms": 1.0}
        put(service, ended("a", 1, **times), ended("b", 1, queued_ms=16.0), ended("c", 1))
        found = look(service).flow
        assert found
        assert found.latency_ms == Percentiles(66.0, 111.0, 115.0)
        assert found.buckets[-1].latency_ms is None
        assert found.buckets[-2].latency_ms == found.latency_ms
        assert found.phases_ms.keys() == {"queued", "load", "invert", "publish"}
        assert found.phases_ms["queued"].p50 == 58.0
        assert found.phases_ms["publish"] == Percentiles(1.0, 1.0, 1.0)

    def test_percentiles_are_numpy_s(self, service: MemoryService) -> None:
        put(service, *(ended(f"j{n}", 1, invert_ms=float(n)) for n in range(101)))
        found = look(service).flow
        assert found
        assert found.latency_ms == Percentiles(50.0, 95.0, 99.0)

    def test_an_idle_stack_has_a_flow_of_nothing(self, service: MemoryService) -> None:
        found = look(service).flow
        assert found
        assert (found.ended, found.per_s, found.latency_ms, found.phases_ms) == (0, 0.0, None, {})
        assert (found.cost.total_usd, found.cost.per_job_usd) == (0.0, None)

    @pytest.mark.parametrize(
        ("ago_s", "per_s"),
        [([], 0.0), ([50], 1 / 50), ([5, 4, 3, 2, 1], 1.0), ([59, 29, 61, 400], 2 / 59), ([0], 1)],
    )
    def test_throughput_is_of_the_last_minute(
        self, service: MemoryService, ago_s: list[float], per_s: float
    ) -> None:
        put(service, *(ended(f"j{n}", ago) for n, ago in enumerate(ago_s)))
        found = look(service).flow
        assert found
        assert found.per_s == pytest.approx(per_s)

    def test_of_more_jobs_than_are_read_the_latest_count(
        self, service: MemoryService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(throughput, "LIST_LIMIT", 10)
        put(service, *(ended(f"j{n}", n) for n in range(30)), ended("bad", 15, Status.FAILED))
        found = look(service).flow
        assert found
        assert (found.ended, found.failed, found.complete) == (10, 0, False)
        assert found.since == timestamp(NOW_S - 9)
        assert found.per_s == pytest.approx(10 / 9)


class TestRecent:
    def test_each_record_is_read_once(
        self, service: MemoryService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read = noted(monkeypatch, "get")
        listed = noted(monkeypatch, "places")
        recent = Recent()
        put(service, *(ended(f"j{n}", 100 + n) for n in range(50)))
        assert look(service, recent).flow
        assert len(read) == 50
        read.clear(), listed.clear()
        put(service, ended("new", 0))
        again = look(service, recent).flow
        assert again
        assert again.ended == 51
        assert read == ["new"]
        assert len(listed) <= 1 + 11  # the new one, and the overlap of 10 s

    def test_a_flood_is_counted_at_once_and_read_bit_by_bit_the_latest_first(
        self, service: MemoryService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(throughput, "READ_LIMIT", 20)
        read = noted(monkeypatch, "get")
        put(service, *(ended(f"j{n}", n, invert_ms=float(n)) for n in range(50)))
        recent, found = Recent(), []
        for _ in range(4):
            flow = look(service, recent).flow
            assert flow
            assert flow.latency_ms
            found.append((flow.ended, flow.complete, flow.read, flow.latency_ms.p50))
        assert found == [(50, True, 20, 9.5), (50, True, 40, 19.5)] + 2 * [(50, True, 50, 24.5)]
        assert read == [f"j{n}" for n in range(50)]

    def test_a_clock_that_is_ahead_hides_nothing(self, service: MemoryService) -> None:
        recent = Recent()
        put(service, ended("tomorrow", -86_400))
        look(service, recent)
        put(service, ended("now", 0))
        found = look(service, recent).flow
        assert found
        assert found.ended == 2

    def test_a_record_that_is_removed_counts_no_more(self, service: MemoryService) -> None:
        put(service, ended("a", 1))
        recent = Recent()
        service.table.fail = lambda moment: (
            service.table.records.clear() if moment == "get:before" else None
        )
        look(service, recent)
        found = look(service, recent).flow
        assert found
        assert (found.ended, found.read) == (0, 0)

    def test_what_comes_late_is_found(self, service: MemoryService) -> None:
        recent = Recent()
        put(service, ended("a", 10))
        look(service, recent)
        put(service, ended("late", 18))  # by another worker's clock
        found = look(service, recent).flow
        assert found
        assert found.ended == 2

    def test_a_job_that_ends_again_counts_once(self, service: MemoryService) -> None:
        recent = Recent()
        put(service, ended("a", 10, Status.FAILED))
        assert look(service, recent).flow
        put(service, ended("a", 1))
        found = look(service, recent).flow
        assert found
        assert (found.ended, found.failed) == (1, 0)

    def test_what_leaves_the_window_is_forgotten(self, service: MemoryService) -> None:
        recent = Recent(window_s=300)
        put(service, ended("a", 0))
        assert look(service, recent).flow
        service.now_s += 301
        found = look(service, recent).flow
        assert found
        assert (found.ended, found.bucket_s) == (0, 10.0)

    def test_a_gap_between_two_looks_is_told(
        self, service: MemoryService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(throughput, "LIST_LIMIT", 10)
        recent = Recent()
        put(service, ended("first", 100))
        first = look(service, recent).flow
        put(service, *(ended(f"j{n}", n) for n in range(30)))
        second = look(service, recent).flow
        assert first
        assert second
        assert (first.ended, first.complete) == (1, True)
        assert (second.ended, second.complete) == (10, False)

    def test_what_is_kept_is_bounded(
        self, service: MemoryService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(throughput, "_KEPT", 20)
        put(service, *(ended(f"j{n}", n) for n in range(30)))
        found = look(service, Recent()).flow
        assert found
        assert (found.ended, found.complete) == (20, False)


class TestEta:
    def test_is_the_backlog_over_the_throughput(self, service: MemoryService) -> None:
        service.monitor.depths["standard"] = Depth(80, 20)
        put(service, *(ended(f"j{n}", n / 10) for n in range(101)))
        assert look(service).eta_s == pytest.approx(100 / 10.1)

    def test_is_nothing_without_a_backlog(self, service: MemoryService) -> None:
        assert look(service).eta_s == 0.0

    def test_is_unknown_if_nothing_moves(self, service: MemoryService) -> None:
        service.monitor.depths["standard"] = Depth(80)
        put(service, ended("a", 120))
        assert look(service).eta_s is None
