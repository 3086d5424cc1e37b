"""Costs of jobs, computed from their records."""

from __future__ import annotations

from dataclasses import replace

import pytest

from matinv.formats.codecs import Format
from matinv.jobs.record import InputInfo, ResultInfo
from matinv.operations.prices import cost
from support.memory_service import MemoryService, general
from support.timed_records import ended, look, put


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
