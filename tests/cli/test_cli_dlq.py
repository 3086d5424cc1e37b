"""`matinv dlq`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import pytest

from matinv.errors import Code, Transient
from matinv.jobs.record import Status
from matinv.linalg.certificate import Checked
from matinv.local.samples import npy_bytes
from matinv.testing.events import s3_notification
from support.memory_service import INPUTS, Cli, MemoryService, general

pytestmark = pytest.mark.way("memory", "an HTTP API shows no dead letters: test_cli_over_http.py")

SINGULAR = [[1.0, 2.0], [2.0, 4.0]]
BODY = '{"job_id": "raw", "matrix": [[1E0, -0.0], [0.1000000000000000055, 1e-320]]}'


def fail(service: MemoryService, matrix: Any = SINGULAR, **options: Any) -> str:
    """Let a job fail for good: its copy is in the dead-letter queue."""
    job = service.client.submit(matrix, **options)
    assert job.wait().status is Status.FAILED
    return job.job_id


def listed(run: Cli, *args: str) -> list[dict[str, Any]]:
    result = run("dlq", "list", "--output", "json", *args)
    assert (result.exit_code, result.stderr) == (0, "")
    return [json.loads(line) for line in result.stdout.splitlines()]


def age(service: MemoryService, message_id: str, seconds: float) -> None:
    """Let a dead letter be so old."""
    letters = service.queue._letters
    sent_at_ms = int((service.now_s - seconds) * 1000)
    letters[message_id] = replace(letters[message_id], sent_at_ms=sent_at_ms)


def test_list_says_what_and_why(run: Cli, service: MemoryService) -> None:
    fail(service, job_id="bad", tags={"team": "fem"})
    (letter,) = listed(run)
    assert letter["job_id"] == "bad"
    assert letter["error_code"] == "SINGULAR"
    assert "singular" in letter["error_message"]
    assert letter["source"] == "message"
    assert letter["redrivable"] is True
    assert letter["tags"] == {"team": "fem"}
    result = run("dlq", "list")
    assert result.stdout.splitlines()[0].split()[:3] == ["JOB", "ID", "CODE"]
    assert "SINGULAR" in result.stdout


def test_list_of_an_empty_queue_is_empty(run: Cli) -> None:
    assert listed(run) == []
    assert run("dlq", "list").exit_code == 0


def test_looking_leaves_every_message_where_it_is(run: Cli, service: MemoryService) -> None:
    for k in range(25):
        fail(service, (k + 1) * np.array(SINGULAR), job_id=f"j{k}")
    assert len(listed(run)) == 25
    assert len(listed(run, "--limit", "3")) == 3
    assert len(listed(run)) == 25
    assert service.queue._in_flight == set()


def test_reason_of_a_message_that_sqs_moved_is_in_the_record(
    run: Cli, service: MemoryService
) -> None:
    service.client.submit(general(2), job_id="crashed")
    record = service.table.records["crashed"]
    info = Transient(Code.STORAGE, "the bucket did not answer").info
    service.table.put(
        [replace(record, status=Status.FAILED, error=info, revision=2, tags={"a": "b"})]
    )
    service.queue.give_up(service.queue.sent.pop())
    (letter,) = listed(run)
    assert (letter["error_code"], letter["job_id"]) == ("STORAGE", "crashed")
    assert letter["tags"] == {"a": "b"}


def test_garbage_is_listed_as_what_it_is(run: Cli, service: MemoryService) -> None:
    service.queue.give_up("hello")
    (letter,) = listed(run)
    assert letter["error_code"] == "BAD_MESSAGE"
    assert letter["redrivable"] is False


def test_redrive_reopens_a_job_that_failed_for_good_with_other_options(
    run: Cli, service: MemoryService
) -> None:
    fail(service, job_id="bad", tags={"team": "fem"})
    options = ("--method", "pinv", "--output-to", "s3", "--format", "json")
    result = run("dlq", "redrive", *options, "--on-ill-conditioned", "warn", "--output", "json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout)["redriven"] == "yes"
    assert json.loads(service.queue.sent[0])["redrive"] == 1
    service.work()
    record = service.table.records["bad"]
    assert (record.status, record.redrive, record.tags) == (Status.SUCCEEDED, 1, {"team": "fem"})
    assert record.result is not None
    assert (record.result.format, record.result.inline) == ("json", None)
    assert listed(run) == []


def test_job_without_an_id_keeps_the_one_it_had_whatever_the_options(
    run: Cli, service: MemoryService
) -> None:
    job_id = fail(service)
    run("dlq", "redrive", "--method", "pinv")
    service.work()
    assert service.table.records[job_id].status is Status.SUCCEEDED
    assert len(service.table.records) == 1


@pytest.mark.parametrize("dropped", [False, True])
def test_redrive_keeps_the_accuracy_that_was_asked_for_unless_told_otherwise(
    run: Cli, service: MemoryService, dropped: bool
) -> None:
    matrix = general(200, dtype=np.float32) if dropped else [[1.0, 2.0], [3.0, 4.0]]
    with mock.patch("matinv.pipeline.invert.invert", side_effect=MemoryError):
        fail(service, matrix, job_id="a", accuracy="verified")
    assert run("dlq", "redrive").exit_code == 0
    assert json.loads(service.queue.sent[0])["accuracy"] == "verified"
    with mock.patch("matinv.pipeline.invert.invert", side_effect=MemoryError):
        service.work()
    assert run("dlq", "redrive", "--accuracy", "standard").exit_code == 0
    service.work()
    record = service.record("a")
    assert (record.status, record.options["accuracy"]) == (Status.SUCCEEDED, "standard")
    assert record.certificate
    assert record.certificate.checked is not Checked.VERIFIED


def test_redrive_counts_on(run: Cli, service: MemoryService) -> None:
    fail(service, job_id="bad")
    for n in (1, 2, 3):
        assert run("dlq", "redrive").exit_code == 0
        assert json.loads(service.queue.sent[0])["redrive"] == n
        service.work()
        assert service.table.records["bad"].redrive == n
        assert len(listed(run)) == 1


def test_numbers_of_a_message_stay_as_they_are_written(run: Cli, service: MemoryService) -> None:
    service.queue.give_up(BODY)
    run("dlq", "redrive")
    assert "[[1E0, -0.0], [0.1000000000000000055, 1e-320]]" in service.queue.sent[0]


def test_message_that_sns_wrapped_is_unwrapped(run: Cli, service: MemoryService) -> None:
    service.queue.give_up(json.dumps({"Type": "Notification", "Message": BODY}))
    run("dlq", "redrive")
    body = json.loads(service.queue.sent[0])
    assert (body["job_id"], body["redrive"]) == ("raw", 1)


@pytest.mark.parametrize("format_", ["npy", "json"])
def test_upload_becomes_a_reference_that_keeps_version_and_options(
    run: Cli, service: MemoryService, format_: str
) -> None:
    content = npy_bytes(np.array(SINGULAR)) if format_ == "npy" else b"[[1, 2], [2, 4]]"
    metadata = {"matinv-on-ill-conditioned": "fail", "matinv-tag-team": "fem"}
    service.store.upload(f"a b.{format_}", [content], metadata)
    service.work()
    (job_id,) = service.table.records
    assert service.table.records[job_id].status is Status.FAILED
    assert run("dlq", "redrive", "--method", "pinv").exit_code == 0
    body = json.loads(service.queue.sent[0])
    order = service.table.records[job_id].input.order
    assert order
    assert body == {
        "s3": {"bucket": INPUTS, "key": f"a b.{format_}", "version_id": "v1", "order": order},
        "on_ill_conditioned": "fail",
        "tags": {"team": "fem"},
        "method": "pinv",
        "job_id": job_id,
        "redrive": 1,
    }
    service.work()
    record = service.table.records[job_id]
    assert (record.status, record.tags) == (Status.SUCCEEDED, {"team": "fem"})


def test_options_in_a_dropped_file_stay_those_of_the_job_when_it_is_redriven(
    run: Cli, service: MemoryService
) -> None:
    content = b'{"matrix": [[1, 2], [2, 4]], "method": "general", "tags": {"team": "cfd"}}'
    metadata = {"matinv-method": "pinv", "matinv-tag-team": "fem"}
    service.store.upload("a.json", [content], metadata)
    service.work()
    before = service.table.records["a"]
    assert (before.status, before.options["method"]) == (Status.FAILED, "general")
    run("dlq", "redrive")
    service.work()
    after = service.table.records["a"]
    assert (after.status, after.options, after.tags) == (
        Status.FAILED,
        before.options,
        {"team": "cfd"},
    )
    run("dlq", "redrive", "--method", "auto", "--on-ill-conditioned", "fail")
    service.work()
    changed = {"method": "auto", "on_ill_conditioned": "fail"}
    assert service.table.records["a"].options == {**before.options, **changed}


def test_reference_in_a_message_is_redriven_as_such(run: Cli, service: MemoryService) -> None:
    service.store.upload("x.npy", [npy_bytes(np.array(SINGULAR))], {})
    service.store.notifications.clear()
    reference = {"bucket": INPUTS, "key": "x.npy"}
    service.queue.send(json.dumps({"job_id": "y", "s3": reference, "method": "general"}))
    service.work()
    run("dlq", "redrive", "--method", "pinv")
    body = json.loads(service.queue.sent[0])
    assert body == {"job_id": "y", "s3": reference, "method": "pinv", "redrive": 1}
    service.work()
    assert service.table.records["y"].status is Status.SUCCEEDED


def test_notification_of_several_uploads_becomes_one_message_each(
    run: Cli, service: MemoryService
) -> None:
    for key in ("a.npy", "b.npy"):
        service.store.upload(key, [npy_bytes(general(3))], {})
    service.store.notifications.clear()
    service.queue.give_up(json.dumps(s3_notification(INPUTS, "a.npy", "b.npy", etag=None)))
    assert listed(run)[0]["job_id"] == "a, b"
    assert run("dlq", "redrive", "--job-id", "b").exit_code == 0
    service.work()
    assert {r.status for r in service.table.records.values()} == {Status.SUCCEEDED}
    assert service.table.records.keys() == {"a", "b"}


def test_upload_that_is_gone_stays_dead(run: Cli, service: MemoryService) -> None:
    service.queue.give_up(json.dumps(s3_notification(INPUTS, "gone.npy")))
    result = run("dlq", "redrive")
    assert result.exit_code == 7
    assert "INPUT_GONE" in result.stderr
    assert len(listed(run)) == 1


@pytest.mark.parametrize("body", ["hello", "{}", '{"Records": []}', '{"matrix": [[1, 2]]}'])
def test_what_is_no_job_is_named_and_stays(run: Cli, service: MemoryService, body: str) -> None:
    service.queue.give_up(body)
    fail(service, job_id="bad")
    result = run("dlq", "redrive", "--output", "json")
    assert result.exit_code == 7
    assert [json.loads(line)["redriven"] for line in result.stdout.splitlines()] == ["no", "yes"]
    assert result.stderr.count("\n") == 1
    assert "message dead-1: " in result.stderr
    assert "submit a corrected message" in result.stderr
    assert [letter["message_id"] for letter in listed(run)] == ["dead-1"]


def test_dry_run_sends_and_removes_nothing(run: Cli, service: MemoryService) -> None:
    fail(service, job_id="bad")
    result = run("dlq", "redrive", "--dry-run", "--output", "json")
    assert json.loads(result.stdout)["redriven"] == "would be"
    assert service.queue.sent == []
    assert len(listed(run)) == 1


def test_limit_redrives_so_many_and_releases_the_rest(run: Cli, service: MemoryService) -> None:
    for k in range(12):
        fail(service, (k + 1) * np.array(SINGULAR), job_id=f"j{k}")
    run("dlq", "redrive", "--limit", "5")
    assert len(service.queue.sent) == 5
    assert service.queue._in_flight == set()
    assert len(listed(run)) == 7


@pytest.mark.parametrize(
    ("args", "chosen"),
    [
        ((), {"one", "two", "raw"}),
        (("--job-id", "one"), {"one"}),
        (("--job-id", "one", "--job-id", "two"), {"one", "two"}),
        (("--code", "singular"), {"one", "two"}),
        (("--code", "NOT_SQUARE"), set()),
        (("--tag", "team=fem"), {"one", "two"}),
        (("--tag", "team=fem", "--tag", "run=7"), {"two"}),
        (("--tag", "team=other"), set()),
        (("--older-than", "1h"), {"one"}),
        (("--newer-than", "1h"), {"two", "raw"}),
        (("--newer-than", "1h", "--code", "SINGULAR"), {"two"}),
    ],
)
def test_filters_choose(
    run: Cli, service: MemoryService, args: tuple[str, ...], chosen: set[str]
) -> None:
    fail(service, job_id="one", tags={"team": "fem"})
    fail(service, 2 * np.array(SINGULAR), job_id="two", tags={"team": "fem", "run": "7"})
    service.queue.give_up(BODY)
    for message_id, seconds in (("dead-1", 7200), ("dead-2", 60), ("dead-3", 5)):
        age(service, message_id, seconds)
    assert {letter["job_id"] for letter in listed(run, *args)} == chosen
    run("dlq", "redrive", *args)
    assert {json.loads(body)["job_id"] for body in service.queue.sent} == chosen
    assert {letter["job_id"] for letter in listed(run)} == {"one", "two", "raw"} - chosen


def test_crash_after_sending_leaves_a_duplicate_and_loses_nothing(
    run: Cli, service: MemoryService
) -> None:
    fail(service, job_id="bad")

    def crash(moment: str) -> None:
        if moment == "delete_dead:before":
            raise Transient(Code.STORAGE, "the queue is away", "try again")

    service.queue.fail = crash
    result = run("dlq", "redrive", "--method", "pinv")
    assert result.exit_code == 1
    assert result.stderr == "matinv: STORAGE: the queue is away; try again\n"
    service.queue.fail = None
    assert len(service.queue.sent) == 1
    assert run("dlq", "redrive", "--method", "pinv").exit_code == 0
    service.work()
    assert service.table.records["bad"].status is Status.SUCCEEDED


def test_jobs_queue_that_is_away_leaves_everything_dead(run: Cli, service: MemoryService) -> None:
    fail(service, job_id="bad")

    def refuse(moment: str) -> None:
        if moment == "send:before":
            raise Transient(Code.THROTTLED, "too fast", "slow down")

    service.queue.fail = refuse
    assert run("dlq", "redrive").exit_code == 1
    service.queue.fail = None
    assert len(listed(run)) == 1
    assert service.queue._in_flight == set()


def working_at_once(service: MemoryService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker do each job as soon as it is sent: what fails is dead again at once."""
    send = service.queue.send

    def send_and_work(body: str, group: str = "") -> None:
        send(body, group)
        service.work()

    monkeypatch.setattr(service.queue, "send", send_and_work)


