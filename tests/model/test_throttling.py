"""A table that throttles: the first large batch on a new stack, and one item in ten for ever."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from matinv.backends.aws.dynamodb import DynamoDBTable
from matinv.backends.aws.event_source import Polling
from matinv.backends.memory import MemoryTable
from matinv.errors import Code, Transient
from matinv.jobs.ids import matrix_digest
from matinv.jobs.record import Record, Status
from support.simulated_dynamodb import SimulatedDynamoDB, TokenBucket
from support.simulated_sqs import VirtualClock
from support.simulator import Simulator

from .witness import Witness

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


@pytest.mark.parametrize(
    ("admits", "jobs"),
    [pytest.param(a_new_table, 3000, marks=pytest.mark.deep), (one_in_ten, 1000)],  # 5 s
)
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


class PartlyWritten(MemoryTable):
    """Writes some records of a call and throttles the others, as a table does that is short."""

    def __init__(self, share: float, simulator: Simulator) -> None:
        super().__init__()
        self._lots = random.Random(3)
        self._share = share
        self._simulator = simulator
        self.throttled = 0

    def put(self, records: Sequence[Record]) -> list[bool]:
        """Write each record alone; raise if one of them was throttled."""
        through = [self._lots.random() >= self._share for _ in records]
        admitted = [record for record, ok in zip(records, through, strict=True) if ok]
        written = [super(PartlyWritten, self).put([record])[0] for record in admitted]
        if not all(through):
            self.throttled += through.count(False)
            self._simulator._frames[-1].faults.append("put:throttled")
            raise Transient(Code.THROTTLED, "some records were put off", "try again later")
        return written


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3])
def test_no_promise_is_broken_where_some_records_of_a_batch_are_throttled(share: float) -> None:
    """Good, bad and repeated jobs, by a witness that looks at every write."""
    simulator = Simulator(polling=Polling(batch_size=10), visibility_s=90)
    simulator.jobs.max_receives = RECEIVES
    table = PartlyWritten(share, simulator)
    table.fail = simulator.service.table.fail
    simulator.service.table = table
    simulator.app = replace(simulator.app, table=table)
    witness = Witness(simulator)
    for n in range(60):
        matrix = [[0.0]] if n % 7 == 0 else [[2.0, float(n)], [0.0, 1.0]]
        witness.matrices[f"sha256:{matrix_digest(np.array(matrix))}"] = matrix
        for _ in range(2 if n % 5 == 0 else 1):
            simulator.send({"job_id": f"j{n}", "matrix": matrix})
    while simulator.jobs.messages:
        simulator.step()
        simulator.clock.sleep(60)
    assert table.throttled > 0
    witness.conclude()
    good = [table.records[f"j{n}"].status for n in range(60) if n % 7]
    assert set(good) == {Status.SUCCEEDED}
    assert max(m.receive_count for m in simulator.jobs.history) < RECEIVES
