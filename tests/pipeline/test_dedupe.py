"""Duplicates, conflicts and newer uploads: which delivery owns the job."""

from __future__ import annotations

import json

import numpy as np
import pytest

from matinv.errors import Code
from matinv.jobs.record import Status
from matinv.operations.dead_letters import redriven_body
from support.bodies import SINGULAR, job
from support.memory_service import INPUTS, MemoryService


def dead_codes(service: MemoryService) -> list[str]:
    return [letter.error_code for letter in service.queue.dead]


def test_duplicate_of_an_ended_job_is_acknowledged_without_work(service: MemoryService) -> None:
    event = service.drop("x.npy", np.eye(70))
    service.deliver(event)
    before = service.record("x")
    opened = service.store.calls["open"]
    assert service.deliver(event, event, event, event, event) == []
    assert service.record("x") == before
    assert service.store.calls["open"] == opened


def test_five_notifications_in_one_batch_are_one_inversion(service: MemoryService) -> None:
    event = service.drop("x.npy", np.eye(70))
    assert service.deliver(*[event] * 5) == []
    assert service.store.calls["open"] == 1


def test_message_with_a_taken_job_id_is_refused_and_the_record_stays(
    service: MemoryService,
) -> None:
    service.deliver(job("x"))
    before = service.record("x")
    assert service.deliver(job("x", [[2, 0], [0, 2]])) == []
    assert service.record("x") == before
    assert dead_codes(service) == ["JOB_ID_CONFLICT"]


@pytest.mark.parametrize("newer_first", [False, True])
def test_newer_upload_of_a_key_wins_in_either_order(
    service: MemoryService, newer_first: bool
) -> None:
    old, new = service.drop("x.npy", np.eye(2)), service.drop("x.npy", 2 * np.eye(2))
    for event in (new, old) if newer_first else (old, new):
        assert service.deliver(event) == []
    assert np.array_equal(service.stored("x"), 0.5 * np.eye(2))
    assert service.queue.dead == []


def test_of_two_uploads_in_one_batch_only_the_newer_is_read(service: MemoryService) -> None:
    old, new = service.drop("x.npy", np.eye(2)), service.drop("x.npy", 2 * np.eye(2))
    assert service.deliver(old, new) == []
    assert np.array_equal(service.stored("x"), 0.5 * np.eye(2))
    assert service.store.calls["open"] == 1


def test_failed_job_is_done_again_by_any_other_message(service: MemoryService) -> None:
    service.deliver(job("x", SINGULAR))
    failed = service.record("x")
    assert service.deliver_again() == []
    assert service.record("x") == failed
    assert dead_codes(service) == ["SINGULAR"]
    assert service.deliver(job("x", SINGULAR)) == []
    assert dead_codes(service) == ["SINGULAR", "SINGULAR"]
    assert service.deliver(job("x", SINGULAR, method="pinv")) == []
    assert service.record("x").status is Status.SUCCEEDED


def test_newer_upload_replaces_a_redriven_one(service: MemoryService) -> None:
    old = service.drop("x.npy", np.array(SINGULAR, float))
    service.deliver(old)
    version = old["Records"][0]["s3"]["object"]["versionId"]
    reference = {"bucket": INPUTS, "key": "x.npy", "version_id": version}
    service.deliver({"job_id": "x", "s3": reference, "method": "pinv", "redrive": 1})
    assert service.record("x").status is Status.SUCCEEDED
    assert service.deliver(service.drop("x.npy", 2 * np.eye(2))) == []
    assert np.array_equal(service.stored("x"), 0.5 * np.eye(2))


def test_older_upload_that_is_redriven_leaves_the_job_to_the_newer_one(
    service: MemoryService,
) -> None:
    service.deliver(service.drop("x.npy", np.array(SINGULAR, float)))
    older = service.queue.dead[-1].delivery
    failed = service.record("x")
    service.deliver(service.drop("x.npy", np.zeros((2, 2))))
    newer = service.queue.dead[-1].delivery
    bodies = [redriven_body(d, failed, {"method": "pinv"}, service.store) for d in (older, newer)]
    assert service.deliver(bodies[0]) == []
    assert service.error("x") == Code.SINGULAR
    assert service.deliver(bodies[1]) == []
    assert np.array_equal(service.stored("x"), np.zeros((2, 2)))


def test_redrive_chooses_another_method_than_the_file(service: MemoryService) -> None:
    event = service.drop("x.json", json.dumps({"matrix": SINGULAR, "method": "general"}).encode())
    service.deliver(event)
    reference = {"bucket": INPUTS, "key": "x.json"}
    message = {"job_id": "x", "s3": reference, "redrive": 1}
    service.deliver(message)
    assert service.error("x") == Code.SINGULAR
    service.deliver(message | {"redrive": 2, "method": "pinv"})
    assert service.record("x").status is Status.SUCCEEDED
