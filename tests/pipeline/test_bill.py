"""What a job cost: its share of the time that Lambda charges for, by its own measured time."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from matinv.errors import Code, Transient
from matinv.jobs.intake import deliveries
from matinv.jobs.record import JobCost, Status
from matinv.pipeline import Deadline, process
from matinv.pipeline.bill import Bill
from matinv.pipeline.task import Task, task_of
from matinv.testing.events import sqs_event
from support.bodies import GOOD, SINGULAR, job
from support.memory_service import MemoryService

LAMBDA_USD = 1769 / 1024 * 0.0000133334  # of a second of the standard lane


def task(service: MemoryService, **timings_ms: float) -> Task:
    (delivery,) = deliveries(sqs_event([json.dumps(job("a"))]))
    made = task_of(service.app, delivery, None)
    made.timings_ms = timings_ms
    return made


def passing(*left_s: float) -> Deadline:
    """Return a deadline that says how much time is left each time it is asked."""
    answers = iter(left_s)
    return Deadline(lambda: next(answers), 60.0)


def test_time_is_shared_by_what_was_measured_and_not_by_equal_parts(
    service: MemoryService,
) -> None:
    small = task(service, queued_ms=9e6, invert_ms=1.0)
    large = task(service, queued_ms=0.0, load_ms=2.0, invert_ms=4.0, publish_ms=1.0)
    last = task(service, invert_ms=5.0)
    bill = Bill(passing(50.0, 49.2, 49.0), jobs=3)
    bill.charge([small, large])
    bill.charge([last])
    assert [t.billed_s for t in (small, large, last)] == pytest.approx([0.1, 0.7, 0.2])
    assert {t.shared_by for t in (small, large, last)} == {3}


def test_jobs_of_which_nothing_was_measured_share_alike(service: MemoryService) -> None:
    both = [task(service), task(service)]
    bill = Bill(passing(50.0, 49.0), jobs=2)
    bill.charge([])
    bill.charge(both)
    assert [t.billed_s for t in both] == pytest.approx([0.5, 0.5])


def test_the_jobs_of_a_batch_cost_no_more_than_the_batch(service: MemoryService) -> None:
    """Each look at the clock is 10 ms later than the one before."""
    left = iter(60.0 - 0.01 * step for step in range(10_000))
    asked: list[float] = []

    def remaining_s() -> float:
        asked.append(next(left))
        return asked[-1]

    service.deliver(job("done"))
    files = [service.drop(f"f{n}.npy", np.eye(40 * n + 2)) for n in range(3)]
    bodies = [*map(json.dumps, files), *(json.dumps(job(f"m{n}")) for n in range(5))]
    event = sqs_event([*bodies, json.dumps(job("bad", SINGULAR)), json.dumps(job("done"))])
    process(service.app, deliveries(event), Deadline(remaining_s, 60.0))
    costs = {r.job_id: r.cost for r in service.table.records.values() if r.job_id != "done"}
    assert len(costs) == 9
    gb_s = sum(cost.gb_s for cost in costs.values() if cost)
    passed_gb_s = (asked[0] - asked[-1]) * 1769 / 1024
    assert 0.3 * passed_gb_s < gb_s <= passed_gb_s
    assert all(cost and cost.usd > cost.gb_s * 0.0000133334 for cost in costs.values())


def test_a_record_says_each_dollar_of_its_message(service: MemoryService) -> None:
    service.client.submit(np.array(GOOD, float), job_id="a")
    event = sqs_event(service.queue.sent)
    process(service.app, deliveries(event), passing(50.0, 50.0, *[49.0] * 50))
    cost = service.record("a").cost
    assert cost
    assert cost.gb_s == pytest.approx(1769 / 1024, abs=1e-9)
    # A call of Lambda; sent, received, deleted; five write and four read units.
    calls = 0.2e-6 + 3 * 0.4e-6 + 5 * 0.625e-6 + 4 * 0.125e-6
    assert cost.usd == pytest.approx(LAMBDA_USD + calls, abs=1e-11)


def test_what_attempts_cost_that_failed_is_added(service: MemoryService) -> None:
    def fail(operation: str) -> None:
        if operation == "put_result:before":
            raise Transient(Code.STORAGE, "out of order")

    event = service.drop("a.npy", np.random.default_rng(0).normal(size=(70, 70)))
    batch = deliveries(sqs_event([json.dumps(event)]))
    service.store.fail = fail
    process(service.app, batch, passing(50.0, *[49.0] * 50))
    service.store.fail = None
    first = service.record("a")
    assert first.status is Status.RETRYING
    process(service.app, batch, passing(50.0, *[47.5] * 50))
    second = service.record("a")
    assert second.status is Status.SUCCEEDED
    assert first.cost
    assert second.cost
    assert first.cost.gb_s == pytest.approx(1769 / 1024, abs=1e-8)
    assert second.cost.gb_s == pytest.approx(3.5 * 1769 / 1024, abs=1e-8)


def test_another_question_under_an_id_begins_at_nothing(service: MemoryService) -> None:
    service.deliver(job("a", SINGULAR))
    spent = replace(service.record("a"), cost=JobCost(100.0, 1.0))
    service.table.records["a"] = spent
    service.deliver(job("a", GOOD))
    cost = service.record("a").cost
    assert cost
    assert cost.gb_s == 0.0
    assert cost.usd < 1e-4
