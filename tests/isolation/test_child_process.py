"""The child itself: what it says, what ends it, and that it outlives nobody."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from matinv.errors import Code, Misconfigured, Transient
from matinv.isolation import Died
from matinv.isolation.child_process import ChildProcess
from matinv.jobs.lanes import standard
from matinv.pipeline import Deadline
from matinv.settings import Settings
from matinv.telemetry import Context
from matinv.testing.events import s3_notification, sqs_event
from support.processes import alive, until

pytestmark = pytest.mark.deep

POISON = str(Path(__file__).parents[1] / "poison")


@pytest.fixture
def environment(
    at_moto: str,
    table_name: str,
    queue_urls: tuple[str, str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = Settings(
        "no-inputs", "no-results", table_name, standard(queue_urls[0]), queue_urls[1]
    )
    for name, value in settings.to_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
    monkeypatch.syspath_prepend(POISON)


@pytest.fixture
def child(environment: None) -> Iterator[ChildProcess]:
    process = ChildProcess(Context(60.0, 512))
    yield process
    process.stop()


def message(matrix: Any, job_id: str = "job") -> dict[str, Any]:
    record: dict[str, Any] = sqs_event([{"job_id": job_id, "matrix": matrix}])["Records"][0]
    return record


def within(seconds: float) -> Deadline:
    end = time.monotonic() + seconds
    return Deadline(lambda: end - time.monotonic(), seconds)


def test_it_does_messages_and_says_which_may_be_acknowledged(child: ChildProcess) -> None:
    assert child.attempt(message([[2]], "a"), within(60))
    assert child.attempt(message([[1, 2], [2, 4]], "b"), within(60))  # refused, which is an end
    assert not child.attempt(message([[2]], "c"), within(1.9))  # no time: handed back


def test_it_says_that_no_job_can_go_on(child: ChildProcess) -> None:
    (record,) = sqs_event([s3_notification("no-inputs", "a.npy")])["Records"]
    with pytest.raises(Misconfigured, match="bucket no-inputs does not exist"):
        child.attempt(record, within(60))
    assert child.attempt(message([[2]]), within(60))


def test_a_job_that_crashes_it_is_told_with_the_signal(child: ChildProcess) -> None:
    with pytest.raises(Died, match="SIGSEGV") as died:
        child.attempt(message([[666001]]), within(60))
    assert died.value.error.code is Code.WORKER_CRASHED
    assert died.value.job == 0


def test_a_job_that_hangs_is_killed_when_its_time_is_over(child: ChildProcess) -> None:
    with pytest.raises(Died) as died:
        child.attempt(message([[666006]]), within(3))
    assert died.value.error.code is Code.DEADLINE


def test_a_job_gets_no_more_memory_than_the_lane_has_left(child: ChildProcess) -> None:
    assert child.attempt(message([[666003]]), within(60))  # MemoryError: refused
    assert child.attempt(message([[2]], "next"), within(60))


def test_a_child_that_ended_between_messages_is_nobodys_fault(child: ChildProcess) -> None:
    assert child.attempt(message([[2]]), within(60))
    child._process.kill()
    with pytest.raises(Transient, match="SIGKILL") as gone:
        child.attempt(message([[3]], "innocent"), within(60))
    assert gone.value.code is Code.INTERNAL


def test_it_ends_when_the_pipe_does_even_in_an_endless_loop(child: ChildProcess) -> None:
    assert child._process.stdin
    request = {"record": message([[666006]]), "left_s": 60.0, "total_s": 60.0}
    child._process.stdin.write(json.dumps(request) + "\n")
    child._process.stdin.close()
    until(lambda: not alive(child._process.pid))


def test_one_that_does_not_come_up_is_told_with_its_exit_code(
    environment: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MATINV_JOBS_TABLE")
    with pytest.raises(Transient, match="exit code 1"):
        ChildProcess(Context(60.0, 512))
    assert "MATINV_JOBS_TABLE is not set" in capfd.readouterr().err


def test_a_step_to_another_way_may_take_its_cpu_time() -> None:
    """Else a matrix that needs ball arithmetic would look like an endless loop."""
    program = """
        from resource import RLIMIT_CPU, getrlimit
        from matinv.isolation.__main__ import Allowance
        allowance = Allowance(lambda: 60.0, 60.0, threads=2)
        allowance.allow()
        before = getrlimit(RLIMIT_CPU)[0]
        allowance.begin(0.0)
        assert getrlimit(RLIMIT_CPU)[0] == before
        allowance.begin(3.0)
        assert getrlimit(RLIMIT_CPU)[0] == before + 60
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=60)
