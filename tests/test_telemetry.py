"""What operators see of an invocation: JSON lines with ids, metrics in EMF, never a value."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from matinv import telemetry
from matinv.errors import Code, Misconfigured, Transient
from matinv.telemetry import Context, used_memory_mb
from support.memory_service import MemoryService

SECRET = 73.125


Published = Callable[[MemoryService], tuple[list[dict[str, Any]], dict[str, Any]]]


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Published:
    """Publish the last report of a service; return its log lines and its metrics."""
    stream = io.StringIO()
    handler = telemetry.logger().registered_handler
    assert isinstance(handler, logging.StreamHandler)
    monkeypatch.setattr(handler, "stream", stream)  # setStream would flush one that is closed

    def publish(service: MemoryService) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        assert service.report is not None
        with redirect_stdout(stream):
            telemetry.publish(service.report, Context(60.0, aws_request_id="request-1"))
        lines = [json.loads(line) for line in stream.getvalue().splitlines()]
        emf: dict[str, Any] = {}
        for line in lines:
            if "_aws" in line:
                emf |= line
        return [line for line in lines if "_aws" not in line], emf

    return publish


def test_failed_job_has_its_own_line_with_ids_and_code(published: Published) -> None:
    service = MemoryService()
    service.deliver({"job_id": "bad", "matrix": [[SECRET, SECRET], [SECRET, SECRET]]})
    lines, _ = published(service)
    assert [line["job_id"] for line in lines] == ["bad"]
    assert lines[0]["error_code"] == "SINGULAR"
    assert lines[0]["function_request_id"] == "request-1"
    assert lines[0]["level"] == "WARNING"


def test_job_id_that_forges_a_log_line_stays_in_its_own(published: Published) -> None:
    service = MemoryService()
    service.deliver({"job_id": 'x\r\n{"level":"INFO"}', "matrix": [[1]]})
    lines, _ = published(service)
    assert len(lines) == 1
    assert lines[0]["error_code"] == "BAD_JOB_ID"


def test_succeeded_jobs_share_a_line_that_names_them(published: Published) -> None:
    service = MemoryService()
    service.deliver(*({"job_id": f"job-{i}", "matrix": [[i + 1]]} for i in range(150)))
    lines, _ = published(service)
    assert [len(line["job_ids"]) for line in lines] == [100, 50]


def test_no_matrix_value_is_ever_logged(published: Published) -> None:
    service = MemoryService()
    service.deliver(
        {"job_id": "good", "matrix": [[SECRET]]},
        {"job_id": "singular", "matrix": [[SECRET, SECRET], [SECRET, SECRET]]},
        {"job_id": "ragged", "matrix": [[SECRET, 1], [SECRET]]},
        {"job_id": "text", "matrix": [[str(SECRET)]]},
        f'{{"matrix": [[{SECRET}, ]]}}',
        {"matrix": [[SECRET]], "unknown": SECRET},
    )
    lines, emf = published(service)
    assert len(lines) == 6
    assert str(SECRET) not in json.dumps([lines, emf])


def test_bug_is_logged_with_its_traceback(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr("matinv.pipeline.invert.draft", broken)
    service = MemoryService()
    service.deliver({"job_id": "bug", "matrix": [[1]]})
    lines, emf = published(service)
    assert lines[0]["level"] == "ERROR"
    assert "ZeroDivisionError" in lines[0]["exception"]
    assert emf["INTERNAL"] == [1.0]


def test_metrics_count_jobs_by_outcome_and_code(published: Published) -> None:
    service = MemoryService()
    good = {"job_id": "good", "matrix": [[2]]}
    service.deliver(
        good,
        good,
        {"job_id": "stack", "matrix": [[[1]], [[0]]]},
        {"job_id": "bad", "matrix": [[0]]},
        "hello",
        receive_count=3,
    )
    _, emf = published(service)
    expected = {
        "BatchSize": 5,
        "ReceivedAgain": 5,
        "JobsSucceeded": 2,
        "JobsPartial": 1,
        "Duplicates": 1,
        "JobsRefused": 2,
        "UserErrors": 2,
        "SINGULAR": 1,
        "BAD_MESSAGE": 1,
        "Acknowledged": 5,
        "TerminalRecords": 4,
    }
    assert {name: sum(emf[name]) for name in expected} == expected
    assert emf["Order"] == [1.0, 1.0]
    assert emf["service"] == "matinv"
    assert emf["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "matinv"
    assert emf["MemoryUsed"][0] > 0  # of this process and its children, which other tests filled
    assert {"InvertTime", "QueuedTime", "InputSize"} <= emf.keys()


def test_events_that_were_lost_are_counted_and_named(published: Published) -> None:
    service = MemoryService(topic=True)

    def denied(moment: str) -> None:
        if moment == "publish:before":
            raise Transient(Code.ACCESS_DENIED, "no")

    service.events.fail = denied
    service.deliver(*({"job_id": f"job-{i}", "matrix": [[i + 1]]} for i in range(3)))
    lines, emf = published(service)
    assert emf["EventsLost"] == [3.0]
    assert emf["JobsSucceeded"] == [3.0]
    (warning,) = (line for line in lines if line["level"] == "WARNING")
    assert warning["job_ids"] == ["job-0", "job-1", "job-2"]
    assert warning["function_request_id"] == "request-1"
    assert "exception" not in warning


def test_bug_in_publishing_is_logged_with_its_traceback(published: Published) -> None:
    service = MemoryService(topic=True)

    def broken(moment: str) -> None:
        raise ZeroDivisionError

    service.events.fail = broken
    service.deliver({"job_id": "a", "matrix": [[1]]})
    lines, _ = published(service)
    (warning,) = (line for line in lines if line["level"] == "WARNING")
    assert "ZeroDivisionError" in warning["exception"]


def test_without_lost_events_there_is_no_metric_of_them(published: Published) -> None:
    service = MemoryService(topic=True)
    service.deliver({"job_id": "a", "matrix": [[1]]})
    _, emf = published(service)
    assert "EventsLost" not in emf


def test_batch_that_was_stopped_is_one_error_and_one_count(published: Published) -> None:
    service = MemoryService()

    def denied(moment: str) -> None:
        if moment == "get:before":
            raise Misconfigured(Code.ACCESS_DENIED, "reading 9 records failed", "see the policy")

    service.table.fail = denied
    service.deliver(*({"job_id": f"job-{i}", "matrix": [[i + 1]]} for i in range(9)))
    lines, emf = published(service)
    (line,) = lines
    assert line["level"] == "ERROR"
    assert (line["message"], line["hint"]) == ("reading 9 records failed", "see the policy")
    assert (line["error_code"], line["handed_back"]) == ("ACCESS_DENIED", 9)
    assert line["job_ids"] == [f"job-{i}" for i in range(9)]
    assert emf["Misconfigured"] == [1.0]
    assert (emf["JobsRetried"], emf["ACCESS_DENIED"]) == ([9.0], [9.0])
    assert "Acknowledged" not in emf


def test_without_a_stop_there_is_no_metric_of_it(published: Published) -> None:
    service = MemoryService()

    def denied(moment: str) -> None:
        if moment == "open:before":
            raise Transient(Code.ACCESS_DENIED, "this object's key is denied")

    service.store.fail = denied
    service.deliver(service.drop("a.npy", b""))
    lines, emf = published(service)
    assert [line["level"] for line in lines] == ["WARNING"]
    assert "Misconfigured" not in emf
    assert emf["ACCESS_DENIED"] == [1.0]


def test_powertools_variables_name_service_and_namespace() -> None:
    code = (
        "from matinv import telemetry\n"
        "telemetry.metrics().add_metric('Order', 'Count', 1)\n"
        "telemetry.metrics().flush_metrics()\n"
        "telemetry.logger().info('x')"
    )

    def lines(**names: str) -> list[dict[str, Any]]:
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **names},
            capture_output=True,
            text=True,
            check=True,
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    emf, log = lines(POWERTOOLS_SERVICE_NAME="prod", POWERTOOLS_METRICS_NAMESPACE="ours")
    assert emf["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "ours"
    assert emf["service"] == log["service"] == "prod"
    emf, log = lines()
    assert emf["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "matinv"
    assert emf["service"] == log["service"] == "matinv"


def test_every_acknowledged_delivery_is_accounted_for(published: Published) -> None:
    service = MemoryService()
    old, new = service.drop("x.npy", b""), service.drop("x.npy", b"")

    def fail(operation: str) -> None:
        if operation == "delete:before":
            raise Transient(Code.STORAGE, "no")

    service.store.fail = fail
    service.deliver(old, new, {"job_id": "a", "matrix": [[1]]}, {"job_id": "a", "matrix": [[2]]})
    _, emf = published(service)
    parts = ("TerminalRecords", "Duplicates", "Stale", "Forwarded")
    assert sum(emf["Acknowledged"]) == sum(sum(emf.get(part, [0])) for part in parts) == 4


def test_memory_is_that_of_the_worker_and_its_child_since_the_last_batch(tmp_path: Path) -> None:
    """Proc(5): VmHWM is the peak resident set; "5" to clear_refs sets it back."""
    (tmp_path / "self/task" / str(os.getpid())).mkdir(parents=True)
    (tmp_path / "self/task" / str(os.getpid()) / "children").write_text("123 ")
    (tmp_path / "123").mkdir()
    for process, kib in (("self", 102_400), ("123", 51_200)):
        (tmp_path / process / "status").write_text(f"VmPeak:\t9 kB\nVmHWM:\t  {kib} kB\n")
    assert used_memory_mb(tmp_path) == 150
    assert [(tmp_path / p / "clear_refs").read_text() for p in ("self", "123")] == ["5", "5"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep one mark for a whole life")
def test_a_large_job_is_not_seen_in_the_batches_after_it() -> None:
    used_memory_mb()
    idle_mb = used_memory_mb()
    held = bytearray(b"x" * 200 * 2**20)
    assert used_memory_mb() > idle_mb + 150
    del held
    used_memory_mb()
    assert used_memory_mb() < idle_mb + 50


# The alarm's threshold is 100 %. The gate admits a lane's memory without 160 MiB, beside the 67 MiB
# of an idle worker.
def test_a_worker_as_full_as_the_gate_admits_rings_no_alarm(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry, "used_memory_mb", lambda: 1769.0 - 160 + 67)
    service = MemoryService()
    service.deliver({"job_id": "full", "matrix": [[1]]})
    _, emf = published(service)
    assert emf["MemoryUsed"] == [pytest.approx(100)]
