"""Results: where they are written, in which format, and by which attempt."""

from __future__ import annotations

import numpy as np

from matinv.errors import Code, Transient
from matinv.jobs.record import Status
from support.bodies import INVERSE, job
from support.memory_service import MemoryService


def test_large_result_asked_for_in_dynamodb_is_refused(service: MemoryService) -> None:
    event = service.drop("d.npy", np.eye(170), output="dynamodb")
    service.deliver(event)
    assert service.error("d") == Code.TOO_LARGE


def test_format_can_be_chosen(service: MemoryService) -> None:
    service.deliver(job("f", format="npy"))
    assert np.array_equal(service.stored("f"), INVERSE)


def test_result_of_an_earlier_attempt_is_adopted(service: MemoryService) -> None:
    event = service.drop("x.npy", np.random.default_rng(4).normal(size=(70, 70)))

    def fail(operation: str) -> None:
        if operation == "put:before":
            raise Transient(Code.THROTTLED, "slow down")

    service.table.fail = fail
    assert service.deliver(event) == [0]
    service.table.fail = None
    assert service.deliver(event, receive_count=2) == []
    assert service.record("x").status is Status.SUCCEEDED
    assert len([uri for uri in service.store.uris() if uri.startswith("s3://results/")]) == 1
