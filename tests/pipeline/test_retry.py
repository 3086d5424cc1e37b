"""Transient faults: messages come back later and later, and end with a reason."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from matinv.errors import Code, Transient
from matinv.jobs.record import Status
from matinv.pipeline import invert
from support.bodies import SINGULAR, job
from support.memory_service import MemoryService


def test_throttled_store_puts_the_job_off_with_growing_delay(service: MemoryService) -> None:
    event = service.drop("x.npy", np.eye(70))

    def fail(operation: str) -> None:
        if operation == "open:before":
            raise Transient(Code.THROTTLED, "slow down")

    service.store.fail = fail
    assert service.deliver(event, job("good")) == [0]
    assert service.record("x").status is Status.RETRYING
    assert service.error("x") == Code.THROTTLED
    assert service.record("good").status is Status.SUCCEEDED
    (_, first) = service.queue.delays[-1]
    assert service.deliver(event, receive_count=2) == [0]
    assert service.queue.delays[-1][1] > first
    service.store.fail = None
    assert service.deliver(event, receive_count=3) == []
    assert service.record("x").status is Status.SUCCEEDED
    assert service.record("x").attempts == 3


def test_an_object_that_ends_early_is_read_again(service: MemoryService) -> None:
    matrix = np.random.default_rng(1).standard_normal((70, 70))
    event = service.drop("x.npy", matrix)
    (stored,) = service.store._versions["s3://inputs/x.npy"]
    assert stored
    whole = service.store.open

    @contextmanager
    def cut_short(reference: Any) -> Iterator[Any]:
        with whole(reference) as blob:
            blob._stream = io.BytesIO(stored.data[:5000])
            yield blob

    service.store.open = cut_short  # type: ignore[method-assign]
    assert service.deliver(event) == [0]
    assert service.error("x") == Code.STORAGE
    service.store.open = whole  # type: ignore[method-assign]
    assert service.deliver(event, receive_count=2) == []
    assert np.allclose(service.stored("x") @ matrix, np.eye(70))


def test_last_receive_says_failed_and_still_returns_the_message(service: MemoryService) -> None:
    event = service.drop("x.npy", np.eye(70))

    def fail(operation: str) -> None:
        if operation == "put_result:before":
            raise Transient(Code.STORAGE, "500")

    service.store.fail = fail
    assert service.deliver(event, receive_count=service.queue.max_receive_count()) == [0]
    record = service.record("x")
    assert record.status is Status.FAILED
    assert record.error is not None
    assert record.error.retryable
    service.store.fail = None
    assert service.deliver(event) == []
    assert service.record("x").status is Status.SUCCEEDED


def test_unreadable_table_returns_everything_and_touches_nothing(service: MemoryService) -> None:
    def fail(operation: str) -> None:
        raise Transient(Code.THROTTLED, operation)

    service.table.fail = fail
    assert service.deliver(job("a"), job("b", SINGULAR)) == [0, 1]
    assert service.queue.dead == []
    service.table.fail = None
    assert service.table.get(["a", "b"]) == {}


def test_bug_in_one_job_is_returned_and_its_neighbours_succeed(
    service: MemoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = invert.draft

    def broken(app: Any, task: Any, inverses: Any) -> Any:
        if task.job_id == "bug":
            raise ZeroDivisionError
        return real(app, task, inverses)

    monkeypatch.setattr(invert, "draft", broken)
    assert service.deliver(job("a"), job("bug"), job("b")) == [1]
    assert service.error("bug") == Code.INTERNAL
    assert service.record("a").status is service.record("b").status is Status.SUCCEEDED
    assert service.report is not None
    bug = next(o for o in service.report.outcomes if o.delivery.job_id == "bug")
    assert isinstance(bug.exception, ZeroDivisionError)


def test_matrix_that_elimination_cannot_invert_is_read_again_and_inverted_at_once(
    service: MemoryService,
) -> None:
    n = 100  # near Wilkinson's example: the pivots grow as 2**n, the condition number as n
    a = np.tril(-(1 - 1e-3 * np.random.default_rng(0).random((n, n))), -1) + np.eye(n)
    a[:, -1] = 1
    a = np.asfortranarray(a @ np.diag(1 + 0.3 * np.random.default_rng(1).random(n)))
    event = service.drop("wilkinson.npy", a)
    assert service.deliver(event) == []
    assert np.allclose(service.stored("wilkinson") @ a, np.eye(n))
