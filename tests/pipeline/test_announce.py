"""Job events: one for each terminal record that was written, and never at the cost of a job."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from matinv import pipeline
from matinv.errors import Code, Transient
from matinv.jobs.lanes import large
from matinv.jobs.record import Status
from matinv.pipeline import announce, direct_call
from support.bodies import GOOD, SINGULAR, job
from support.world import STANDARD, World


@pytest.fixture
def world() -> World:
    return World.make(topic=True)


def published(world: World) -> list[tuple[str, str]]:
    """Return what subscribers got: job ids and statuses."""
    return [(event.job_id, event.attributes["status"]) for event in world.events.published]


def failing(*moments: str) -> Callable[[str], None]:
    def fail(moment: str) -> None:
        if moment in moments:
            raise Transient(Code.STORAGE, moment)

    return fail


def lost(world: World) -> list[str]:
    assert world.report is not None
    return list(world.report.unannounced.job_ids)


def test_every_end_is_told_once(world: World) -> None:
    world.deliver(
        job("good", tags={"team": "fem"}),
        job("stack", [GOOD, SINGULAR]),
        job("bad", SINGULAR),
        world.drop("file.npy", np.eye(70)),
        "hello",
    )
    statuses = dict(published(world))
    assert len(statuses) == len(published(world)) == 5
    assert (
        statuses.items()
        >= {
            "good": "SUCCEEDED",
            "stack": "PARTIAL",
            "bad": "FAILED",
            "file": "SUCCEEDED",
        }.items()
    )
    assert {job_id for job_id, status in published(world) if status == "FAILED"} > {"bad"}
    bodies = {e.job_id: json.loads(e.body) for e in world.events.published}
    assert bodies["good"]["tags"] == {"team": "fem"}
    assert bodies["bad"]["error"]["code"] == "SINGULAR"
    assert bodies["file"]["result"]["uri"].startswith("s3://results/file/")
    assert lost(world) == []


def test_event_comes_after_the_record(world: World) -> None:
    seen: list[Status] = []
    world.events.fail = lambda _: seen.append(world.table.records["a"].status)
    world.deliver(job("a"))
    assert seen == [Status.SUCCEEDED, Status.SUCCEEDED]  # before and after it was published


def test_duplicates_and_stale_deliveries_tell_nothing(world: World) -> None:
    old, new = world.drop("x.npy", np.eye(2)), world.drop("x.npy", 2 * np.eye(2))
    world.deliver(old, new, job("a"), job("a"))
    before = published(world)
    assert sorted(before) == [("a", "SUCCEEDED"), ("x", "SUCCEEDED")]
    world.deliver(old, new, job("a"))
    assert published(world) == before


def test_conflict_tells_nothing_of_the_job_that_owns_the_id(world: World) -> None:
    world.deliver(job("a"))
    world.deliver(job("a", [[5]]))
    assert published(world) == [("a", "SUCCEEDED")]


def test_retry_tells_nothing_until_the_last_receive(world: World) -> None:
    event = world.drop("x.npy", np.eye(3))
    world.store.fail = failing("open:before")
    assert world.deliver(event) == [0]
    assert world.record("x").status is Status.RETRYING
    assert published(world) == []
    assert world.deliver(event, receive_count=5) == [0]
    assert published(world) == [("x", "FAILED")]
    assert world.events.published[0].attributes["error_code"] == "STORAGE"


def test_forwarded_job_is_told_by_the_lane_that_does_it() -> None:
    world = World.make(lane=replace(STANDARD, memory_mb=300, next=large("large")), topic=True)
    world.deliver(world.drop("big.npy", np.zeros((6000, 6000))))
    assert len(world.queue.forwarded["large"]) == 1
    assert published(world) == []


def test_redriven_job_is_told_again(world: World) -> None:
    world.deliver(job("a", SINGULAR))
    world.deliver(job("a", SINGULAR, method="pinv", redrive=1))
    assert published(world) == [("a", "FAILED"), ("a", "SUCCEEDED")]


def test_zombie_that_finishes_late_tells_nothing(world: World) -> None:
    event = world.drop("x.npy", np.eye(70))
    overtaken: list[None] = []

    def overtake(moment: str) -> None:
        if moment == "put:before" and not overtaken:
            overtaken.append(None)
            world.deliver(event)

    world.table.fail = overtake
    world.deliver(event)
    assert published(world) == [("x", "SUCCEEDED")]


class Killed(BaseException):
    """Stands for kill -9: nothing catches it."""


def test_worker_that_dies_after_the_record_tells_nobody_and_loses_no_job(world: World) -> None:
    def kill(moment: str) -> None:
        if moment == "put:after":
            raise Killed

    world.table.fail = kill
    with pytest.raises(Killed):
        world.deliver(job("a"))
    world.table.fail = None
    assert world.deliver(job("a"), receive_count=2) == []
    assert world.record("a").status is Status.SUCCEEDED
    assert published(world) == []


# The topic never costs a job


@pytest.mark.parametrize("moment", ["publish:before", "publish:after"])
def test_denied_topic_fails_no_job_and_is_reported(world: World, moment: str) -> None:
    world.events.fail = failing(moment)
    assert world.deliver(job("a"), job("bad", SINGULAR)) == []
    assert world.record("a").status is Status.SUCCEEDED
    assert sorted(lost(world)) == ["a", "bad"]


def test_bug_in_publishing_fails_no_job_and_keeps_its_exception(world: World) -> None:
    def broken(_: str) -> None:
        raise ZeroDivisionError

    world.events.fail = broken
    assert world.deliver(job("a")) == []
    assert lost(world) == ["a"]
    assert world.report is not None
    assert isinstance(world.report.unannounced.exception, ZeroDivisionError)


@pytest.fixture
def stuck(world: World) -> Any:
    """Let the topic hang until the test ends."""
    release = threading.Event()
    world.events.fail = lambda _: release.wait() and None
    yield
    release.set()


@pytest.mark.usefixtures("stuck")
def test_topic_that_hangs_holds_up_neither_the_work_nor_the_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announce, "_PATIENCE_S", 0.01)
    files = [world.drop(f"f{n}.npy", np.eye(70)) for n in range(3)]
    assert world.deliver(job("a"), *files, job("a"), job("b", SINGULAR)) == []
    assert all(world.record(j).status.terminal for j in ("a", "b", "f0", "f1", "f2"))
    assert sorted(lost(world)) == ["a", "b", "f0", "f1", "f2"]


@pytest.mark.usefixtures("stuck")
def test_near_the_deadline_nobody_waits_for_the_topic(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(
        announce, "wait", lambda futures, timeout: (waits.append(timeout), (set(), futures))[1]
    )
    for left_s, allowed_s in [(60.0, 5.0), (4.0, 3.0), (2.5, 1.5)]:
        world.remaining_s = left_s
        assert world.deliver(job(f"at-{left_s}")) == []
        assert waits.pop() == allowed_s
    deadline = pipeline.Deadline(lambda: 0.3, 60.0)
    announce.Announcer(world.app, deadline).close()
    assert waits == [0.0]


# Direct calls


def called(world: World, event: Any) -> pipeline.Answer:
    call = direct_call.call_of(event)
    deadline = pipeline.Deadline(lambda: world.remaining_s, 60.0)
    return pipeline.answer(world.app, call.parsed, deadline, stored=call.stored)


def test_direct_call_tells_of_the_records_that_it_writes(world: World) -> None:
    called(world, {"matrix": GOOD})
    called(world, {"matrix": SINGULAR})
    assert published(world) == []
    called(world, job("a"))
    called(world, job("a"))
    called(world, job("a", [[5]]))
    called(world, job("bad", SINGULAR))
    assert published(world) == [("a", "SUCCEEDED"), ("bad", "FAILED")]


def test_direct_call_answers_although_the_topic_is_denied(world: World) -> None:
    world.events.fail = failing("publish:before")
    answer = called(world, job("a"))
    assert answer.error is None
    assert answer.report.unannounced.job_ids == ["a"]


# Thrift


def test_small_jobs_of_a_batch_are_published_together(world: World) -> None:
    rng = np.random.default_rng(5)
    batch = [job(f"m-{i}", rng.normal(size=(4, 4)).tolist()) for i in range(1000)]
    world.deliver(*batch)
    assert len(published(world)) == 1000
    assert world.events.calls == {"publish": 1}


def test_without_a_topic_nothing_is_published() -> None:
    world = World.make()
    world.deliver(job("a"), job("bad", SINGULAR))
    assert world.events.calls == {}
    assert lost(world) == []


def test_batch_without_news_asks_nothing_of_the_topic(world: World) -> None:
    world.deliver(job("a"))
    world.deliver(job("a"), job("a"))
    assert world.events.calls == {"publish": 1}
