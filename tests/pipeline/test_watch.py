"""A long job while it runs: what its record says, and what ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event
from typing import Any, Final

import numpy as np
import pytest

from matinv.client.cancel import Canceller
from matinv.errors import Code, Transient
from matinv.jobs.record import Record, Status
from matinv.jobs.record_document import note
from matinv.linalg import progress
from matinv.linalg.gauss_jordan import width_of
from matinv.linalg.inverse import invert as invert_matrix
from matinv.linalg.types import Method
from matinv.pipeline import invert, watch
from matinv.pipeline.app import App
from matinv.pipeline.task import Task
from matinv.pipeline.watch import RunningJob
from support.memory_service import SETTINGS, MemoryService

N: Final = 640
BLOCKS: Final = -(-N // width_of(N))


@pytest.mark.parametrize("method", [Method.GENERAL, Method.SPD])
def test_an_inversion_says_at_each_block_how_far_it_is(method: Method) -> None:
    heard: list[float] = []
    invert_matrix(np.eye(N))  # the library is tested when first used, by inversions too
    with progress.heard_by(heard.append):
        invert_matrix(np.eye(N) * 2, method)
    assert heard == [block * width_of(N) / N for block in range(BLOCKS)]


@pytest.fixture
def watched(service: MemoryService, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[float]]:
    """Let a job's record be seen to before each block, after something else has happened."""

    def arrange(happens: Callable[[int], object] = lambda _: None) -> list[float]:
        heard: list[float] = []

        @contextmanager
        def at_each_block(app: App, task: Task) -> Iterator[None]:
            own = RunningJob(app, task)

            def hear(done: float) -> None:
                happens(len(heard))
                heard.append(done)
                service.now_s += 60
                own.beat()
                own.hear(done)

            with progress.heard_by(hear):
                yield

        monkeypatch.setattr(invert, "watched", at_each_block)
        return heard

    return arrange


def cancel(service: MemoryService, job_id: str) -> Record:
    canceller = Canceller(service.store, service.table, SETTINGS, lambda: service.now_s)
    canceller.cancel([_Named(job_id)])
    return service.record(job_id)


class _Named:
    asked, input, revision = "", None, 0

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id


def test_its_record_says_how_far_it_is_and_when_it_ends(
    service: MemoryService, watched: Any
) -> None:
    seen: list[Record] = []
    watched(lambda block: seen.append(service.record("job")) if block > 1 else None)
    event = service.drop("job.npy", np.eye(N) * 2)
    begun_s = service.now_s
    assert service.deliver(event) == []
    assert {record.status for record in seen} == {Status.RUNNING}
    told = [record.progress for record in seen]
    # By the beat before block b, b - 1 of all are done in b minutes.
    done = [block * width_of(N) / N for block in range(BLOCKS)]
    assert [p and p.percent for p in told] == [None] + [
        round(100 * d, 1) for d in done[1 : BLOCKS - 2]
    ]
    last = told[-1]
    assert last is not None
    took_s = 60 * (BLOCKS - 1)
    at_s = begun_s + took_s + took_s * (1 - done[BLOCKS - 3]) / done[BLOCKS - 3]
    assert last.ends_at.startswith(str(np.datetime64(int(at_s), "s"))[:16])
    assert note(seen[-1]) == f"{last.percent:g} % done, until {last.ends_at}"
    ended = service.record("job")
    assert (ended.status, ended.progress) == (Status.SUCCEEDED, None)
    assert np.array_equal(service.stored("job"), np.eye(N) / 2)


def test_a_job_that_is_cancelled_ends_within_one_block(
    service: MemoryService, watched: Any
) -> None:
    heard = watched(lambda block: cancel(service, "job") if block == 3 else None)
    assert service.deliver(service.drop("job.npy", np.eye(N) * 2)) == []
    assert len(heard) == 4
    assert service.record("job").status is Status.CANCELLED
    assert service.store.uris() == ["s3://inputs/job.npy"]  # no result
    assert service.queue.dead == []


def test_a_job_that_another_poller_has_ended_is_left_to_it(
    service: MemoryService, watched: Any
) -> None:
    event = service.drop("job.npy", np.eye(N) * 2)

    def other_ends(block: int) -> None:
        if block == 2:
            running = service.record("job")
            ended = replace(running, status=Status.SUCCEEDED, revision=running.revision + 1)
            assert service.table.put([ended]) == [True]

    heard = watched(other_ends)
    assert service.deliver(event) == []
    assert len(heard) == 3
    assert service.record("job").status is Status.SUCCEEDED


def test_two_pollers_on_one_job_that_both_say_how_far_they_are_end_it_once(
    service: MemoryService, watched: Any
) -> None:
    event = service.drop("job.npy", np.eye(N) * 2)
    nested: list[list[int]] = []

    def other_begins(block: int) -> None:
        if block == 2 and not nested:
            nested.append([])
            nested[0] = service.deliver_again()  # to its end, in the middle of the first one

    watched(other_begins)
    assert service.deliver(event) == []
    assert nested == [[]]
    record = service.record("job")
    assert (record.status, record.progress) == (Status.SUCCEEDED, None)
    assert np.array_equal(service.stored("job"), np.eye(N) / 2)


@pytest.mark.parametrize("moment", ["get:before", "put:before", "put:after"])
def test_a_table_that_fails_for_a_while_changes_nothing(
    service: MemoryService, watched: Any, moment: str
) -> None:
    beating = False

    def fail(asked: str) -> None:
        if beating and asked == moment:
            raise Transient(Code.THROTTLED, "for tests")

    def happens(block: int) -> None:
        nonlocal beating
        beating = block < BLOCKS - 1

    service.table.fail = fail
    watched(happens)
    assert service.deliver(service.drop("job.npy", np.eye(N) * 2)) == []
    assert service.record("job").status is Status.SUCCEEDED


def test_the_beats_come_from_a_thread_of_their_own(
    service: MemoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A product of matrices is one instruction of Python, for minutes."""
    cancelled = Event()

    class Waiting(RunningJob):
        def beat(self) -> None:
            if not cancelled.is_set():
                cancel(service, "job")
            super().beat()
            cancelled.set()

        def hear(self, done: float) -> None:
            assert cancelled.wait(60)
            super().hear(done)

    monkeypatch.setattr(watch, "RunningJob", Waiting)
    monkeypatch.setattr(invert, "watched", lambda app, task: watch.watched(app, task, 0.001))
    monkeypatch.setattr(watch, "WATCHED_S", 0.0)
    running = Event()
    service.table.fail = lambda moment: running.set() if moment == "put:after" else None
    assert service.deliver(service.drop("job.npy", np.eye(N) * 2)) == []
    assert service.record("job").status is Status.CANCELLED


def test_a_short_job_is_not_watched(
    service: MemoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "RunningJob", None)
    service.deliver(service.drop("job.npy", np.eye(N) * 2))
    assert service.record("job").status is Status.SUCCEEDED
