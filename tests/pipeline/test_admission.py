"""Matrices too large for a lane are forwarded or refused before they are read."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from matinv.errors import Code
from matinv.jobs.lanes import large
from matinv.local.samples import npy_bytes
from support.bodies import job
from support.memory_service import STANDARD, MemoryService


def test_matrix_too_large_for_the_lane_is_refused_with_the_numbers() -> None:
    service = MemoryService(lane=replace(STANDARD, memory_mb=300))
    assert service.deliver(service.drop("big.npy", np.zeros((6000, 6000)))) == []
    error = service.record("big").error
    assert error is not None
    assert error.code is Code.TOO_LARGE
    assert error.observed is not None
    assert error.limit is not None
    assert "140 MiB" in error.limit


def test_matrix_too_large_for_the_lane_is_forwarded_where_there_is_another() -> None:
    service = MemoryService(lane=replace(STANDARD, memory_mb=300, next=large("large")))
    event = service.drop("big.npy", np.zeros((6000, 6000)))
    assert service.deliver(event, job("small")) == []
    assert [json.loads(d.body) for d in service.queue.forwarded["large"]] == [event]
    assert "big" not in service.table.get(["big"])


def test_header_that_promises_too_much_is_refused_before_the_body_is_read(
    service: MemoryService,
) -> None:
    header = npy_bytes(np.eye(2))[:128].replace(b"(2, 2), }      ", b"(1000000, 1000000), }")[:128]
    service.deliver(service.drop("huge.npy", header))
    assert service.error("huge") in {Code.TOO_LARGE, Code.BAD_LENGTH}
