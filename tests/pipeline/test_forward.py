"""Lanes: a job goes on from one to the next until one takes it, however many there are."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pytest

from matinv.errors import Code, Misconfigured, Transient
from matinv.jobs.lanes import IDLE_BYTES, Lane, Ticket
from matinv.jobs.record import Status
from support.memory_service import MemoryService

MIB: Final = 2**20
IDLE_MB: Final = IDLE_BYTES // MIB

# Two matrices need 2 * 8 n^2 bytes: 0.2 MB at n = 100, 15 at 1000, 46 at 1700, 62 at 2000; panels
# and buffers come on top of that.
GRID: Final = Lane("grid", "grid-queue", IDLE_MB + 100, 1, 60.0)
HUGE: Final = Lane("huge", "huge-queue", IDLE_MB + 45, 1, 60.0, GRID)
LARGE: Final = Lane("large", "large-queue", IDLE_MB + 20, 1, 60.0, HUGE)
STANDARD: Final = Lane("standard", "jobs", IDLE_MB + 9, 1, 60.0, LARGE)


def through(service: MemoryService, *bodies: Any) -> dict[str, list[str]]:
    """Deliver messages to the first lane, and to each next one what was forwarded to it.

    Returns which bodies each lane was sent.
    """
    app, texts = service.app, [json.dumps(body) for body in bodies]
    sent: dict[str, list[str]] = {}
    for lane in app.lane:
        sent[lane.name] = texts
        service.app = replace(app, lane=lane)
        assert service.deliver(*texts) == []
        gone = service.queue.forwarded.get(lane.next.queue_url, []) if lane.next else []
        texts = [delivery.body for delivery in gone]
    service.app = app
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
    service = MemoryService(lane=STANDARD)
    event = service.drop("job.npy", np.eye(n) * 2)
    sent = through(service, event)
    assert [name for name, bodies in sent.items() if bodies] == lanes
    record = service.record("job")
    assert record.status is Status.SUCCEEDED
    assert record.certificate is not None
    assert np.array_equal(service.stored("job"), np.eye(n) / 2)


def test_jobs_of_one_batch_part_ways() -> None:
    service = MemoryService(lane=STANDARD)
    sizes = {"a": 100, "b": 1000, "c": 1700}
    events = {name: service.drop(f"{name}.npy", np.eye(n)) for name, n in sizes.items()}
    sent = through(service, *events.values())
    found = [sorted(map(json.loads, bodies), key=str) for bodies in sent.values()]  # in any order
    expected = [["a", "b", "c"], ["b", "c"], ["c"], []]
    assert found == [sorted((events[name] for name in lane), key=str) for lane in expected]
    assert {service.record(name).status for name in sizes} == {Status.SUCCEEDED}


def test_what_is_too_large_for_the_last_lane_is_refused_there() -> None:
    service = MemoryService(lane=STANDARD)
    sent = through(service, service.drop("job.npy", np.eye(4000)))
    assert all(sent.values())
    error = service.record("job").error
    assert error is not None
    assert error.code is Code.TOO_LARGE
    assert error.limit == "100 MiB, 58 s"
    assert len(service.queue.dead) == 1


def test_a_lane_that_cannot_be_reached_keeps_the_message() -> None:
    service = MemoryService(lane=STANDARD)
    service.queue.unsendable = {"job"}
    assert service.deliver(service.drop("job.npy", np.eye(1000))) == [0]
    assert service.report is not None
    (outcome,) = service.report.outcomes
    assert outcome.error is not None
    assert (outcome.error.code, "large" in outcome.error.message) == (Code.STORAGE, True)


def test_a_lane_without_a_ticket_is_asked_for_no_machine() -> None:
    service = MemoryService(lane=STANDARD)
    service.deliver(service.drop("job.npy", np.eye(1000)))
    assert (service.capacity.requested, len(service.queue.forwarded["large-queue"])) == ([], 1)


TICKETED: Final = replace(STANDARD, next=replace(LARGE, ticket=Ticket("machines", "poller:3")))


def test_each_job_has_its_machine_asked_for_before_its_message_is_sent_on() -> None:
    service = MemoryService(lane=TICKETED)
    order: list[str] = []
    service.capacity.fail = service.queue.fail = order.append
    events = [service.drop(f"{name}.npy", np.eye(1000)) for name in "ab"]
    assert service.deliver(*events) == []
    assert service.capacity.requested == ["large", "large"]
    of_each = [moment for moment in order if moment.partition(":")[0] in {"request", "forward"}]
    assert of_each[:2] == ["request:before", "request:after"]
    assert of_each.count("request:after") == 2
    for place, moment in enumerate(of_each):  # as many jobs at most are sent on as have machines
        if moment == "forward:before":
            assert of_each[:place].count("request:after") > of_each[:place].count(moment)


@pytest.mark.parametrize("code", [Code.THROTTLED, Code.STORAGE, Code.ACCESS_DENIED])
def test_a_message_for_which_no_machine_was_had_stays(code: Code) -> None:
    service = MemoryService(lane=TICKETED)

    def fail(moment: str) -> None:
        if moment == "request:before":
            kind = Misconfigured if code is Code.ACCESS_DENIED else Transient
            raise kind(code, "no machine", "wait")

    service.capacity.fail = fail
    big, small = service.drop("big.npy", np.eye(1000)), service.drop("small.npy", np.eye(3))
    assert service.deliver(big, small) == [0]
    assert service.queue.forwarded == {}
    assert service.record("small").status is Status.SUCCEEDED  # it is not stopped by the other
    record = service.record("big")
    assert (record.status, service.error("big")) == (Status.RETRYING, code)
    service.capacity.fail = None
    assert service.deliver_again() == []
    assert [d.job_id for d in service.queue.forwarded["large-queue"]] == ["big"]


def test_a_worker_that_dies_after_the_ticket_leaves_the_message_and_a_machine() -> None:
    service = MemoryService(lane=TICKETED)

    def die(moment: str) -> None:
        if moment == "forward:before":
            raise SystemExit

    service.queue.fail = die
    with pytest.raises(SystemExit):
        service.deliver(service.drop("job.npy", np.eye(1000)))
    assert (service.capacity.requested, service.queue.forwarded) == (["large"], {})
    service.queue.fail = None
    assert service.deliver_again() == []
    assert service.capacity.requested == ["large", "large"]
    assert len(service.queue.forwarded["large-queue"]) == 1


def test_a_job_is_forwarded_in_the_group_of_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    service = MemoryService(lane=STANDARD)
    found: list[Any] = []
    forward = service.queue.forward

    def watched(lane: Lane, deliveries: Any, groups: Any = ()) -> list[bool]:
        found.append([*groups])
        return forward(lane, deliveries, groups)

    monkeypatch.setattr(service.queue, "forward", watched)
    service.deliver(service.drop("fem/a.npy", np.eye(1000)))
    service.deliver(service.drop("fem/b.npy", np.eye(1000), run="nightly"))
    assert found == [["fem"], ["nightly"]]
