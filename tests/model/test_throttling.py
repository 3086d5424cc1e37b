"""A table that throttles: the first large batch on a new stack, and one item in ten for ever."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from matinv.backends.aws.dynamodb import DynamoDBTable
from matinv.backends.aws.event_source import Polling
from matinv.jobs.record import Status
from support.simulated_dynamodb import SimulatedDynamoDB, TokenBucket
from support.simulated_sqs import VirtualClock
from support.simulator import Simulator

RECEIVES = 10  # as deployed
WORKERS = 50  # as deployed: each waits for its own calls, so that time passes this much slower
CALL_S = 0.010
RETENTION_S = 4 * 86_400

Admits = Callable[[VirtualClock], Callable[[int], bool]]


def a_new_table(clock: VirtualClock) -> Callable[[int], bool]:
    """Return a budget of 4,000 write units a second."""
    return TokenBucket(clock).take


def one_in_ten(clock: VirtualClock) -> Callable[[int], bool]:
    """Return a table that throttles a tenth of all items, whatever comes."""
    lots = random.Random(10)
    return lambda _units: lots.random() >= 0.1


@pytest.mark.parametrize(("admits", "jobs"), [(a_new_table, 3000), (one_in_ten, 1000)])
def test_every_good_job_ends_and_none_uses_up_its_receives(
    admits: Admits, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = Simulator(polling=Polling(batch_size=100, window_s=1.0), visibility_s=721)
    clock = simulator.clock
    simulator.jobs.max_receives = RECEIVES
    dynamodb: Any = SimulatedDynamoDB(clock, CALL_S / WORKERS, admits(clock))
    table = DynamoDBTable(dynamodb, "jobs")
    simulator.app = replace(simulator.app, table=table, jitter=random.Random(0).random)
    pauses = SimpleNamespace(sleep=lambda seconds: clock.sleep(seconds / WORKERS))
    monkeypatch.setattr("matinv.backends.aws.calls.time", pauses)
    # One after the other, so that each run is the same.
    monkeypatch.setattr(
        "matinv.backends.aws.dynamodb.side_by_side", lambda call, items: [call(i) for i in items]
    )
    begin_s = clock.now_s
    for n in range(jobs):
        simulator.send({"job_id": f"j{n}", "matrix": [[2.0, n], [0.0, 1.0]]})
    while simulator.jobs.messages:
        simulator.step()
    assert dynamodb.throttled > jobs / 20
    assert simulator.dead.messages == []
    assert {item["status"]["S"] for item in dynamodb.items.values()} == {Status.SUCCEEDED}
    assert len(dynamodb.items) == jobs
    receives = max(message.receive_count for message in simulator.jobs.history)
    assert receives <= RECEIVES / 2
    assert clock.now_s - begin_s < RETENTION_S / 4
