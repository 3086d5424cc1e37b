"""Machines of AWS Batch: the contract on an embedded AWS, and which jobs count as alive."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest
from botocore.awsrequest import AWSResponse

from matinv.backends.aws.batch import BatchCapacity
from matinv.jobs.lanes import Lane, Ticket, huge
from matinv.testing.contracts import CapacityContract
from support.faults import Faults, success
from support.machines import make_machines

SERVICE: Final = "batch"


class TestBatchCapacity(CapacityContract):
    @pytest.fixture
    def lane(self, client: Any, at_moto: str, unique: str) -> Lane:
        self.batch = client
        return replace(huge("h"), ticket=make_machines(client, at_moto, unique))

    @pytest.fixture
    def capacity(self, lane: Lane) -> BatchCapacity:
        return BatchCapacity(self.batch)

    def tickets(self, capacity: BatchCapacity, lane: Lane) -> int:  # type: ignore[override] # the one that it made
        assert lane.ticket
        # moto's jobs end at once.
        found = self.batch.list_jobs(jobQueue=lane.ticket.queue, jobStatus="SUCCEEDED")
        assert {job["jobName"] for job in found["jobSummaryList"]} <= {"matinv-huge"}
        return len(found["jobSummaryList"])

    def end(self, capacity: BatchCapacity, lane: Lane) -> None:  # type: ignore[override] # likewise
        pass

    def test_a_job_carries_nothing(self, capacity: BatchCapacity, lane: Lane) -> None:
        sent: list[dict[str, Any]] = []

        def note(params: dict[str, Any], **_: object) -> None:
            sent.append(json.loads(params["body"]))

        self.batch.meta.events.register("before-call.batch.SubmitJob", note)
        capacity.request(lane)
        assert lane.ticket
        queue, definition = lane.ticket.queue, lane.ticket.definition
        assert sent == [{"jobName": "matinv-huge", "jobQueue": queue, "jobDefinition": definition}]


@pytest.mark.parametrize("status", ["SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING"])
def test_a_job_that_has_not_ended_is_alive(client: Any, faults: Faults, status: str) -> None:
    """ListJobs returns the running ones alone unless it is asked for another status."""

    def answer(request: Any, send: Callable[[], Any]) -> AWSResponse:
        asked = json.loads(request.body)
        assert asked["jobQueue"] == "machines"
        jobs = [{"jobId": "1", "jobName": "x"}] if asked.get("jobStatus") == status else []
        return success(jobSummaryList=jobs)(request, send)

    faults.script.extend([answer] * 5)
    lane = replace(huge("h"), ticket=Ticket("machines", "poller"))
    assert BatchCapacity(client).alive(lane)


def test_a_lane_without_a_ticket_has_no_machines(client: Any) -> None:
    with pytest.raises(ValueError, match="huge"):
        BatchCapacity(client).request(huge("h"))
