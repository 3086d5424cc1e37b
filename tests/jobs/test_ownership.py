"""The owner of a job id: which deliveries are worked on, which are duplicates, which conflict."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from matinv.errors import Code, ErrorInfo
from matinv.jobs.ownership import Claim, claim
from matinv.jobs.record import InputInfo, Record, Status

OLD = InputInfo("s3://inputs/a.npy", "version:1", order="01")

NEW = replace(OLD, id="version:2", order="02")

MESSAGE = InputInfo("message", "sha256:1")

OTHER_MESSAGE = InputInfo("message", "sha256:2")

UNREAD = InputInfo("s3://inputs/a.npy", "")

ENDED = [Status.SUCCEEDED, Status.PARTIAL, Status.FAILED]

GOING_ON = [Status.QUEUED, Status.RUNNING, Status.RETRYING]


def record(status: Status, input_: InputInfo = OLD, **fields: Any) -> Record:
    failed = {"error": ErrorInfo(Code.SINGULAR, "singular")} if status is Status.FAILED else {}
    times = {"created_at": "then", "updated_at": "then", "expires_at": 0}
    return Record(job_id="a", status=status, input=input_, **{**times, **failed, **fields})


def test_a_job_without_a_record_is_anyone_s() -> None:
    for input_ in (OLD, MESSAGE, UNREAD):
        assert claim(None, input_, 0) is Claim.WORK


@pytest.mark.parametrize("status", ENDED)
def test_an_input_whose_job_has_ended_is_a_duplicate(status: Status) -> None:
    for input_ in (OLD, MESSAGE):
        assert claim(record(status, input_), input_, 0) is Claim.DUPLICATE


@pytest.mark.parametrize("status", GOING_ON)
def test_an_input_whose_job_has_not_ended_is_worked_on_again(status: Status) -> None:
    for input_ in (OLD, MESSAGE):
        assert claim(record(status, input_), input_, 0) is Claim.WORK


def test_a_failure_that_may_pass_is_reopened_by_any_delivery() -> None:
    failed = record(Status.FAILED, error=ErrorInfo(Code.THROTTLED, "slow down"))

    assert claim(failed, OLD, 0) is Claim.WORK


@pytest.mark.parametrize("input_", [OLD, NEW, MESSAGE, OTHER_MESSAGE, UNREAD])
def test_a_permanent_failure_is_reopened_by_each_redrive_once(input_: InputInfo) -> None:
    failed = record(Status.FAILED)

    assert claim(failed, input_, 1) is Claim.WORK
    assert claim(replace(failed, redrive=1), OLD, 1) is Claim.DUPLICATE
    assert claim(replace(failed, redrive=1), input_, 2) is Claim.WORK


def test_not_even_a_redrive_lets_an_older_upload_win() -> None:
    assert claim(record(Status.FAILED, NEW), OLD, 1) is Claim.STALE
    assert claim(record(Status.FAILED, NEW), replace(OLD, order=None), 1) is Claim.CONFLICT
    assert claim(record(Status.FAILED, OLD), NEW, 1) is Claim.WORK


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.PARTIAL])
def test_what_has_succeeded_is_never_reopened(status: Status) -> None:
    assert claim(record(status), OLD, 7) is Claim.DUPLICATE
    assert claim(record(status, MESSAGE), OTHER_MESSAGE, 7) is Claim.CONFLICT


@pytest.mark.parametrize("status", list(Status))
def test_a_newer_upload_supersedes_and_an_older_is_stale(status: Status) -> None:
    assert claim(record(status, OLD), NEW, 0) is Claim.WORK
    assert claim(record(status, NEW), OLD, 0) is Claim.STALE


@pytest.mark.parametrize("status", list(Status))
def test_another_input_conflicts(status: Status) -> None:
    elsewhere = replace(NEW, source="s3://inputs/a.json")
    named_by_message = replace(NEW, order=None)

    assert claim(record(status, MESSAGE), OTHER_MESSAGE, 0) is Claim.CONFLICT
    assert claim(record(status, MESSAGE), NEW, 0) is Claim.CONFLICT
    assert claim(record(status, OLD), MESSAGE, 0) is Claim.CONFLICT
    assert claim(record(status, OLD), elsewhere, 0) is Claim.CONFLICT
    assert claim(record(status, OLD), named_by_message, 0) is Claim.CONFLICT
    assert claim(record(status, named_by_message), OLD, 0) is Claim.CONFLICT


@pytest.mark.parametrize("status", ENDED)
def test_an_unread_object_of_an_ended_job_decides_once_it_is_open(status: Status) -> None:
    assert claim(record(status, OLD), UNREAD, 0) is Claim.UNDECIDED
