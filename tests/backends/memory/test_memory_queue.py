"""The in-memory queue keeps the contract of its port, and fails on demand."""

from __future__ import annotations

import sys

import pytest

from matinv.backends.memory import (
    MemoryQueue,
)
from matinv.errors import Code, Transient
from matinv.jobs.lanes import Lane, large
from matinv.testing.contracts import (
    JobQueueContract,
    delivery,
    letter,
)


class TestMemoryQueue(JobQueueContract):
    @pytest.fixture
    def queue(self) -> MemoryQueue:
        return MemoryQueue(max_receive_count=5)

    @pytest.fixture
    def lane(self) -> Lane:
        return large("large")

    def sent(self, queue: MemoryQueue) -> list[str]:
        return queue.sent

    def forwarded(self, queue: MemoryQueue, lane: Lane) -> list[str]:
        return [one.body for one in queue.forwarded[lane.queue_url]]

    def test_faults_of_dead_letter_and_forward_are_answers(
        self, queue: MemoryQueue, lane: Lane
    ) -> None:
        queue.fail = failing("dead_letter:after", "forward:before", "delay:before")
        assert queue.dead_letter([letter(1)]) == [False]
        assert len(queue.dead) == 1
        assert queue.forward(lane, [delivery(1)]) == [False]
        queue.delay([delivery(1)], [5])
        assert (queue.forwarded, queue.delays) == ({}, [])

    def test_single_letters_fail_on_demand(self, queue: MemoryQueue, lane: Lane) -> None:
        queue.unsendable = {"j2"}
        assert queue.dead_letter([letter(1), letter(2)]) == [True, False]
        assert queue.forward(lane, [delivery(1), delivery(2)]) == [True, False]

    def test_what_sqs_gives_up_has_no_reason(self, queue: MemoryQueue) -> None:
        queue.give_up("body")
        (found,) = queue.receive_dead(1, 60)
        assert (found.body, found.attributes) == ("body", {})

    def test_without_a_policy_there_is_no_last_receive(self) -> None:
        assert MemoryQueue(max_receive_count=None).max_receive_count() == sys.maxsize


def failing(*moments: str):
    def fail(moment: str) -> None:
        if moment in moments:
            raise Transient(Code.STORAGE, moment)

    return fail
