"""One small job from end to end, and what remains of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from matinv.client import ClientError, JobFailed, NotVerified
from matinv.errors import Code, Transient
from matinv.jobs.record import Record, Status
from matinv.operations.whole_job import Way, whole_job
from support.memory_service import MemoryService


@pytest.fixture
def stack() -> MemoryService:
    return MemoryService(topic=True)


@pytest.mark.parametrize("way", Way)
def test_job_is_proved_and_nothing_of_it_stays(stack: MemoryService, way: Way) -> None:
    proof = whole_job(stack.client, way, "doctor", 60.0)
    assert proof.record.status is Status.SUCCEEDED
    assert proof.record.tags == {"matinv": "doctor"}
    assert proof.residual < 1
    assert proof.seconds == pytest.approx(sum(stack.pauses))
    assert stack.table.records == {}
    assert stack.store.uris() == []
    assert stack.queue.dead == []


def test_file_goes_through_both_buckets_and_a_message_through_none(stack: MemoryService) -> None:
    message = whole_job(stack.client, Way.MESSAGE, "doctor", 60.0).record
    assert stack.store.calls.total() == 0
    file = whole_job(stack.client, Way.FILE, "doctor", 60.0).record
    assert message.input.source == "message"
    assert file.input.source.startswith("s3://inputs/matinv-doctor-file-")
    assert file.result is not None
    assert file.result.uri is not None
    assert file.result.uri.startswith("s3://results/matinv-doctor-file-")


def test_matrix_and_id_are_new_each_time(stack: MemoryService) -> None:
    records = [whole_job(stack.client, Way.MESSAGE, "doctor", 60.0).record for _ in range(2)]
    assert len({record.input.id for record in records}) == 2
    assert len({record.job_id for record in records}) == 2


@pytest.mark.parametrize("way", Way)
def test_job_that_comes_too_late_is_left_and_still_ends_well(
    stack: MemoryService, way: Way
) -> None:
    stack.working = False
    with pytest.raises(ClientError, match=r"no worker finished job matinv-doctor-\w+-\w+ within 5"):
        whole_job(stack.client, way, "doctor", 5.0)
    stack.work()
    assert [record.status for record in stack.table.records.values()] == [Status.SUCCEEDED]
    assert stack.queue.dead == []


def test_wrong_inverse_is_found_out_and_kept(
    stack: MemoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_table = stack.table.get

    def forged(job_ids: Any) -> dict[str, Record]:
        return {
            job_id: replace(record, result=record.result and replace(record.result, sha256="0"))
            for job_id, record in of_table(job_ids).items()
        }

    monkeypatch.setattr(stack.table, "get", forged)
    with pytest.raises(NotVerified, match="SHA-256"):
        whole_job(stack.client, Way.MESSAGE, "doctor", 60.0)
    assert len(stack.table.records) == 1


def test_failed_job_keeps_its_record(stack: MemoryService, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> Any:
        raise MemoryError

    monkeypatch.setattr("matinv.pipeline.invert.invert", broken)
    with pytest.raises(JobFailed, match="OUT_OF_MEMORY"):
        whole_job(stack.client, Way.MESSAGE, "doctor", 60.0)
    assert [record.status for record in stack.table.records.values()] == [Status.FAILED]


def test_stack_that_cannot_be_cleaned_up_is_out_of_order(stack: MemoryService) -> None:
    def denied(moment: str) -> None:
        if moment == "delete:before":
            raise Transient(Code.ACCESS_DENIED, "may not delete")

    stack.store.fail = denied
    with pytest.raises(Transient, match="may not delete"):
        whole_job(stack.client, Way.FILE, "doctor", 60.0)
