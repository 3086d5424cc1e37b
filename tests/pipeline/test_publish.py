"""Results: where they are written, in which format, and by which attempt."""

from __future__ import annotations

import numpy as np

from matinv.errors import Code, Transient
from matinv.jobs.record import Status
from support.bodies import INVERSE, job
from support.world import World


def test_large_result_asked_for_in_dynamodb_is_refused(world: World) -> None:
    event = world.drop("d.npy", np.eye(170), output="dynamodb")
    world.deliver(event)
    assert world.error("d") == Code.TOO_LARGE


def test_format_can_be_chosen(world: World) -> None:
    world.deliver(job("f", format="npy"))
    assert np.array_equal(world.stored("f"), INVERSE)


def test_result_of_an_earlier_attempt_is_adopted(world: World) -> None:
    event = world.drop("x.npy", np.random.default_rng(4).normal(size=(70, 70)))

    def fail(operation: str) -> None:
        if operation == "put:before":
            raise Transient(Code.THROTTLED, "slow down")

    world.table.fail = fail
    assert world.deliver(event) == [0]
    world.table.fail = None
    assert world.deliver(event, receive_count=2) == []
    assert world.record("x").status is Status.SUCCEEDED
    assert len([uri for uri in world.store.uris() if uri.startswith("s3://results/")]) == 1
