"""Our own table, queue or bucket is denied: the batch stops, the queue waits, nobody is blamed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from matinv.errors import Code, Misconfigured, Transient
from matinv.jobs.record import Status
from matinv.pipeline import Verdict
from support.bodies import GOOD
from support.world import World

HOUR_S = 3600


def denied(*moments: str) -> Callable[[str], None]:
    def fail(moment: str) -> None:
        if moment in moments:
            raise Misconfigured(Code.ACCESS_DENIED, "the bucket is denied", "ask an operator")

    return fail


def files(world: World, count: int) -> list[dict[str, Any]]:
    return [world.drop(f"f{n}.npy", np.eye(70)) for n in range(count)]


def verdicts(world: World) -> set[Verdict]:
    assert world.report is not None
    assert len({id(o.delivery) for o in world.report.outcomes}) == len(world.report.batch)
    return {outcome.verdict for outcome in world.report.outcomes}


def test_a_denied_bucket_stops_the_batch_after_a_handful_of_calls(world: World) -> None:
    batch = files(world, 100)
    world.store.fail = denied("open:before")
    assert world.deliver(*batch) == list(range(100))
    assert world.store.calls["open"] <= 8  # one for each thread that had begun
    assert verdicts(world) == {Verdict.STOPPED}
    assert world.table.records == {}
    assert world.queue.dead == []


def test_a_denied_results_bucket_stops_the_batch_too(world: World) -> None:
    batch = files(world, 100)
    world.store.fail = denied("put_result:before")
    assert world.deliver(*batch) == list(range(100))
    assert world.store.calls["put_result"] <= 8
    assert world.table.records == {}


def test_a_table_that_cannot_be_read_is_asked_once(world: World) -> None:
    batch = files(world, 9)
    world.table.fail = denied("get:before")
    assert world.deliver(*batch, *batch) == list(range(18))
    assert world.table.calls == {"get": 1}
    assert world.store.calls["open"] == 0
    assert verdicts(world) == {Verdict.STOPPED}


def test_a_table_that_cannot_be_written_stops_the_batch(world: World) -> None:
    small = [{"job_id": f"m{n}", "matrix": GOOD} for n in range(100)]
    world.table.fail = denied("put:before")
    assert world.deliver(*small, *small, *files(world, 100)) == list(range(300))
    assert world.table.calls["put"] <= 2
    assert verdicts(world) == {Verdict.STOPPED}


def test_what_was_done_by_then_stays_done(world: World) -> None:
    inline = {"job_id": "inline", "matrix": GOOD}
    (file,) = files(world, 1)
    world.store.fail = denied("put_result:before")
    assert world.deliver(inline, file) in ([1], [0, 1])
    world.store.fail = None
    assert world.deliver(inline, file, receive_count=2) == []
    assert world.record("inline").status is world.record("f0").status is Status.SUCCEEDED
    assert len([uri for uri in world.store.uris() if uri.startswith("s3://results/")]) == 1


def test_an_object_that_is_denied_alone_hurts_no_neighbour(world: World) -> None:
    batch = files(world, 9)
    first: list[str] = []

    def fail(moment: str) -> None:
        if moment == "open:before" and not first:
            first.append(moment)
            raise Transient(Code.ACCESS_DENIED, "the object's key is denied")

    world.store.fail = fail
    (back,) = world.deliver(*batch)
    statuses = {job_id: record.status for job_id, record in world.table.records.items()}
    assert statuses.pop(f"f{back}") is Status.RETRYING
    assert set(statuses.values()) == {Status.SUCCEEDED}
    assert len(statuses) == 8
    assert [seconds for _, seconds in world.queue.delays] == [5]


def pauses(world: World, receives: int) -> list[int]:
    """Return for how long a message of a service that stays denied is hidden after each receive."""
    (file,) = files(world, 1)
    world.store.fail = denied("open:before")
    for n in range(receives):
        assert world.deliver(file, receive_count=n + 1) == [0]
    return [seconds for _, seconds in world.queue.delays]


def test_messages_wait_from_15_minutes_on_for_twice_as_long_each_time(world: World) -> None:
    world.app = replace(world.app, jitter=lambda: 1.0)
    found = pauses(world, 10)
    assert found[:6] == [900, 1800, 3600, 7200, 14_400, 28_800]
    # SQS hides a message for 12 h since it was received, and an invocation takes up to 15 minutes.
    assert set(found[6:]) == {12 * HOUR_S - 900}
    assert sum(found) < 96 * HOUR_S  # for as long the queue keeps a message
    for n in range(6):
        assert found[n] == sum(found[:n]) + 900


def test_with_full_jitter_it_still_takes_hours_to_the_dead_letters(world: World) -> None:
    world.app = replace(world.app, jitter=lambda: 0.0)
    assert sum(pauses(world, 5)) > 3 * HOUR_S


def test_the_last_receive_leaves_a_record_that_says_why_and_an_event() -> None:
    world = World.make(topic=True)
    (file,) = files(world, 1)
    world.store.fail = denied("open:before")
    assert world.deliver(file, receive_count=world.queue.max_receive_count()) == [0]
    assert world.record("f0").status is Status.FAILED
    assert world.error("f0") == Code.ACCESS_DENIED
    assert [event.job_id for event in world.events.published] == ["f0"]
    world.store.fail = None
    assert world.deliver(file) == []
    assert world.record("f0").status is Status.SUCCEEDED


def test_a_queue_that_is_denied_as_well_raises_nothing(world: World) -> None:
    batch = files(world, 9)
    world.store.fail = denied("open:before")
    world.queue.fail = denied("delay:before", "max_receive_count:before", "dead_letter:before")
    assert world.deliver(*batch, {"job_id": "bad", "matrix": [[0]]}) == list(range(10))
    assert world.queue.delays == []


def test_when_all_is_mended_every_job_ends(world: World) -> None:
    batch = [*files(world, 30), {"job_id": "bad", "matrix": [[0]]}]
    world.store.fail = denied("open:before")
    world.deliver(*batch)
    world.store.fail = None
    assert world.deliver(*batch, receive_count=2) == []
    statuses = [world.record(f"f{n}").status for n in range(30)]
    assert set(statuses) == {Status.SUCCEEDED}
    assert world.error("bad") == Code.SINGULAR
