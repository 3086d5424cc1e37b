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
from support.memory_service import STANDARD, MemoryService


@pytest.fixture
def service() -> MemoryService:
    return MemoryService(topic=True)


def published(service: MemoryService) -> list[tuple[str, str]]:
    """Return what subscribers got: job ids and statuses."""
    return [(event.job_id, event.attributes["status"]) for event in service.events.published]


def failing(*moments: str) -> Callable[[str], None]:
    def fail(moment: str) -> None:
        if moment in moments:
            raise Transient(Code.STORAGE, moment)

    return fail


def lost(service: MemoryService) -> list[str]:
    assert service.report is not None
    return list(service.report.unannounced.job_ids)


def test_every_end_is_told_once(service: MemoryService) -> None:
    service.deliver(
        job("good", tags={"team": "fem"}),
        job("stack", [GOOD, SINGULAR]),
        job("bad", SINGULAR),
        service.drop("file.npy", np.eye(70)),
        "hello",
    )
    statuses = dict(published(service))
    assert len(statuses) == len(published(service)) == 5
    assert (
        statuses.items()
        >= {
            "good": "SUCCEEDED",
            "stack": "PARTIAL",
            "bad": "FAILED",
            "file": "SUCCEEDED",
        }.items()
    )
    assert {job_id for job_id, status in published(service) if status == "FAILED"} > {"bad"}
    bodies = {e.job_id: json.loads(e.body) for e in service.events.published}
    assert bodies["good"]["tags"] == {"team": "fem"}
    assert bodies["bad"]["error"]["code"] == "SINGULAR"
    assert bodies["file"]["result"]["uri"].startswith("s3://results/file/")
    assert lost(service) == []


def test_event_comes_after_the_record(service: MemoryService) -> None:
    seen: list[Status] = []
    service.events.fail = lambda _: seen.append(service.table.records["a"].status)
    service.deliver(job("a"))
    assert seen == [Status.SUCCEEDED, Status.SUCCEEDED]  # before and after it was published


def test_duplicates_and_stale_deliveries_tell_nothing(service: MemoryService) -> None:
    old, new = service.drop("x.npy", np.eye(2)), service.drop("x.npy", 2 * np.eye(2))
    service.deliver(old, new, job("a"), job("a"))
    before = published(service)
    assert sorted(before) == [("a", "SUCCEEDED"), ("x", "SUCCEEDED")]
    service.deliver(old, new, job("a"))
    assert published(service) == before


def test_conflict_tells_nothing_of_the_job_that_owns_the_id(service: MemoryService) -> None:
    service.deliver(job("a"))
    service.deliver(job("a", [[5]]))
    assert published(service) == [("a", "SUCCEEDED")]


def test_retry_tells_nothing_until_the_last_receive(service: MemoryService) -> None:
    event = service.drop("x.npy", np.eye(3))
    service.store.fail = failing("open:before")
    assert service.deliver(event) == [0]
    assert service.record("x").status is Status.RETRYING
    assert published(service) == []
    assert service.deliver(event, receive_count=5) == [0]
    assert published(service) == [("x", "FAILED")]
    assert service.events.published[0].attributes["error_code"] == "STORAGE"


def test_forwarded_job_is_told_by_the_lane_that_does_it() -> None:
    service = MemoryService(lane=replace(STANDARD, memory_mb=300, next=large("large")), topic=True)
    service.deliver(service.drop("big.npy", np.zeros((6000, 6000))))
    assert len(service.queue.forwarded["large"]) == 1
    assert published(service) == []


def test_redriven_job_is_told_again(service: MemoryService) -> None:
    service.deliver(job("a", SINGULAR))
    service.deliver(job("a", SINGULAR, method="pinv", redrive=1))
    assert published(service) == [("a", "FAILED"), ("a", "SUCCEEDED")]


def test_zombie_that_finishes_late_tells_nothing(service: MemoryService) -> None:
    event = service.drop("x.npy", np.eye(70))
    overtaken: list[None] = []

    def overtake(moment: str) -> None:
        if moment == "put:before" and not overtaken:
            overtaken.append(None)
            service.deliver(event)

    service.table.fail = overtake
    service.deliver(event)
    assert published(service) == [("x", "SUCCEEDED")]


class Killed(BaseException):
    """Stands for kill -9: nothing catches it."""


