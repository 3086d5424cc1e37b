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
from support.world import INPUTS, World


def test_inline_matrix_is_inverted_into_its_record(world: World) -> None:
    assert world.deliver(job("exp-42", tags={"team": "fem"})) == []
    record = world.record("exp-42")
    assert record.status is Status.SUCCEEDED
    assert world.inverse("exp-42") == INVERSE
    assert record.tags == {"team": "fem"}
    assert record.certificate is not None
    assert record.certificate.residual < 1
    assert record.input.shape == (2, 2)
    assert set(record.timings_ms) >= {"queued_ms", "invert_ms"}
    assert record.expires_at == int(world.now_s) + world.app.retention_s


def test_bare_matrix_gets_an_id_from_its_content(world: World) -> None:
    world.deliver({"matrix": GOOD}, {"matrix": [[1.0, 2.0], [3.0, 4.0]]})
    assert world.report is not None
    first, second = world.report.outcomes
    assert first.delivery.job_id == second.delivery.job_id
    assert first.delivery.job_id.startswith("sha256-")
    assert {first.verdict, second.verdict} == {Verdict.DONE, Verdict.DUPLICATE}


def test_every_wrapping_of_a_notification_leads_to_the_same_job(world: World) -> None:
    event = world.drop("w.npy", np.eye(3))
    key = event["Records"][0]["s3"]["object"]
    bridge = eventbridge(INPUTS, "w.npy", version_id=key["versionId"])
    world.deliver(event, sns_wrapped(json.dumps(event)), bridge)
    assert world.report is not None
    assert [o.verdict for o in world.report.outcomes] == [
        Verdict.DONE,
        Verdict.DUPLICATE,
        Verdict.DUPLICATE,
    ]


def test_message_with_several_records_is_acknowledged_when_all_are_done(world: World) -> None:
    first, second = world.drop("a.npy", np.eye(2)), world.drop("b.npy", np.eye(2))
    both = {"Records": [*first["Records"], *second["Records"]]}
    assert world.deliver(both) == []
    assert world.record("a").status is world.record("b").status is Status.SUCCEEDED


BOUNDARIES = [
    f"{operation}:{side}"
    for operation in ("get", "open", "put_result", "put", "dead_letter")
    for side in ("before", "after")
]


class Killed(BaseException):
    """Stands for kill -9: nothing catches it."""


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_kill_at_any_boundary_loses_nothing_and_publishes_once(world: World, boundary: str) -> None:
    good = world.drop("good.npy", np.random.default_rng(2).normal(size=(70, 70)))
    batch = [good, job("inline"), job("bad", SINGULAR)]

    def kill(operation: str) -> None:
        if operation == boundary:
            raise Killed

    for port in (world.store, world.table, world.queue):
        port.fail = kill
    with pytest.raises(Killed):
        world.deliver(*batch)
    for port in (world.store, world.table, world.queue):
        port.fail = None
    assert world.deliver(*batch, receive_count=2) == []
    assert world.record("good").status is Status.SUCCEEDED
    assert world.inverse("inline") == INVERSE
    assert world.error("bad") == Code.SINGULAR
    assert 1 <= len(world.queue.dead) <= 2
    assert len([uri for uri in world.store.uris() if uri.startswith("s3://results/")]) == 1


def test_zombie_that_finishes_late_changes_nothing(world: World) -> None:
    event = world.drop("x.npy", np.random.default_rng(3).normal(size=(70, 70)))
    finished: list[Any] = []

    def overtake(operation: str) -> None:
        if operation == "put:before" and not finished:
            finished.append(None)
            world.deliver(event)  # another worker does the whole job while this one pauses
            finished.append(world.record("x"))

    world.table.fail = overtake
    assert world.deliver(event) == []
    assert world.record("x") == finished[1]


def test_zombie_that_fails_late_leaves_the_result(world: World) -> None:
    event = world.drop("x.npy", np.eye(70))
    rescued: list[Any] = []

    def overtake(operation: str) -> None:
        if operation == "open:before" and not rescued:
            rescued.append(None)
            world.deliver(event)
            rescued.append(world.record("x"))
            raise Transient(Code.STORAGE, "connection reset")

    world.store.fail = overtake
    assert world.deliver(event) in ([], [0])
    assert world.record("x") == rescued[1]


def test_thousand_small_messages_take_few_calls(world: World) -> None:
    rng = np.random.default_rng(5)
    batch = [job(f"m-{i}", rng.normal(size=(4, 4)).tolist()) for i in range(1000)]
    assert world.deliver(*batch) == []
    assert world.table.calls["get"] == 1
    assert world.table.calls["put"] == 1
    assert world.store.calls.total() == 0
