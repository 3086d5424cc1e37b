"""The twins keep the contracts, count their calls and fail on demand."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

import pytest

from matinv.backends.memory import (
    MemoryEvents,
    MemoryMonitor,
    MemoryQueue,
    MemoryStore,
    MemoryTable,
)
from matinv.errors import Code, Transient
from matinv.ports.monitor import Alarm, Depth, Figures, Queue, State
from matinv.testing.contracts import (
    JobEventsContract,
    JobQueueContract,
    JobTableContract,
    MatrixStoreContract,
    MonitorContract,
    delivery,
    letter,
    record,
)
from matinv.testing.contracts.monitor import DO, RUNBOOK, WHY


class TestMemoryStore(MatrixStoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore("inputs", "results")

    def test_a_wrong_hash_is_not_stored(self, store: MemoryStore) -> None:
        with pytest.raises(Transient, match="STORAGE"):
            store.put_result("j/1.npy", [b"1"], "0" * 64, {})
        assert store.uris() == []

    def test_a_connection_breaks_on_demand(self, store: MemoryStore) -> None:
        reference = store.upload("a.npy", [b"1"], {})
        store.fail = failing("read:before")
        with store.open(reference) as blob, pytest.raises(Transient):
            blob.read(1)


class TestMemoryTable(JobTableContract):
    @pytest.fixture
    def table(self) -> MemoryTable:
        return MemoryTable()

    @pytest.mark.parametrize(("moment", "written"), [("put:before", 0), ("put:after", 1)])
    def test_a_fault_comes_before_or_after_its_effect(
        self, table: MemoryTable, moment: str, written: int
    ) -> None:
        table.fail = failing(moment)
        with pytest.raises(Transient):
            table.put([record("a")])
        assert len(table.records) == written
        assert table.calls["put"] == 1

    def test_another_worker_may_be_faster(self, table: MemoryTable) -> None:
        def write_first(moment: str) -> None:
            table.fail = None
            table.put([replace(record("a"), attempts=7)])

        table.fail = write_first
        assert table.put([record("a")]) == [False]
        assert table.records["a"].attempts == 7


class TestMemoryQueue(JobQueueContract):
    @pytest.fixture
    def queue(self) -> MemoryQueue:
        return MemoryQueue(large_lane=True, max_receive_count=5)

    @pytest.fixture
    def laneless(self) -> MemoryQueue:
        return MemoryQueue()

    def sent(self, queue: MemoryQueue) -> list[str]:
        return queue.sent

    def forwarded(self, queue: MemoryQueue) -> list[str]:
        return [one.body for one in queue.forwarded]

    def test_faults_of_bury_and_forward_are_answers(self, queue: MemoryQueue) -> None:
        queue.fail = failing("bury:after", "forward:before", "delay:before")
        assert queue.bury([letter(1)]) == [False]
        assert len(queue.dead) == 1
        assert queue.forward([delivery(1)]) == [False]
        queue.delay([delivery(1)], [5])
        assert (queue.forwarded, queue.delays) == ([], [])

    def test_single_letters_fail_on_demand(self, queue: MemoryQueue) -> None:
        queue.unsendable = {"j2"}
        assert queue.bury([letter(1), letter(2)]) == [True, False]
        assert queue.forward([delivery(1), delivery(2)]) == [True, False]

    def test_what_sqs_gives_up_has_no_reason(self, queue: MemoryQueue) -> None:
        queue.give_up("body")
        (found,) = queue.receive_dead(1, 60)
        assert (found.body, found.attributes) == ("body", {})

    def test_without_a_policy_there_is_no_last_receive(self) -> None:
        assert MemoryQueue(max_receive_count=None).max_receive_count() == sys.maxsize


class TestMemoryEvents(JobEventsContract):
    @pytest.fixture
    def events(self) -> MemoryEvents:
        return MemoryEvents()

    def received(self, events: MemoryEvents) -> dict[str, tuple[dict[str, str], dict[str, Any]]]:
        return {e.job_id: (dict(e.attributes), json.loads(e.body)) for e in events.published}

    @pytest.mark.parametrize(("moment", "published"), [("publish:before", 0), ("publish:after", 1)])
    def test_a_fault_is_an_answer(self, events: MemoryEvents, moment: str, published: int) -> None:
        events.fail = failing(moment)
        assert events.publish([record("a")]) == [False]
        assert len(events.published) == published


class TestMemoryMonitor(MonitorContract):
    @pytest.fixture
    def monitor(self) -> MemoryMonitor:
        monitor = MemoryMonitor()
        monitor.depths[Queue.LARGE] = Depth()
        return monitor

    @pytest.fixture
    def laneless(self) -> MemoryMonitor:
        return MemoryMonitor()

    def fill(self, monitor: MemoryMonitor, queue: Queue, depth: Depth) -> None:
        monitor.depths[queue] = depth

    def ring(self, monitor: MemoryMonitor, name: str, state: State, *, pages: bool = False) -> None:
        since = "2026-11-21T03:00:01.500Z"
        monitor.rings.append(Alarm(name, state, since, WHY, DO, RUNBOOK, pages=pages))

    def count(
        self, monitor: MemoryMonitor, *, acknowledged: int, duplicates: int, age_s: float
    ) -> None:
        monitor.counted = Figures({Queue.STANDARD: age_s}, acknowledged, duplicates)


def failing(*moments: str):
    def fail(moment: str) -> None:
        if moment in moments:
            raise Transient(Code.STORAGE, moment)

    return fail