def test_redrive_touches_only_letters_that_were_there_before(
    run: Cli, service: MemoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = {fail(service, job_id=name) for name in ("a", "b", "c")}
    working_at_once(service, monkeypatch)
    result = run("dlq", "redrive", "--output", "json")
    assert {json.loads(line)["job_id"] for line in result.stdout.splitlines()} == ids
    assert len(result.stdout.splitlines()) == 3
    assert {letter["job_id"] for letter in listed(run)} == ids  # new ones, of the same jobs


@pytest.mark.parametrize("off_s", [-3600.0, 0.0, 3600.0])
def test_letters_sent_after_the_command_began_are_left_whatever_the_clients_clock_says(
    run: Cli, service: MemoryService, off_s: float
) -> None:
    service.off_s = off_s
    fail(service, job_id="old")
    fail(service, job_id="new")
    age(service, "dead-2", -5.0)
    result = run("dlq", "redrive", "--output", "json")
    assert [json.loads(line)["job_id"] for line in result.stdout.splitlines()] == ["old"]
    service.now_s += 5
    assert [letter["job_id"] for letter in listed(run)] == ["new"]


def test_redrive_of_a_job_without_a_letter_exits_6(run: Cli, service: MemoryService) -> None:
    fail(service, job_id="a")
    result = run("dlq", "redrive", "--job-id", "a.npy", "--job-id", "nobody")
    assert result.exit_code == 6
    assert "nobody: no dead letter of this job" in result.stderr
    assert [json.loads(body)["job_id"] for body in service.queue.sent] == ["a"]


def test_nothing_is_hidden_after_an_interruption(
    run: Cli, service: MemoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        fail(service, job_id=name)
    send, bodies = service.queue.send, []

    def interrupted(body: str, group: str = "") -> None:
        if bodies:
            raise KeyboardInterrupt
        bodies.append(body)
        send(body, group)

    monkeypatch.setattr(service.queue, "send", interrupted)
    assert run("dlq", "redrive").exit_code == 130
    assert len(listed(run)) == 2


def test_delete_takes_what_the_filters_choose_and_leaves_the_rest(
    run: Cli, service: MemoryService
) -> None:
    fail(service, job_id="bad")
    fail(service, 2 * np.array(SINGULAR), job_id="worse", tags={"team": "fem"})
    service.queue.give_up("no job at all")
    would = run("dlq", "delete", "--tag", "team=fem", "--dry-run")
    assert "would be" in would.stdout
    assert len(listed(run)) == 3
    result = run("dlq", "delete", "--tag", "team=fem")
    assert (result.exit_code, result.stdout.split()[-3:]) == (0, ["worse", "SINGULAR", "yes"])
    assert len(listed(run)) == 2
    assert run("dlq", "delete", "--code", "BAD_MESSAGE").exit_code == 0
    assert [letter["job_id"] for letter in listed(run)] == ["bad"]
    assert service.queue._in_flight == set()
    assert service.table.records["worse"].status is Status.FAILED


def test_delete_of_everything_has_to_be_said(run: Cli, service: MemoryService) -> None:
    fail(service, job_id="bad")
    result = run("dlq", "delete")
    assert (result.exit_code, "allowed: a filter, or --all" in result.stderr) == (2, True)
    assert len(listed(run)) == 1
    assert run("dlq", "delete", "--all").exit_code == 0
    assert listed(run) == []


def test_delete_of_a_job_without_a_letter_exits_6(run: Cli, service: MemoryService) -> None:
    fail(service, job_id="bad")
    result = run("dlq", "delete", "--job-id", "typo")
    assert (result.exit_code, "NOT_FOUND: typo" in result.stderr) == (6, True)
    assert len(listed(run)) == 1


@pytest.mark.parametrize("off_s", [-3600.0, 0.0, 3600.0])
def test_the_age_of_a_letter_is_by_the_clock_of_the_queue(
    run: Cli, service: MemoryService, off_s: float
) -> None:
    service.off_s = off_s
    fail(service, job_id="old")
    fail(service, 2 * np.array(SINGULAR), job_id="new")
    age(service, "dead-1", 120)
    assert [letter["job_id"] for letter in listed(run, "--older-than", "1m")] == ["old"]
    assert [letter["job_id"] for letter in listed(run, "--newer-than", "1m")] == ["new"]


def test_letters_that_come_while_others_are_deleted_stay(run: Cli, service: MemoryService) -> None:
    fail(service, job_id="old")
    fail(service, 2 * np.array(SINGULAR), job_id="new")
    age(service, "dead-2", -60)
    assert run("dlq", "delete", "--all").exit_code == 0
    service.now_s += 60
    assert [letter["job_id"] for letter in listed(run)] == ["new"]
