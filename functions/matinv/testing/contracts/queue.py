"""The rules for every `JobQueue`."""
# ruff: noqa: D102 - a test's name is its sentence

from __future__ import annotations

from typing import Any, Final

import pytest

from matinv.errors import Code, Refused
from matinv.jobs.lanes import Lane
from matinv.jobs.request import Delivery
from matinv.ports import ClientQueue, DeadLetter, JobQueue

MESSAGE_BYTES: Final = 256 * 1024


def delivery(number: int, body: str | None = None) -> Delivery:
    """Return a delivery with a body of its own."""
    text = f'{{"job_id": "j{number}"}}' if body is None else body
    error = Refused(Code.BAD_MESSAGE, "for tests")
    return Delivery(f"m{number}", f"r{number}", text, 1, 0, f"j{number}", error)


def letter(number: int, body: str | None = None, message: str = "no good") -> DeadLetter:
    """Return a dead letter of `delivery`."""
    return DeadLetter(delivery(number, body), "BAD_FORMAT", message, "message")


class ClientQueueContract:
    """`matinv.ports.ClientQueue`."""

    @pytest.fixture
    def queue(self) -> Any:
        """Return an empty queue."""
        raise NotImplementedError

    def sent(self, queue: Any) -> list[str]:
        """Return the bodies on the jobs queue."""
        raise NotImplementedError

    def test_a_queue_that_is_there_passes_its_check(self, queue: ClientQueue) -> None:
        queue.check()

    def test_messages_are_sent(self, queue: ClientQueue) -> None:
        queue.send('{"matrix": [[1]], "tags": {"é": "逆"}}')
        assert self.sent(queue) == ['{"matrix": [[1]], "tags": {"é": "逆"}}']

    def test_many_messages_are_sent_and_each_is_answered_for(self, queue: ClientQueue) -> None:
        bodies = [f'{{"matrix": [[{number}]]}}' for number in range(1, 24)]
        assert queue.send_all(bodies) == [None] * 23
        assert sorted(self.sent(queue)) == sorted(bodies)
        assert queue.send_all([]) == []


