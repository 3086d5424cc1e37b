"""Costs of jobs, computed from their records."""

from __future__ import annotations

from dataclasses import replace

import pytest

from matinv.formats.codecs import Format
from matinv.jobs.record import InputInfo, Record, ResultInfo, Status
from matinv.jobs.times import timestamp
from matinv.operations.health import Health, snapshot
from matinv.operations.prices import cost
from matinv.operations.throughput import Recent
from matinv.testing.contracts import record
from support.memory_service import MemoryService, general

NOW_S = 1_700_000_100.0  # a hundred seconds after the stand-in's first moment, whole in 30 s


@pytest.fixture
def service() -> MemoryService:
    service = MemoryService.make()
    service.world.now_s = NOW_S
    return service


def put(service: MemoryService, *records: Record) -> None:
    """Write records as they are, over what is there."""
    for one in records:
        service.table.records[one.job_id] = one


def ended(
    job_id: str, ago_s: float, status: Status = Status.SUCCEEDED, **timings_ms: float
) -> Record:
    at = timestamp(NOW_S - ago_s)
    return replace(record(job_id, status=status), updated_at=at, timings_ms=timings_ms)


def look(service: MemoryService, recent: Recent | None = None) -> Health:
    return snapshot(service.client, recent)


class TestCost:
    def test_is_the_sum_of_the_jobs(self, service: MemoryService) -> None:
        for k in range(3):
            service.client.submit(general(4, k), job_id=f"m{k}").wait()
        service.client.submit(general(200), job_id="file").wait()
        records = service.table.records.values()
        expected = 0.0
        for one in records:
            seconds = sum(ms for name, ms in one.timings_ms.items() if name != "queued_ms") / 1000
            file = one.job_id == "file"
            size = one.input.size_bytes or 0
            inline = 0 if file else one.result.size_bytes if one.result else 0
            message = 1024 if file else size
            expected += cost(seconds, 1769, message, inline, uploaded=file).total
        found = look(service).flow
        assert found
        assert found.ended == 4
        assert found.cost.total_usd == pytest.approx(expected)
        assert found.cost.per_job_usd == pytest.approx(expected / 4)
        assert sum(found.cost.by_service_usd.values()) == pytest.approx(expected)

    def test_a_job_of_the_large_lane_pays_for_its_memory(self, service: MemoryService) -> None:
        info = InputInfo("s3://i/a.npy", "version:1", "1", 8 * 9000**2, (9000, 9000), "float64")
        result = ResultInfo(Format.NPY, "0" * 64, 8 * 9000**2, uri="s3://r/a")
        job = replace(ended("a", 1, invert_ms=60_000.0), input=info, result=result)
        put(service, job)
        found = look(service).flow
        assert found
        expected = cost(60.0, 10_240, 1024, 0, uploaded=True)
        assert found.cost.total_usd == pytest.approx(expected.total)
