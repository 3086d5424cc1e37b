"""Duplicates, conflicts and newer uploads: which delivery owns the job."""

from __future__ import annotations

import json

import numpy as np
import pytest

from matinv.errors import Code
from matinv.jobs.record import Status
from matinv.operations.dead_letters import redriven_body
from support.bodies import SINGULAR, job
from support.world import INPUTS, World


def dead_codes(world: World) -> list[str]:
    return [letter.error_code for letter in world.queue.dead]


def test_duplicate_of_an_ended_job_is_acknowledged_without_work(world: World) -> None:
    event = world.drop("x.npy", np.eye(70))
    world.deliver(event)
    before = world.record("x")
    opened = world.store.calls["open"]
    assert world.deliver(event, event, event, event, event) == []
    assert world.record("x") == before
    assert world.store.calls["open"] == opened


def test_five_notifications_in_one_batch_are_one_inversion(world: World) -> None:
    event = world.drop("x.npy", np.eye(70))
    assert world.deliver(*[event] * 5) == []
    assert world.store.calls["open"] == 1


def test_message_with_a_taken_job_id_is_refused_and_the_record_stays(world: World) -> None:
    world.deliver(job("x"))
    before = world.record("x")
    assert world.deliver(job("x", [[2, 0], [0, 2]])) == []
    assert world.record("x") == before
    assert dead_codes(world) == ["JOB_ID_CONFLICT"]


@pytest.mark.parametrize("newer_first", [False, True])
def test_newer_upload_of_a_key_wins_in_either_order(world: World, newer_first: bool) -> None:
    old, new = world.drop("x.npy", np.eye(2)), world.drop("x.npy", 2 * np.eye(2))
    for event in (new, old) if newer_first else (old, new):
        assert world.deliver(event) == []
    assert np.array_equal(world.stored("x"), 0.5 * np.eye(2))
    assert world.queue.dead == []


def test_of_two_uploads_in_one_batch_only_the_newer_is_read(world: World) -> None:
    old, new = world.drop("x.npy", np.eye(2)), world.drop("x.npy", 2 * np.eye(2))
    assert world.deliver(old, new) == []
    assert np.array_equal(world.stored("x"), 0.5 * np.eye(2))
    assert world.store.calls["open"] == 1


def test_failed_job_is_done_again_by_any_other_message(world: World) -> None:
    world.deliver(job("x", SINGULAR))
    failed = world.record("x")
    assert world.deliver_again() == []
    assert world.record("x") == failed
    assert dead_codes(world) == ["SINGULAR"]
    assert world.deliver(job("x", SINGULAR)) == []
    assert dead_codes(world) == ["SINGULAR", "SINGULAR"]
    assert world.deliver(job("x", SINGULAR, method="pinv")) == []
    assert world.record("x").status is Status.SUCCEEDED


def test_newer_upload_replaces_a_redriven_one(world: World) -> None:
    old = world.drop("x.npy", np.array(SINGULAR, float))
    world.deliver(old)
    version = old["Records"][0]["s3"]["object"]["versionId"]
    reference = {"bucket": INPUTS, "key": "x.npy", "version_id": version}
    world.deliver({"job_id": "x", "s3": reference, "method": "pinv", "redrive": 1})
    assert world.record("x").status is Status.SUCCEEDED
    assert world.deliver(world.drop("x.npy", 2 * np.eye(2))) == []
    assert np.array_equal(world.stored("x"), 0.5 * np.eye(2))


def test_older_upload_that_is_redriven_leaves_the_job_to_the_newer_one(world: World) -> None:
    world.deliver(world.drop("x.npy", np.array(SINGULAR, float)))
    older = world.queue.dead[-1].delivery
    failed = world.record("x")
    world.deliver(world.drop("x.npy", np.zeros((2, 2))))
    newer = world.queue.dead[-1].delivery
    bodies = [redriven_body(d, failed, {"method": "pinv"}, world.store) for d in (older, newer)]
    assert world.deliver(bodies[0]) == []
    assert world.error("x") == Code.SINGULAR
    assert world.deliver(bodies[1]) == []
    assert np.array_equal(world.stored("x"), np.zeros((2, 2)))


def test_redrive_chooses_another_method_than_the_file(world: World) -> None:
    event = world.drop("x.json", json.dumps({"matrix": SINGULAR, "method": "general"}).encode())
    world.deliver(event)
    reference = {"bucket": INPUTS, "key": "x.json"}
    message = {"job_id": "x", "s3": reference, "redrive": 1}
    world.deliver(message)
    assert world.error("x") == Code.SINGULAR
    world.deliver(message | {"redrive": 2, "method": "pinv"})
    assert world.record("x").status is Status.SUCCEEDED
