"""The canary: one beat for two jobs that succeed, none otherwise."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest

from matinv.client import Client, ClientError
from matinv.errors import Code, Misconfigured
from matinv.handlers import canary
from matinv.jobs.lanes import Ticket, huge, standard
from matinv.ports.monitor import Depth
from support.memory_service import MemoryService


@pytest.fixture
def stack() -> MemoryService:
    return MemoryService(topic=True)


class Context:
    aws_request_id = "request-1"
    memory_limit_in_mb = 512

    def get_remaining_time_in_millis(self) -> int:
        return 120_000


@pytest.fixture
def sung(
    stack: MemoryService,
    log: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Any:
    """Let the canary sing; return its answer and the metrics that it emitted."""
    monkeypatch.setattr(Client, "connect", lambda: stack.client)

    def sing() -> tuple[dict[str, float], list[dict[str, Any]]]:
        answer = canary.handler({}, Context())
        lines = capsys.readouterr().out.splitlines()
        return answer, [json.loads(line) for line in lines if "_aws" in line]

    return sing


def test_canary_beats_once_for_both_jobs(stack: MemoryService, sung: Any, log: io.StringIO) -> None:
    answer, (emf,) = sung()
    (line,) = map(json.loads, log.getvalue().splitlines())
    assert line["function_request_id"] == "request-1"
    assert line["job_ids"] == list(answer)
    assert [job_id.split("-")[2] for job_id in answer] == ["message", "file"]
    assert emf["Heartbeat"] == [1.0]
    assert emf["CanaryTime"] == [round(1000 * s, 3) for s in answer.values()]
    assert emf["service"] == "matinv"
    (described,) = emf["_aws"]["CloudWatchMetrics"]
    assert (described["Namespace"], described["Dimensions"]) == ("matinv", [["service"]])
    units = {metric["Name"]: metric["Unit"] for metric in described["Metrics"]}
    assert units == {"Heartbeat": "Count", "CanaryTime": "Milliseconds"}
    assert stack.table.records == {}
    assert stack.store.uris() == []
    assert {e.attributes["status"] for e in stack.events.published} == {"SUCCEEDED"}
    assert all('"tags":{"matinv":"canary"}' in e.body for e in stack.events.published)


def test_canary_asks_for_the_machine_that_a_lane_lacks(stack: MemoryService, sung: Any) -> None:
    behind = replace(huge("h"), ticket=Ticket("machines", "poller"))
    stack.settings = replace(stack.settings, lane=standard("https://sqs/jobs", behind))
    asked = stack.capacity.requested
    sung()
    assert asked == []  # nothing waits
    stack.monitor.depths |= {"standard": Depth(5), "huge": Depth(working=1)}
    sung()
    assert asked == []  # what is in work has its machine
    stack.monitor.depths["huge"] = Depth(2)
    for _ in range(2):
        sung()
        assert asked == ["huge"]  # one is enough, until it has ended
    stack.capacity.ended = 1
    sung()
    assert asked == ["huge", "huge"]


def test_canary_does_not_beat_when_no_machine_can_be_had(stack: MemoryService, sung: Any) -> None:
    behind = replace(huge("h"), ticket=Ticket("machines", "poller"))
    stack.settings = replace(stack.settings, lane=standard("https://sqs/jobs", behind))
    stack.monitor.depths["huge"] = Depth(1)

    def fail(moment: str) -> None:
        if moment == "request:before":
            raise Misconfigured(Code.ACCESS_DENIED, "no machine", "wait")

    stack.capacity.fail = fail
    with pytest.raises(Misconfigured):
        sung()


def test_canary_says_nothing_when_no_worker_answers(
    stack: MemoryService, sung: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.working = False
    with pytest.raises(ClientError, match="within 55 s"):
        sung()
    assert sum(stack.pauses) == pytest.approx(55.0)
    assert "Heartbeat" not in capsys.readouterr().out