class JobQueueContract(ClientQueueContract):
    """`matinv.ports.JobQueue` with five receives, and 256 KiB per message."""

    @pytest.fixture
    def lane(self) -> Lane:
        """Return a lane with a queue that is there and empty."""
        raise NotImplementedError

    def forwarded(self, queue: JobQueue, lane: Lane) -> list[str]:
        """Return the bodies on a lane's queue."""
        raise NotImplementedError

    def test_a_dead_letter_says_why(self, queue: JobQueue) -> None:
        assert queue.dead_letter([letter(1, "the body é 逆")]) == [True]
        (found,) = queue.receive_dead(10, 60)
        assert found.body == "the body é 逆"
        assert found.receive_count == 1
        why = {"error_code": "BAD_FORMAT", "error_message": "no good"}
        assert found.attributes.items() >= (why | {"job_id": "j1", "source": "message"}).items()

    def test_a_letter_is_dated_by_the_clock_of_the_queue(self, queue: JobQueue) -> None:
        queue.dead_letter([letter(1)])
        (found,) = queue.receive_dead(10, 60)
        assert 0 <= found.received_at_ms - found.sent_at_ms < 60_000

    def test_many_letters_are_sent(self, queue: JobQueue) -> None:
        assert queue.dead_letter([]) == []
        assert queue.dead_letter([letter(n) for n in range(25)]) == [True] * 25
        bodies = [message.body for message in queue.receive_dead(100, 60)]
        assert sorted(bodies) == sorted(letter(n).delivery.body for n in range(25))

    @pytest.mark.parametrize("body", ["a\x00b\x1f", "￾", "lone \ud800", ""])
    def test_an_odd_body_is_sent_or_stays(self, queue: JobQueue, body: str) -> None:
        assert queue.dead_letter([letter(1), letter(2, body), letter(3)])[::2] == [True, True]

    def test_an_odd_reason_is_made_fit(self, queue: JobQueue) -> None:
        odd = [letter(1, message="\x00\x1b[31m\ud800￿\n"), letter(2, message="m" * 5000)]
        assert queue.dead_letter([*odd, letter(3, message="")]) == [True] * 3
        found = {m.attributes["job_id"]: m.attributes for m in queue.receive_dead(10, 60)}
        assert found["j1"]["error_message"].isprintable()
        assert 300 <= len(found["j2"]["error_message"]) <= 1024
        assert "error_message" not in found["j3"]

    def test_a_long_body_keeps_the_code_and_the_id(self, queue: JobQueue) -> None:
        body = "b" * (MESSAGE_BYTES - 60)
        assert queue.dead_letter([letter(1), letter(2, body), letter(3)]) == [True] * 3
        found = {m.attributes["job_id"]: m for m in queue.receive_dead(10, 60)}
        assert found["j2"].body == body
        assert found["j2"].attributes.items() >= {"error_code": "BAD_FORMAT"}.items()
        assert "error_message" not in found["j2"].attributes
        assert "error_message" in found["j3"].attributes

    def test_a_body_that_leaves_no_room_is_not_sent(self, queue: JobQueue) -> None:
        too_long = letter(2, "b" * (MESSAGE_BYTES - 3))
        assert queue.dead_letter([letter(1), too_long, letter(3)]) == [True, False, True]

    def test_letters_of_many_bytes_are_spread_over_calls(self, queue: JobQueue) -> None:
        assert queue.dead_letter([letter(n, str(n) * 100_000) for n in range(9)]) == [True] * 9
        assert len(queue.receive_dead(100, 60)) == 9

    def test_a_letter_in_flight_is_received_by_nobody_else(self, queue: JobQueue) -> None:
        queue.dead_letter([letter(n) for n in range(3)])
        taken = queue.receive_dead(2, 60)
        assert len(taken) == 2
        (last,) = queue.receive_dead(10, 60)
        assert last.message_id not in {message.message_id for message in taken}
        assert queue.receive_dead(10, 60) == []
        assert queue.receive_dead(0, 60) == []

    def test_released_letters_come_again(self, queue: JobQueue) -> None:
        queue.dead_letter([letter(n) for n in range(12)])
        taken = queue.receive_dead(12, 60)
        queue.release_dead(taken)
        again = queue.receive_dead(100, 60)
        assert {m.message_id for m in again} == {m.message_id for m in taken}
        assert {m.receive_count for m in again} == {2}

    def test_deleted_letters_do_not(self, queue: JobQueue) -> None:
        queue.dead_letter([letter(n) for n in range(12)])
        taken = queue.receive_dead(12, 60)
        queue.delete_dead(taken[1:])
        queue.release_dead(taken[:1])
        assert [m.message_id for m in queue.receive_dead(100, 60)] == [taken[0].message_id]
        queue.delete_dead([])
        queue.release_dead([])

    def test_deliveries_are_forwarded_as_they_are(self, queue: JobQueue, lane: Lane) -> None:
        assert queue.forward(lane, []) == []
        assert queue.forward(lane, [delivery(n) for n in range(12)]) == [True] * 12
        assert sorted(self.forwarded(queue, lane)) == sorted(delivery(n).body for n in range(12))
        assert self.sent(queue) == []

    def test_a_delay_never_fails(self, queue: JobQueue) -> None:
        queue.delay([], [])
        queue.delay([delivery(1), delivery(2)], [0, 43_200])

    def test_of_a_queue_that_nobody_has_received_from_nothing_is_in_flight(
        self, queue: JobQueue
    ) -> None:
        queue.send("{}")
        assert queue.in_flight() == 0

    def test_the_redrive_policy_is_known(self, queue: JobQueue) -> None:
        assert queue.max_receive_count() == 5
        assert queue.max_receive_count() == 5
