"""Which messages are isolated, and what becomes of those that end their child."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from matinv import isolation, pipeline
from matinv.errors import Code, Misconfigured, Refused, Transient
from matinv.isolation import Died
from matinv.jobs import intake
from matinv.testing.events import s3_notification, sqs_event
from support.memory_service import INPUTS, MemoryService

CRASHED = Refused(Code.WORKER_CRASHED, "it crashed")
GOOD = [[1, 2], [3, 4]]


@dataclass
class Context:
    remaining_s: float = 60.0
    aws_request_id: str = "request"
    memory_limit_in_mb: int | str = 1769

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * self.remaining_s)


@dataclass
class FakeChild:
    """Does messages in this process; jobs that are poison end it."""

    hospital: Hospital

    def attempt(self, record: intake.Record, deadline: pipeline.Deadline) -> bool:
        self.hospital.deadlines.append(deadline)
        acknowledge = True
        for number, delivery in enumerate(intake.deliveries({"Records": [record]})):
            self.hospital.seen.append(delivery.job_id)
            if self.hospital.dies_of(delivery.job_id):
                raise Died(self.hospital.error, number)
            self.hospital.before(delivery.job_id)
            report = pipeline.process(self.hospital.service.app, [delivery], deadline)
            if stop := pipeline.stop_of(report.outcomes):
                raise stop
            acknowledge &= not report.batch_item_failures()["batchItemFailures"]
        return acknowledge

    def stop(self) -> None:
        self.hospital.stopped += 1


@dataclass
class Hospital:
    """A service whose suspects go to fake children."""

    service: MemoryService = field(default_factory=MemoryService)
    context: Context = field(default_factory=Context)
    poison: set[str] = field(default_factory=set)
    always: bool = False  # poison kills even where there is nothing left to do
    error: Refused | Transient = CRASHED
    before: Callable[[str], object] = lambda job_id: None
    seen: list[str] = field(default_factory=list)
    deadlines: list[pipeline.Deadline] = field(default_factory=list)
    started: int = 0
    stopped: int = 0

    def start(self, context: object) -> FakeChild:
        self.started += 1
        return FakeChild(self)

    def dies_of(self, job_id: str) -> bool:
        return job_id in self.poison and (self.always or job_id not in self.service.table.records)

    def deliver(self, *events_: dict[str, Any]) -> list[str]:
        """Process the records of several events as one batch; return the ids that failed."""
        records = [record for event in events_ for record in event["Records"]]
        for number, record in enumerate(records):
            record["messageId"] = f"m{number}"
        report = isolation.process(self.service.app, {"Records": records}, self.context, self.start)
        failures = report.batch_item_failures()["batchItemFailures"]
        return [failure["itemIdentifier"] for failure in failures]


def jobs(*names: str, count: int = 1) -> dict[str, Any]:
    return sqs_event([{"job_id": name, "matrix": GOOD} for name in names], receive_count=count)


def dead(service: MemoryService) -> dict[str, str]:
    return {letter.delivery.job_id: letter.error_code for letter in service.queue.dead}


def test_messages_at_their_first_receive_need_no_child() -> None:
    hospital = Hospital()
    assert hospital.deliver(jobs("a", "b")) == []
    assert hospital.started == 0
    assert hospital.service.record("b").status == "SUCCEEDED"


def denied(moment: str) -> None:
    raise Misconfigured(Code.ACCESS_DENIED, f"the table is denied: {moment}")


def test_suspects_are_not_begun_after_others_found_that_no_job_can_go_on() -> None:
    hospital = Hospital()
    hospital.service.table.fail = denied
    assert len(hospital.deliver(jobs("old", "older", count=2), jobs("new"))) == 3
    assert hospital.started == 0
    assert sorted(seconds for _, seconds in hospital.service.queue.delays) == [450, 900, 900]


def test_a_suspect_that_finds_that_no_job_can_go_on_stops_the_others() -> None:
    hospital = Hospital()
    hospital.service.table.fail = denied
    assert sorted(hospital.deliver(jobs("a", "b", "c", count=2))) == ["m0", "m1", "m2"]
    assert hospital.seen == ["a"]
    assert [seconds for _, seconds in hospital.service.queue.delays] == [900] * 3
    assert (hospital.started, hospital.stopped) == (1, 1)


def test_suspects_come_after_the_others_in_one_child_that_is_stopped_in_the_end() -> None:
    hospital = Hospital()
    ended_before: list[bool] = []
    hospital.before = lambda _: ended_before.append("new" in hospital.service.table.records)
    assert hospital.deliver(jobs("old", "older", count=2), jobs("new"), jobs("x", count=5)) == []
    assert hospital.seen == ["old", "older", "x"]
    assert all(ended_before)
    assert (hospital.started, hospital.stopped) == (1, 1)


def test_the_one_that_ends_its_child_is_given_up_and_the_rest_go_on_in_another() -> None:
    hospital = Hospital(poison={"b"})
    assert hospital.deliver(jobs("a", "b", "c", count=2)) == []
    assert hospital.service.error("b") == "WORKER_CRASHED"
    assert hospital.service.record("c").status == "SUCCEEDED"
    assert dead(hospital.service) == {"b": "WORKER_CRASHED"}
    assert hospital.started == 2


def test_its_event_is_published() -> None:
    hospital = Hospital(MemoryService(topic=True), poison={"b"})
    assert hospital.deliver(jobs("b", count=2)) == []
    assert [event.job_id for event in hospital.service.events.published] == ["b"]


def test_one_that_ended_meanwhile_is_a_duplicate_and_not_given_up() -> None:
    hospital = Hospital(poison={"a"}, always=True)
    hospital.service.deliver({"job_id": "a", "matrix": GOOD})
    assert hospital.deliver(jobs("a", count=2)) == []
    assert hospital.service.record("a").status == "SUCCEEDED"
    assert dead(hospital.service) == {}


def test_if_the_dead_letter_queue_cannot_be_written_it_comes_back() -> None:
    hospital = Hospital(poison={"b"})
    hospital.service.queue.unsendable.add("b")
    assert hospital.deliver(jobs("a", "b", "c", count=2)) == ["m1"]
    assert hospital.service.record("b").status == "RETRYING"
    assert hospital.service.record("c").status == "SUCCEEDED"


def test_if_the_table_cannot_be_read_it_comes_back() -> None:
    hospital = Hospital(poison={"b"})

    def deny(moment: str) -> None:
        raise Transient(Code.STORAGE, moment)

    hospital.service.table.fail = deny
    assert hospital.deliver(jobs("b", count=2)) == ["m0"]
    assert dead(hospital.service) == {}


def test_one_killed_for_want_of_time_comes_back_and_is_not_given_up() -> None:
    hospital = Hospital(poison={"b"}, error=Transient(Code.DEADLINE, "too slow"))
    assert hospital.deliver(jobs("a", "b", "c", count=2)) == ["m1"]
    assert dead(hospital.service) == {}
    assert hospital.service.record("c").status == "SUCCEEDED"


def several(hospital: Hospital, *names: str) -> dict[str, Any]:
    for name in names:
        hospital.service.drop(f"{name}.json", b"[[2]]")
    keys = [f"{name}.json" for name in names]
    notification = s3_notification(INPUTS, *keys, version_id=None, etag=None)
    return sqs_event([notification], receive_count=2)


def test_of_several_jobs_in_a_message_only_the_culprits_are_given_up() -> None:
    hospital = Hospital(poison={"b", "d"})
    assert hospital.deliver(several(hospital, "a", "b", "c", "d", "e")) == []
    assert dead(hospital.service) == {"b": "WORKER_CRASHED", "d": "WORKER_CRASHED"}
    statuses = [hospital.service.record(name).status for name in "abcde"]
    assert statuses == ["SUCCEEDED", "FAILED", "SUCCEEDED", "FAILED", "SUCCEEDED"]


def test_a_job_that_ends_its_child_twice_sends_its_message_back_with_the_rest() -> None:
    hospital = Hospital(poison={"a"}, always=True)
    assert hospital.deliver(several(hospital, "a", "b")) == ["m0"]
    assert "b" not in hospital.service.table.records


def test_a_body_that_ends_its_child_is_given_up_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    hospital = Hospital()

    def die(self: FakeChild, record: intake.Record, deadline: pipeline.Deadline) -> bool:
        raise Died(CRASHED, None)

    def explode(event: Any) -> Any:
        assert not event["Records"], "the worker read what had ended the child"
        return []

    monkeypatch.setattr(FakeChild, "attempt", die)
    monkeypatch.setattr(intake, "deliveries", explode)
    event = jobs("a", count=2)
    assert hospital.deliver(event) == []
    ((job_id, code),) = dead(hospital.service).items()
    assert code == "WORKER_CRASHED"
    assert hospital.service.error(job_id) == "WORKER_CRASHED"
    assert json.loads(hospital.service.queue.dead[0].delivery.body)["job_id"] == "a"


def test_without_time_suspects_are_handed_back_unread() -> None:
    hospital = Hospital(context=Context(remaining_s=4.0))
    assert hospital.deliver(jobs("a", "b", count=2)) == ["m0", "m1"]
    assert hospital.started == 0
    assert [seconds for _, seconds in hospital.service.queue.delays] == [0, 0]


def test_a_suspect_has_half_of_the_time_and_the_last_one_all_of_it() -> None:
    hospital = Hospital(context=Context(remaining_s=42.0))
    hospital.deliver(jobs("a", "b", count=2))
    assert [deadline.remaining_s() for deadline in hospital.deadlines] == [20.0, 40.0]
    assert {deadline.total_s for deadline in hospital.deadlines} == {38.0}


def test_if_no_child_comes_up_suspects_come_back_and_the_others_are_done() -> None:
    hospital = Hospital()

    def fail(context: object) -> FakeChild:
        raise Transient(Code.INTERNAL, "no memory for a process")

    hospital.start = fail  # type: ignore[method-assign]
    assert hospital.deliver(jobs("new"), jobs("a", "b", count=2)) == ["m1", "m2"]
    assert hospital.service.record("new").status == "SUCCEEDED"
    assert all(seconds > 0 for _, seconds in hospital.service.queue.delays)


def test_what_the_child_does_not_acknowledge_comes_back() -> None:
    hospital = Hospital()

    def deny(moment: str) -> None:
        raise Transient(Code.THROTTLED, moment)

    hospital.service.table.fail = deny
    assert hospital.deliver(jobs("a", "b", count=2)) == ["m0", "m1"]


def test_an_event_that_is_not_from_sqs_raises() -> None:
    hospital = Hospital()
    with pytest.raises(ValueError, match="not an event from SQS"):
        isolation.process(hospital.service.app, {"Records": [{}]}, hospital.context, hospital.start)
