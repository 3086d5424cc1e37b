"""Lanes: a job goes on from one to the next until one takes it, however many there are."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pytest

from matinv.errors import Code
from matinv.jobs.lanes import IDLE_BYTES, Lane
from matinv.jobs.record import Status
from support.world import World

MIB: Final = 2**20
IDLE_MB: Final = IDLE_BYTES // MIB

# Two matrices need 2 * 8 n^2 bytes: 0.2 MB at n = 100, 15 at 1000, 46 at 1700, 62 at 2000; panels
# and buffers come on top of that.
GRID: Final = Lane("grid", "grid-queue", IDLE_MB + 100, 1, 60.0)
HUGE: Final = Lane("huge", "huge-queue", IDLE_MB + 45, 1, 60.0, GRID)
LARGE: Final = Lane("large", "large-queue", IDLE_MB + 20, 1, 60.0, HUGE)
STANDARD: Final = Lane("standard", "jobs", IDLE_MB + 9, 1, 60.0, LARGE)


def through(world: World, *bodies: Any) -> dict[str, list[str]]:
    """Deliver messages to the first lane, and to each next one what was forwarded to it.

    Returns which bodies each lane was sent.
    """
    app, texts = world.app, [json.dumps(body) for body in bodies]
    sent: dict[str, list[str]] = {}
    for lane in app.lane:
        sent[lane.name] = texts
        world.app = replace(app, lane=lane)
        assert world.deliver(*texts) == []
        gone = world.queue.forwarded.get(lane.next.queue_url, []) if lane.next else []
        texts = [delivery.body for delivery in gone]
    world.app = app
    return sent


@pytest.mark.parametrize(
    ("n", "lanes"),
    [
        (100, ["standard"]),
        (1000, ["standard", "large"]),
        (1700, ["standard", "large", "huge"]),
        pytest.param(2500, ["standard", "large", "huge", "grid"], marks=pytest.mark.deep),  # 1 s
    ],
)
def test_a_job_passes_each_lane_that_it_is_too_large_for(n: int, lanes: list[str]) -> None:
    world = World.make(lane=STANDARD)
    event = world.drop("job.npy", np.eye(n) * 2)
    sent = through(world, event)
    assert [name for name, bodies in sent.items() if bodies] == lanes
    record = world.record("job")
    assert record.status is Status.SUCCEEDED
    assert record.certificate is not None
    assert np.array_equal(world.stored("job"), np.eye(n) / 2)


def test_jobs_of_one_batch_part_ways() -> None:
    world = World.make(lane=STANDARD)
    sizes = {"a": 100, "b": 1000, "c": 1700}
    events = {name: world.drop(f"{name}.npy", np.eye(n)) for name, n in sizes.items()}
    sent = through(world, *events.values())
    found = [sorted(map(json.loads, bodies), key=str) for bodies in sent.values()]  # in any order
    expected = [["a", "b", "c"], ["b", "c"], ["c"], []]
    assert found == [sorted((events[name] for name in lane), key=str) for lane in expected]
    assert {world.record(name).status for name in sizes} == {Status.SUCCEEDED}


def test_what_is_too_large_for_the_last_lane_is_refused_there() -> None:
    world = World.make(lane=STANDARD)
    sent = through(world, world.drop("job.npy", np.eye(4000)))
    assert all(sent.values())
    error = world.record("job").error
    assert error is not None
    assert error.code is Code.TOO_LARGE
    assert error.limit == "100 MiB, 58 s"
    assert len(world.queue.dead) == 1


def test_a_lane_that_cannot_be_reached_keeps_the_message() -> None:
    world = World.make(lane=STANDARD)
    world.queue.unsendable = {"job"}
    assert world.deliver(world.drop("job.npy", np.eye(1000))) == [0]
    assert world.report is not None
    (outcome,) = world.report.outcomes
    assert outcome.error is not None
    assert (outcome.error.code, "large" in outcome.error.message) == (Code.STORAGE, True)


def test_a_job_is_forwarded_in_the_group_of_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World.make(lane=STANDARD)
    found: list[Any] = []
    forward = world.queue.forward

    def watched(lane: Lane, deliveries: Any, groups: Any = ()) -> list[bool]:
        found.append([*groups])
        return forward(lane, deliveries, groups)

    monkeypatch.setattr(world.queue, "forward", watched)
    world.deliver(world.drop("fem/a.npy", np.eye(1000)))
    world.deliver(world.drop("fem/b.npy", np.eye(1000), run="nightly"))
    assert found == [["fem"], ["nightly"]]