def test_worker_that_dies_after_the_record_tells_nobody_and_loses_no_job(
    service: MemoryService,
) -> None:
    def kill(moment: str) -> None:
        if moment == "put:after":
            raise Killed

    service.table.fail = kill
    with pytest.raises(Killed):
        service.deliver(job("a"))
    service.table.fail = None
    assert service.deliver(job("a"), receive_count=2) == []
    assert service.record("a").status is Status.SUCCEEDED
    assert published(service) == []


# The topic never costs a job


@pytest.mark.parametrize("moment", ["publish:before", "publish:after"])
def test_denied_topic_fails_no_job_and_is_reported(service: MemoryService, moment: str) -> None:
    service.events.fail = failing(moment)
    assert service.deliver(job("a"), job("bad", SINGULAR)) == []
    assert service.record("a").status is Status.SUCCEEDED
    assert sorted(lost(service)) == ["a", "bad"]


def test_bug_in_publishing_fails_no_job_and_keeps_its_exception(service: MemoryService) -> None:
    def broken(_: str) -> None:
        raise ZeroDivisionError

    service.events.fail = broken
    assert service.deliver(job("a")) == []
    assert lost(service) == ["a"]
    assert service.report is not None
    assert isinstance(service.report.unannounced.exception, ZeroDivisionError)


@pytest.fixture
def stuck(service: MemoryService) -> Any:
    """Let the topic hang until the test ends."""
    release = threading.Event()
    service.events.fail = lambda _: release.wait() and None
    yield
    release.set()


@pytest.mark.usefixtures("stuck")
def test_topic_that_hangs_holds_up_neither_the_work_nor_the_answer(
    service: MemoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announce, "_PATIENCE_S", 0.01)
    files = [service.drop(f"f{n}.npy", np.eye(70)) for n in range(3)]
    assert service.deliver(job("a"), *files, job("a"), job("b", SINGULAR)) == []
    assert all(service.record(j).status.terminal for j in ("a", "b", "f0", "f1", "f2"))
    assert sorted(lost(service)) == ["a", "b", "f0", "f1", "f2"]


@pytest.mark.usefixtures("stuck")
def test_near_the_deadline_nobody_waits_for_the_topic(
    service: MemoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(
        announce, "wait", lambda futures, timeout: (waits.append(timeout), (set(), futures))[1]
    )
    for left_s, allowed_s in [(60.0, 5.0), (4.0, 3.0), (2.5, 1.5)]:
        service.remaining_s = left_s
        assert service.deliver(job(f"at-{left_s}")) == []
        assert waits.pop() == allowed_s
    deadline = pipeline.Deadline(lambda: 0.3, 60.0)
    announce.Announcer(service.app, deadline).close()
    assert waits == [0.0]


# Direct calls


def called(service: MemoryService, event: Any) -> pipeline.Answer:
    call = direct_call.call_of(event)
    deadline = pipeline.Deadline(lambda: service.remaining_s, 60.0)
    return pipeline.answer(service.app, call.parsed, deadline, stored=call.stored)


def test_direct_call_tells_of_the_records_that_it_writes(service: MemoryService) -> None:
    called(service, {"matrix": GOOD})
    called(service, {"matrix": SINGULAR})
    assert published(service) == []
    called(service, job("a"))
    called(service, job("a"))
    called(service, job("a", [[5]]))
    called(service, job("bad", SINGULAR))
    assert published(service) == [("a", "SUCCEEDED"), ("bad", "FAILED")]


def test_direct_call_answers_although_the_topic_is_denied(service: MemoryService) -> None:
    service.events.fail = failing("publish:before")
    answer = called(service, job("a"))
    assert answer.error is None
    assert answer.report.unannounced.job_ids == ["a"]


# Thrift


def test_small_jobs_of_a_batch_are_published_together(service: MemoryService) -> None:
    rng = np.random.default_rng(5)
    batch = [job(f"m-{i}", rng.normal(size=(4, 4)).tolist()) for i in range(1000)]
    service.deliver(*batch)
    assert len(published(service)) == 1000
    assert service.events.calls == {"publish": 1}


def test_without_a_topic_nothing_is_published() -> None:
    service = MemoryService()
    service.deliver(job("a"), job("bad", SINGULAR))
    assert service.events.calls == {}
    assert lost(service) == []


def test_batch_without_news_asks_nothing_of_the_topic(service: MemoryService) -> None:
    service.deliver(job("a"))
    service.deliver(job("a"), job("a"))
    assert service.events.calls == {"publish": 1}
