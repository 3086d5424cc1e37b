"""What jobs cost together, as their records say it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from matinv.formats.codecs import Format
from matinv.jobs.lanes import large
from matinv.jobs.prices import cost
from matinv.jobs.record import InputInfo, ResultInfo
from support.memory_service import MemoryService, general
from support.timed_records import ended, look, put


def test_top_says_the_sum_of_what_the_records_say(service: MemoryService) -> None:
    for k in range(3):
        service.client.submit(general(4, k), job_id=f"m{k}", run="r" * (k == 2) or None).wait()
    service.client.submit(general(200), job_id="file").wait()
    service.client.submit(np.ones((2, 2)), job_id="bad").wait()
    records = service.table.records.values()
    expected = sum(one.cost.usd for one in records if one.cost)
    found = look(service).flow
    assert found
    assert found.ended == 5
    assert found.cost.total_usd == pytest.approx(expected, abs=1e-12)
    assert found.cost.per_job_usd == pytest.approx(expected / 5)
    assert sum(found.cost.by_service_usd.values()) == pytest.approx(expected)
    assert min(found.cost.by_service_usd.values()) >= 0


def test_a_record_without_its_cost_is_one_with_an_invocation_to_itself(
    service: MemoryService,
) -> None:
    info = InputInfo("s3://i/a.npy", "version:1", "1", 8 * 9000**2, (9000, 9000), "float64")
    result = ResultInfo(Format.NPY, "0" * 64, 8 * 9000**2, uri="s3://r/a")
    job = replace(ended("a", 1, invert_ms=60_000.0), input=info, result=result, revision=2)
    put(service, job)
    found = look(service).flow
    assert found
    expected = cost(60.0, large(""), 1024, 0, uploaded=True)
    assert found.cost.total_usd == pytest.approx(expected.total)
