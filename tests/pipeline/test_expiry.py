"""A job that has not begun in time ends EXPIRED; one that has begun goes on."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from matinv.errors import Code, Transient
from matinv.jobs.record import Status
from matinv.linalg.inverse import Inverses
from matinv.pipeline import invert
from matinv.pipeline.outcome import Verdict
from matinv.testing.events import sqs_event
from support.world import INPUTS, World

TWO = [[2, 0], [0, 4]]


def delivered_late(world: World, body: Any, seconds: float) -> list[int]:
    """Deliver a message that has waited for so long."""
    sent_at_s = world.now_s
    texts = [body if isinstance(body, str) else json.dumps(body)]

    world.event = sqs_event(texts, sent_at_ms=int(1000 * sent_at_s), first=world._messages)
    world._messages += 1
    world.now_s += seconds
    return world.deliver_again()


def test_a_message_that_waited_for_too_long_expires() -> None:
    world = World.make(topic=True)
    assert delivered_late(world, {"job_id": "a", "matrix": TWO, "expires_in_s": 60}, 60.5) == []
    record = world.record("a")
    assert (record.status, record.result) == (Status.EXPIRED, None)
    assert record.error
    assert record.error.code == Code.EXPIRED
    assert (record.error.observed, record.error.limit) == ("waited 60 s", "60 s")
    assert world.queue.dead == []  # nobody waits for it, nor has to fix it
    assert [event.attributes["status"] for event in world.events.published] == ["EXPIRED"]


@pytest.mark.parametrize("seconds", [0.0, 59.9, 60.0])
def test_one_that_comes_in_time_is_done(seconds: float) -> None:
    world = World.make()
    delivered_late(world, {"job_id": "a", "matrix": TWO, "expires_in_s": 60}, seconds)
    assert world.record("a").status is Status.SUCCEEDED


@pytest.mark.parametrize("key", ["a.npy", "a.json"])
def test_a_dropped_file_expires_by_its_metadata(key: str) -> None:
    world = World.make()
    content = np.diag([2.0, 4.0]) if key.endswith(".npy") else json.dumps(TWO).encode()
    delivered_late(world, world.drop(key, content, expires_in_s="60"), 61)
    assert world.record("a").status is Status.EXPIRED
    assert world.store.calls["put_result"] == 0


def test_a_file_of_text_expires_by_what_it_says_itself() -> None:
    world = World.make()
    file = json.dumps({"matrix": TWO, "expires_in_s": 60}).encode()
    delivered_late(world, world.drop("a.json", file), 61)
    assert world.record("a").status is Status.EXPIRED


def test_a_reference_expires_before_its_object_is_read() -> None:
    world = World.make()
    world.store.upload("a.npy", [b"nothing"], {})
    body = {"s3": {"bucket": INPUTS, "key": "a.npy"}, "expires_in_s": 60}
    delivered_late(world, body, 61)
    assert world.record("a").status is Status.EXPIRED
    assert world.store.calls["open"] == 0


def test_the_same_message_again_is_a_duplicate_and_another_one_is_work() -> None:
    world = World.make()
    body = {"job_id": "a", "matrix": TWO, "expires_in_s": 60}
    delivered_late(world, body, 61)
    world.deliver_again()
    assert world.report
    assert [outcome.verdict for outcome in world.report.outcomes] == [Verdict.DUPLICATE]
    world.deliver(body)
    assert world.record("a").status is Status.SUCCEEDED


def test_a_job_that_has_begun_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first attempt met a fault that passes, and its second comes after its time."""
    world = World.make()

    def throttled(moment: str) -> None:
        if moment == "put_result:before":
            raise Transient(Code.THROTTLED, "slow down")

    world.store.fail = throttled
    body = {"job_id": "a", "matrix": TWO, "output": "s3", "expires_in_s": 60}
    assert delivered_late(world, body, 30) == [0]
    assert world.record("a").status is Status.RETRYING
    world.store.fail = None
    world.now_s += 600
    assert world.deliver_again() == []
    assert world.record("a").status is Status.SUCCEEDED


def test_work_that_reads_its_file_twice_expires_at_the_beginning_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A method that cannot begin in place reads anew, by then perhaps after its time."""
    world = World.make()
    inverses = invert._timed_inverses

    def slow(*arguments: Any, **options: Any) -> Any:
        world.now_s += 600
        monkeypatch.setattr(Inverses, "overwritten", options["overwrite"])
        return inverses(*arguments, **options)

    monkeypatch.setattr(invert, "_timed_inverses", slow)
    delivered_late(world, world.drop("a.npy", np.diag([2.0, 4.0]), expires_in_s="60"), 30)
    assert world.store.calls["open"] == 2
    assert world.record("a").status is Status.SUCCEEDED


@pytest.mark.parametrize("value", [0, -1, 1.5, "60", 14 * 86_400 + 1, True])
def test_a_time_that_is_none_is_refused(value: Any) -> None:
    world = World.make()
    world.deliver({"job_id": "a", "matrix": TWO, "expires_in_s": value})
    assert world.error("a") == Code.BAD_MESSAGE


def test_the_time_is_no_part_of_the_question() -> None:
    world = World.make()
    for seconds in (60, 600):
        world.deliver({"matrix": TWO, "expires_in_s": seconds})
    assert len(world.table.records) == 1
