"""SQS: faults on the way to it, how often it is called, and what delays do."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest

from matinv.backends.aws.sqs import SQSQueue
from matinv.errors import Transient
from matinv.jobs.lanes import large
from matinv.testing.contracts import delivery, letter
from support.faults import Faults, broken_off, lost_request, refusal, success

SERVICE = "sqs"


@pytest.fixture
def queue(client: Any, queue_urls: tuple[str, str, str], faults: Faults) -> SQSQueue:
    return SQSQueue(client, *queue_urls[:2])


DENIED = refusal(403, "AccessDenied")


def failed(*entries: tuple[int, bool], sent: tuple[int, ...] = ()) -> Any:
    return success(
        Successful=[{"Id": str(i), "MessageId": "m", "MD5OfMessageBody": ""} for i in sent],
        Failed=[{"Id": str(i), "SenderFault": fault, "Code": "X"} for i, fault in entries],
    )


class TestBury:
    def test_ten_letters_take_one_call(self, queue: SQSQueue, faults: Faults) -> None:
        assert queue.dead_letter([letter(n) for n in range(10)]) == [True] * 10
        assert faults.calls == {"SendMessageBatch": 1}

    @pytest.mark.parametrize("fault", [DENIED, refusal(500, "InternalError"), lost_request])
    def test_a_fault_that_stays_is_an_answer(
        self, queue: SQSQueue, faults: Faults, fault: Any
    ) -> None:
        faults.script.extend([fault] * 50)
        assert queue.dead_letter([letter(1), letter(2)]) == [False, False]
        assert queue.forward(large("https://sqs/large"), [delivery(1)]) == [False]

    def test_a_call_that_fails_does_not_keep_the_others(
        self, queue: SQSQueue, faults: Faults, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("matinv.backends.aws.sqs._WAIT_S", 0)
        faults.script.append(DENIED)
        copied = queue.dead_letter([letter(n) for n in range(25)])
        assert sum(copied) in {15, 20}
        assert len(queue.receive_dead(100, 60)) == sum(copied)

    def test_entries_that_fail_are_sent_again(self, queue: SQSQueue, faults: Faults) -> None:
        faults.script.append(failed((0, False), (2, True), sent=(1,)))
        assert queue.dead_letter([letter(n) for n in range(3)]) == [True] * 3
        found = {m.attributes["job_id"]: m.attributes for m in queue.receive_dead(10, 60)}
        assert found.keys() == {"j0", "j2"}  # the first call only said that it sent j1
        assert "error_message" in found["j0"]
        assert "error_message" not in found["j2"]  # SQS refused it, perhaps for its length

    def test_entries_that_fail_for_good_are_said_to(self, queue: SQSQueue, faults: Faults) -> None:
        faults.script.extend([failed((0, True), sent=(1,)), failed((0, True)), failed((0, True))])
        assert queue.dead_letter([letter(0), letter(1)]) == [False, True]
        assert faults.calls == {"SendMessageBatch": 3}


class TestSend:
    def test_ten_messages_take_one_call_as_far_as_they_fit(
        self, queue: SQSQueue, faults: Faults
    ) -> None:
        assert queue.send_all(["x"] * 95) == [None] * 95
        assert faults.calls == {"SendMessageBatch": 10}
        assert queue.send_all(["x" * 200_000] * 3) == [None] * 3
        assert faults.calls == {"SendMessageBatch": 13}

    def test_what_sqs_does_not_take_for_a_moment_is_sent_again(
        self, queue: SQSQueue, faults: Faults
    ) -> None:
        faults.script.append(failed((0, False), (2, False), sent=(1,)))
        assert queue.send_all(["a", "b", "c"]) == [None] * 3
        assert faults.calls == {"SendMessageBatch": 2}

    def test_a_message_that_is_refused_says_so_and_hinders_no_other(
        self, queue: SQSQueue, faults: Faults
    ) -> None:
        faults.script.append(failed((1, True), sent=(0, 2)))
        first, refused, last = queue.send_all(["a", "b", "c"])
        assert (first, last) == (None, None)
        assert refused is not None
        assert "X" in str(refused)
        assert faults.calls == {"SendMessageBatch": 1}

    def test_a_call_that_fails_is_an_answer_for_its_messages_alone(
        self, queue: SQSQueue, faults: Faults
    ) -> None:
        faults.script.append(DENIED)
        errors = queue.send_all(["a"] * 25)
        assert errors.count(None) in {15, 20}
        assert {error.code for error in errors if error} == {"ACCESS_DENIED"}


class TestDelay:
    def test_a_message_comes_back_after_its_delay(
        self, queue: SQSQueue, client: Any, queue_urls: tuple[str, str, str]
    ) -> None:
        queue.send("a")
        queue.send("b")
        received = self.receive(client, queue_urls[0], count=2)
        deliveries = [
            replace(delivery(n), receipt=m["ReceiptHandle"]) for n, m in enumerate(received)
        ]
        queue.delay(deliveries, [0, 900])
        (back,) = self.receive(client, queue_urls[0], count=1)
        assert back["Body"] == received[0]["Body"]
        assert self.receive(client, queue_urls[0], count=0) == []

    def test_a_message_that_is_several_waits_for_the_longest(
        self, queue: SQSQueue, client: Any, faults: Faults
    ) -> None:
        seen: list[Any] = []
        client.meta.events.register(
            "provide-client-params.sqs.*", lambda params, **_: seen.append(params)
        )
        same = [replace(delivery(n), receipt="same") for n in range(3)]
        queue.delay([*same, delivery(9)], [0, 99_999, 5, -1])
        (params,) = seen
        delays = {e["ReceiptHandle"]: e["VisibilityTimeout"] for e in params["Entries"]}
        assert delays == {"same": 43_200, "r9": 0}

    def test_delays_take_ten_to_a_call_and_never_fail(
        self, queue: SQSQueue, faults: Faults
    ) -> None:
        faults.script.extend([success(Successful=[], Failed=[]), DENIED, DENIED])
        queue.delay([delivery(n) for n in range(25)], range(25))
        assert faults.calls == {"ChangeMessageVisibilityBatch": 3}

    def receive(self, client: Any, url: str, count: int) -> list[Any]:
        found: list[Any] = []
        while messages := client.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1 if len(found) < count else 0
        ).get("Messages"):
            found += messages
        return sorted(found, key=lambda message: message["Body"])


class TestInFlight:
    def test_it_counts_what_was_received_and_not_deleted(
        self, queue: SQSQueue, client: Any, queue_urls: tuple[str, str, str]
    ) -> None:
        queue.send_all(["{}"] * 5)
        client.receive_message(QueueUrl=queue_urls[0], MaxNumberOfMessages=2)
        assert queue.in_flight() == 2

    def test_a_queue_that_does_not_say_has_none(self, queue: SQSQueue, faults: Faults) -> None:
        faults.script.append(DENIED)
        assert queue.in_flight() == 0


class TestPolicy:
    def test_it_is_asked_for_once(self, queue: SQSQueue, faults: Faults) -> None:
        assert [queue.max_receive_count() for _ in range(3)] == [5, 5, 5]
        assert faults.calls == {"GetQueueAttributes": 1}

    def test_half_an_answer_is_not_a_queue_without_a_policy(
        self, queue: SQSQueue, faults: Faults
    ) -> None:
        faults.script.append(broken_off(reset=False))
        with pytest.raises(Transient, match="STORAGE"):
            queue.max_receive_count()
        assert queue.max_receive_count() == 5

    def test_a_fault_is_not_remembered(self, queue: SQSQueue, faults: Faults) -> None:
        faults.script.append(DENIED)
        with pytest.raises(Transient, match="ACCESS_DENIED"):
            queue.max_receive_count()
        assert queue.max_receive_count() == 5

    def test_without_a_policy_there_is_no_last_receive(
        self, client: Any, queue_urls: tuple[str, str, str]
    ) -> None:
        assert SQSQueue(client, queue_urls[1], queue_urls[1]).max_receive_count() == sys.maxsize


class TestDeadLetters:
    def test_all_servers_of_sqs_are_asked(
        self, queue: SQSQueue, client: Any, faults: Faults
    ) -> None:
        seen: list[Any] = []
        client.meta.events.register(
            "provide-client-params.sqs.ReceiveMessage", lambda params, **_: seen.append(params)
        )
        faults.script.append(success(Messages=[]))
        assert queue.receive_dead(3, 60) == []
        (params,) = seen
        assert params["WaitTimeSeconds"] >= 1  # a short poll asks some of them only
        assert (params["MaxNumberOfMessages"], params["VisibilityTimeout"]) == (3, 60)

    def test_what_sqs_gave_up_is_received_too(
        self, queue: SQSQueue, client: Any, queue_urls: tuple[str, str, str]
    ) -> None:
        client.send_message(QueueUrl=queue_urls[1], MessageBody="as it was")
        (found,) = queue.receive_dead(1, 60)
        assert found.body == "as it was"
        assert found.sent_at_ms > 1_700_000_000_000
        assert "error_code" not in found.attributes

    def test_what_could_not_be_deleted_is_said(self, queue: SQSQueue, faults: Faults) -> None:
        queue.dead_letter([letter(1)])
        taken = queue.receive_dead(1, 60)
        faults.script.append(failed((0, True)))
        with pytest.raises(Transient, match="1 dead letters could not be removed: X"):
            queue.delete_dead(taken)


class TestGroups:
    def test_messages_are_sent_in_their_groups(self, queue: SQSQueue, client: Any) -> None:
        queue.send('{"n": 1}', "fem")
        assert queue.send_all(['{"n": 2}', '{"n": 3}'], ["dft", ""]) == [None, None]
        url = queue._jobs_queue_url
        answer = client.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
        )
        groups = {m["Body"]: m["Attributes"].get("MessageGroupId") for m in answer["Messages"]}
        assert groups == {'{"n": 1}': "fem", '{"n": 2}': "dft", '{"n": 3}': None}
