"""Jobs inverted together: each slice and each matrix succeeds or fails alone."""

from __future__ import annotations

from dataclasses import replace
from threading import BoundedSemaphore
from typing import Any

import pytest

from matinv.jobs.record import Status
from matinv.pipeline import Deadline, invert
from matinv.pipeline.admission import MemoryGate
from support.bodies import GOOD, INVERSE, SINGULAR, job
from support.memory_service import MemoryService


def dead_codes(service: MemoryService) -> list[str]:
    return [letter.error_code for letter in service.queue.dead]


def test_stack_with_one_singular_slice_ends_partial(service: MemoryService) -> None:
    assert service.deliver(job("s", [GOOD, SINGULAR, GOOD])) == []
    record = service.record("s")
    assert record.status is Status.PARTIAL
    assert record.slices is not None
    assert [(f.index, f.code) for f in record.slices.failures] == [(1, "SINGULAR")]
    assert service.inverse("s") == [INVERSE, None, INVERSE]
    assert service.queue.dead == []


def test_stack_without_any_inverse_fails(service: MemoryService) -> None:
    service.deliver(job("s", [SINGULAR, SINGULAR]))
    assert service.record("s").status is Status.FAILED
    assert dead_codes(service) == ["SINGULAR"]


def test_bug_in_a_stacked_inversion_is_narrowed_down_to_its_matrix(
    service: MemoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = invert.invert

    def broken(stack: Any, *args: Any, **kwargs: Any) -> Any:
        if (stack == 13.0).any():
            raise FloatingPointError
        return real(stack, *args, **kwargs)

    monkeypatch.setattr(invert, "invert", broken)
    assert service.deliver(job("a"), job("bug", [[13, 0], [0, 1]]), job("b")) == [1]
    assert service.record("a").status is service.record("b").status is Status.SUCCEEDED


@pytest.mark.parametrize(("threads", "share"), [(4, 100), (1, 25)])
def test_other_ways_have_all_spare_memory_where_all_threads_work_on_one_matrix(
    service: MemoryService, threads: int, share: int
) -> None:
    app = replace(service.app, lane=replace(service.app.lane, threads=4))
    cores = BoundedSemaphore(4)
    bounds = invert.Bounds(MemoryGate(100), cores, Deadline(lambda: 60.0, 60.0), threads)
    assert bounds.for_other_ways(app).memory_bytes == share
