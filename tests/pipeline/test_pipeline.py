"""The service's promises, one sentence each, on the ports in memory."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from matinv.errors import Code, Transient
from matinv.jobs.record import Status
from matinv.pipeline import Verdict
from matinv.testing.events import eventbridge, sns_wrapped
from support.bodies import GOOD, INVERSE, SINGULAR, job
from support.memory_service import INPUTS, MemoryService


def test_inline_matrix_is_inverted_into_its_record(service: MemoryService) -> None:
    assert service.deliver(job("exp-42", tags={"team": "fem"})) == []
    record = service.record("exp-42")
    assert record.status is Status.SUCCEEDED
    assert service.inverse("exp-42") == INVERSE
    assert record.tags == {"team": "fem"}
    assert record.certificate is not None
    assert record.certificate.residual < 1
    assert record.input.shape == (2, 2)
    assert set(record.timings_ms) >= {"queued_ms", "invert_ms"}
    assert record.expires_at == int(service.now_s) + service.app.retention_s


def test_bare_matrix_gets_an_id_from_its_content(service: MemoryService) -> None:
    service.deliver({"matrix": GOOD}, {"matrix": [[1.0, 2.0], [3.0, 4.0]]})
    assert service.report is not None
    first, second = service.report.outcomes
    assert first.delivery.job_id == second.delivery.job_id
    assert first.delivery.job_id.startswith("sha256-")
    assert {first.verdict, second.verdict} == {Verdict.DONE, Verdict.DUPLICATE}


def test_every_wrapping_of_a_notification_leads_to_the_same_job(service: MemoryService) -> None:
    event = service.drop("w.npy", np.eye(3))
    key = event["Records"][0]["s3"]["object"]
    bridge = eventbridge(INPUTS, "w.npy", version_id=key["versionId"])
    service.deliver(event, sns_wrapped(json.dumps(event)), bridge)
    assert service.report is not None
    assert [o.verdict for o in service.report.outcomes] == [
        Verdict.DONE,
        Verdict.DUPLICATE,
        Verdict.DUPLICATE,
    ]


def test_message_with_several_records_is_acknowledged_when_all_are_done(
    service: MemoryService,
) -> None:
    first, second = service.drop("a.npy", np.eye(2)), service.drop("b.npy", np.eye(2))
    both = {"Records": [*first["Records"], *second["Records"]]}
    assert service.deliver(both) == []
    assert service.record("a").status is service.record("b").status is Status.SUCCEEDED


BOUNDARIES = [
    f"{operation}:{side}"
    for operation in ("get", "open", "put_result", "put", "dead_letter")
    for side in ("before", "after")
]


class Killed(BaseException):
    """Stands for kill -9: nothing catches it."""


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_kill_at_any_boundary_loses_nothing_and_publishes_once(
    service: MemoryService, boundary: str
) -> None:
    good = service.drop("good.npy", np.random.default_rng(2).normal(size=(70, 70)))
    batch = [good, job("inline"), job("bad", SINGULAR)]

    def kill(operation: str) -> None:
        if operation == boundary:
            raise Killed

    for port in (service.store, service.table, service.queue):
        port.fail = kill
    with pytest.raises(Killed):
        service.deliver(*batch)
    for port in (service.store, service.table, service.queue):
        port.fail = None
    assert service.deliver(*batch, receive_count=2) == []
    assert service.record("good").status is Status.SUCCEEDED
    assert service.inverse("inline") == INVERSE
    assert service.error("bad") == Code.SINGULAR
    assert 1 <= len(service.queue.dead) <= 2
    assert len([uri for uri in service.store.uris() if uri.startswith("s3://results/")]) == 1


def test_zombie_that_finishes_late_changes_nothing(service: MemoryService) -> None:
    event = service.drop("x.npy", np.random.default_rng(3).normal(size=(70, 70)))
    finished: list[Any] = []

    def overtake(operation: str) -> None:
        if operation == "put:before" and not finished:
            finished.append(None)
            service.deliver(event)  # another worker does the whole job while this one pauses
            finished.append(service.record("x"))

    service.table.fail = overtake
    assert service.deliver(event) == []
    assert service.record("x") == finished[1]


def test_zombie_that_fails_late_leaves_the_result(service: MemoryService) -> None:
    event = service.drop("x.npy", np.eye(70))
    rescued: list[Any] = []

    def overtake(operation: str) -> None:
        if operation == "open:before" and not rescued:
            rescued.append(None)
            service.deliver(event)
            rescued.append(service.record("x"))
            raise Transient(Code.STORAGE, "connection reset")

    service.store.fail = overtake
    assert service.deliver(event) in ([], [0])
    assert service.record("x") == rescued[1]


def test_thousand_small_messages_take_few_calls(service: MemoryService) -> None:
    rng = np.random.default_rng(5)
    batch = [job(f"m-{i}", rng.normal(size=(4, 4)).tolist()) for i in range(1000)]
    assert service.deliver(*batch) == []
    assert service.table.calls["get"] == 1
    assert service.table.calls["put"] == 1
    assert service.store.calls.total() == 0
