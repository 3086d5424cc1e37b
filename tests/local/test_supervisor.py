"""`matinv local up`: its processes, its file, and their end."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from itertools import takewhile
from typing import Any

import numpy as np
import pytest

from matinv import processes as child
from matinv.local import supervisor
from support.processes import SOON_S, alive, children, matinv, until

pytestmark = pytest.mark.deep

LOOPBACK = ("127.0.0.1", 0)


def test_up_serves_jobs_quietly_and_ends_in_order(
    tmp_path: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    env_file, log = tmp_path / "stack.env", tmp_path / "log"
    arguments = ["--env-file", str(env_file), "--log-file", str(log)]
    with matinv("local", "up", *arguments, stdout=subprocess.PIPE) as up:
        until(env_file.exists)
        script = f". {env_file}; echo '[[1, 2], [3, 4]]' | $0 -m matinv.cli submit - --wait"
        command = ["sh", "-c", script, sys.executable]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        processes = children(up.pid)
        assert len(processes) == 2
        up.send_signal(signal.SIGINT)
        assert up.wait(SOON_S) == 0
        assert not env_file.exists()
        assert not any(map(alive, processes))
        assert up.stdout
        assert up.stdout.read() == ""
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].endswith(f"; log: {log}")
    assert '"TerminalRecords":[1.0]' in log.read_text()


def test_ups_processes_do_not_outlive_it_when_it_is_killed(
    capfd: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--workers", "2", "--large-memory-mb", "2048"]
    with matinv("local", "up", *arguments, stdout=subprocess.PIPE) as up:
        assert up.stdout
        exports = takewhile(lambda line: "AWS_EC2_METADATA_DISABLED" not in line, up.stdout)
        assert any(line.startswith("export MATINV_LARGE_QUEUE_URL=") for line in [*exports])
        processes = children(up.pid)
        assert len(processes) == 4
        up.kill()
    until(lambda: not any(map(alive, processes)))
    capfd.readouterr()


def test_a_job_too_large_for_lambda_s_lanes_ends_through_the_one_behind_them(
    tmp_path: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """Lanes of 7, 12 and 840 MiB beyond an idle worker's 160; the last one alone has the 19."""
    env_file = tmp_path / "stack.env"
    for n in (8, 1024):
        rng = np.random.default_rng(n)
        np.save(tmp_path / f"n{n}.npy", rng.standard_normal((n, n)))
    small = ["--memory-mb", "167", "--large-memory-mb", "172", "--huge-memory-mb", "1000"]
    with matinv("local", "up", "--env-file", str(env_file), *small, stdout=subprocess.DEVNULL):
        until(env_file.exists)
        script = (
            f". {env_file}; cd {tmp_path}; "
            "$0 -m matinv.cli submit n8.npy n1024.npy --wait >/dev/null && "
            "$0 -m matinv.cli fetch n1024 -o got --verify && "
            "$0 -m matinv.cli status n1024 --output json"
        )
        done = subprocess.run(
            ["sh", "-c", script, sys.executable], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert (record["status"], record["input"]["shape"]) == ("SUCCEEDED", [1024, 1024])
    assert record["certificate"]["regular"] is True
    given, got = np.load(tmp_path / "n1024.npy"), np.load(tmp_path / "got" / "n1024.npy")
    assert np.abs(given @ got - np.eye(1024)).max() < 1e-6
    capfd.readouterr()


def test_a_port_that_is_taken_is_said_and_another_one_serves(
    tmp_path: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    env_file = tmp_path / "stack.env"
    arguments = ["local", "up", "--no-worker", "--env-file", str(env_file), "--port"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with matinv(*arguments, str(taken.getsockname()[1])) as up:
            assert up.wait(SOON_S) == 1
        assert capfd.readouterr().err.strip().endswith("choose another --port")
        with matinv(*arguments, "0", stdout=subprocess.DEVNULL):
            until(env_file.exists)
    capfd.readouterr()


def test_up_leaves_a_file_alone_that_it_did_not_write(
    tmp_path: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / ".env"
    mine.write_text("SECRET=1\n")
    with matinv("local", "up", "--env-file", str(mine)) as up:
        assert up.wait(SOON_S) == 1
    assert mine.read_text() == "SECRET=1\n"
    assert "did not write it" in capfd.readouterr().err


def test_up_replaces_the_file_of_an_earlier_run_that_was_killed(tmp_path: Any) -> None:
    path = tmp_path / "stack.env"
    notes: list[str] = []
    with supervisor.env_file(path, notes.append) as write, socket.create_server(LOOPBACK) as server:
        write(f"export AWS_ENDPOINT_URL=http://127.0.0.1:{server.getsockname()[1]}\n")
        left = path.read_text()
    assert not path.exists()
    assert notes == []
    path.write_text(left)
    with supervisor.env_file(path, notes.append):
        assert not path.exists()
    assert notes == [f"replacing {path}, which was left behind by a stack that was killed"]


def test_up_leaves_the_file_of_a_stack_that_runs(tmp_path: Any) -> None:
    path = tmp_path / "stack.env"
    with supervisor.env_file(path, print) as write, socket.create_server(LOOPBACK) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        write(f"export AWS_ENDPOINT_URL={url}\n")
        with (
            pytest.raises(FileExistsError, match=f"the stack that runs at {url}"),
            supervisor.env_file(path, print),
        ):
            pass
        assert url in path.read_text()


def test_a_worker_that_crashes_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[str]] = []
    notes: list[str] = []

    def start(_: object, **__: object) -> subprocess.Popen[str]:
        started.append(child_that_crashes())
        return started[-1]

    real_start = child.start

    def child_that_crashes() -> subprocess.Popen[str]:
        return real_start(["-c", "raise SystemExit(9)"])

    monkeypatch.setattr(child, "start", start)
    worker = supervisor.Kept("a worker", ["local", "worker"], {}, notes.append, log=sys.stderr)

    def tended() -> bool:
        worker.tend()
        return len(started) == 3

    until(tended)
    worker.stop()
    assert [note.split(";")[0] for note in notes] == ["a worker ended with code 9"] * 2
