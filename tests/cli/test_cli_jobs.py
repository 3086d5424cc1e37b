"""`matinv status`, `wait` and `list`."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import ArrayLike

from matinv.jobs.record import Status
from matinv.local.samples import npy_bytes
from support.memory_service import Cli, MemoryService, general

SINGULAR = [[1.0, 2.0], [2.0, 4.0]]
STACK = np.stack([np.eye(3), np.ones((3, 3))])


def test_status_is_a_table_in_the_order_asked_for(run: Cli, service: MemoryService) -> None:
    service.client.submit(general(4), job_id="good").wait()
    service.client.submit(SINGULAR, job_id="bad").wait()
    service.client.submit(general(200), job_id="new")
    result = run("status", "new", "bad", "good")
    assert (result.exit_code, result.stderr) == (0, "")
    head, *rows = result.stdout.splitlines()
    assert head.split() == [
        "JOB",
        "ID",
        "STATUS",
        "SHAPE",
        "DTYPE",
        "DIGITS",
        "RESIDUAL",
        "UPDATED",
        "SOURCE",
        "NOTE",
    ]
    assert [row.split()[:2] for row in rows] == [
        ["new", "QUEUED"],
        ["bad", "FAILED"],
        ["good", "SUCCEEDED"],
    ]
    assert "SINGULAR: the matrix is singular" in rows[1]
    assert "4 x 4" in rows[2]


@pytest.mark.way("memory", "an HTTP API does not say in which bucket a result is")
def test_status_as_json_says_all_that_the_record_says(run: Cli, service: MemoryService) -> None:
    service.client.submit(general(4), job_id="good", tags={"a": "b"}).wait()
    service.client.submit(SINGULAR, job_id="bad").wait()
    good, bad = map(
        json.loads, run("status", "good", "bad", "--output", "json").stdout.split("\n")[:2]
    )
    assert good["input"]["shape"] == [4, 4]
    assert good["input"]["bytes"] > 0
    assert good["result"]["inline"] is True
    assert good["certificate"]["checked"] == "full"
    assert good["tags"] == {"a": "b"}
    assert set(good["timings"]) >= {"queued_ms", "invert_ms"}  # as in the API
    assert bad["error"]["code"] == "SINGULAR"
    assert bad["error"]["retryable"] is False
    assert "result" not in bad


def test_status_of_an_unknown_id_exits_6_and_still_prints_the_others(
    run: Cli, service: MemoryService
) -> None:
    service.client.submit(general(4), job_id="good")
    result = run("status", "good", "typo")
    assert result.exit_code == 6
    assert "good" in result.stdout
    assert result.stderr.startswith("matinv: NOT_FOUND: typo: no such job; check the id")
    assert run("status", "typo").stdout == ""


def test_ids_come_from_stdin_too(run: Cli, service: MemoryService) -> None:
    for job_id in ("a", "b", "a b"):
        service.client.submit(general(4), job_id=job_id)
    result = run("wait", "-", "--output", "json", stdin="a b\r\n\nb\na b\n")
    assert result.exit_code == 0
    assert [json.loads(line)["job_id"] for line in result.stdout.splitlines()] == ["a b", "b"]


@pytest.mark.parametrize(
    ("matrices", "code"),
    [
        ({"good": np.eye(2)}, 0),
        ({"good": np.eye(2), "partial": STACK}, 4),
        ({"good": np.eye(2), "partial": STACK, "bad": SINGULAR}, 3),
    ],
)
def test_wait_exits_with_the_gravest_outcome(
    run: Cli, service: MemoryService, matrices: dict[str, ArrayLike], code: int
) -> None:
    for job_id, matrix in matrices.items():
        service.client.submit(matrix, job_id=job_id)
    result = run("wait", *matrices)
    assert (result.exit_code, result.stderr) == (code, "")
    assert len(result.stdout.splitlines()) == 1 + len(matrices)


def test_wait_exits_5_when_the_time_is_over(run: Cli, service: MemoryService) -> None:
    service.working = False
    service.client.submit(np.eye(2), job_id="slow")
    result = run("wait", "slow", "--timeout", "90s")
    assert result.exit_code == 5
    assert "QUEUED" in result.stdout
    assert (
        result.stderr == "matinv: TIMED_OUT: slow: not finished; it continues: matinv wait slow\n"
    )
    assert sum(service.pauses) == pytest.approx(90)


def test_wait_exits_6_for_an_id_that_nobody_knows(run: Cli, service: MemoryService) -> None:
    service.client.submit(np.eye(2), job_id="good")
    result = run("wait", "good", "typo")
    assert result.exit_code == 6
    assert "SUCCEEDED" in result.stdout
    assert "NOT_FOUND: typo" in result.stderr


def test_wait_any_prints_what_has_ended(run: Cli, service: MemoryService) -> None:
    service.client.submit(np.eye(2), job_id="done").wait()
    service.working = False
    service.client.submit(2 * np.eye(2), job_id="slow")
    result = run("wait", "--any", "slow", "done", "--output", "json")
    assert result.exit_code == 0
    assert [json.loads(line)["job_id"] for line in result.stdout.splitlines()] == ["done"]


def test_wait_shows_progress_on_a_terminal_s_stderr_only(
    run: Cli,
    service: MemoryService,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    terminal = SimpleNamespace(isatty=lambda: True)
    monkeypatch.setattr("matinv.cli.output.sys", SimpleNamespace(stderr=terminal))
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    service.client.submit(np.eye(2), job_id="a")
    result = run("wait", "a", "--output", "json")
    assert json.loads(result.stdout)["status"] == "SUCCEEDED"
    assert "waiting" in result.stderr


def test_ctrl_c_exits_130_and_says_that_jobs_go_on(run: Cli, service: MemoryService) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    service.client.submit(np.eye(2), job_id="a")
    service.on_sleep = interrupt
    result = run("wait", "a")
    assert result.exit_code == 130
    assert "matinv: INTERRUPTED: stopped by Ctrl-C; jobs that were submitted go on" in result.stderr


def test_list_is_newest_first_and_filters(run: Cli, service: MemoryService) -> None:
    for k, matrix in enumerate((np.eye(2), np.eye(3), np.array(SINGULAR))):
        service.client.submit(matrix, job_id=f"j{k}").wait()

    def ids(*args: str) -> list[str]:
        result = run("list", *args, "--output", "json")
        assert result.exit_code == 0
        return [json.loads(line)["job_id"] for line in result.stdout.splitlines()]

    assert ids() == ["j2", "j1", "j0"]
    assert ids("--limit", "1") == ["j2"]
    assert ids("--status", "succeeded") == ["j1", "j0"]
    assert ids("--status", "RUNNING") == []
    assert run("list").stdout.splitlines()[0].startswith("JOB ID")


def test_every_status_can_be_listed(run: Cli) -> None:
    for status in Status:
        assert run("list", "--status", status).exit_code == 0


# One id, by whatever name it is asked for

NAMES = ["eins zwei.npy", "eins zwei", "eins zwei.json"]


def dropped(service: MemoryService, key: str) -> None:
    service.store.upload(key, [npy_bytes(np.diag([2.0, 4.0]))], {})


@pytest.mark.parametrize("name", NAMES)
def test_a_dropped_file_is_found_by_each_of_its_names(
    run: Cli, service: MemoryService, name: str
) -> None:
    dropped(service, "eins zwei.npy")
    assert json.loads(run("status", name, "--output", "json").stdout)["status"] == "QUEUED"
    row = json.loads(run("wait", name, "--output", "json").stdout)
    assert (row["job_id"], row["status"]) == ("eins zwei", "SUCCEEDED")
    result = run("result", name, "--output", "json")
    assert json.loads(result.stdout)["inverse"] == [[0.5, 0.0], [0.0, 0.25]]
    assert service.client.job(name).status() is Status.SUCCEEDED


def test_a_file_has_the_same_id_whether_it_is_dropped_or_submitted(
    run: Cli, service: MemoryService
) -> None:
    np.save("a b+ü.npy", np.diag([2.0, 4.0]))
    submitted = run("submit", "a b+ü.npy", "--wait").stdout.strip()
    service.table.records.clear()
    dropped(service, "a b+ü.npy")
    service.work()
    assert [*service.table.records] == [submitted] == ["a b+ü"]


@pytest.mark.parametrize("key", ["a//b.npy", "größe\u0301 ½.npy", "x\u202ey.npy", ".npy"])
def test_a_key_that_is_no_id_is_found_by_key_and_by_the_id_it_got(
    run: Cli, service: MemoryService, key: str
) -> None:
    dropped(service, key)
    assert json.loads(run("status", key, "--output", "json").stdout)["status"] == "QUEUED"
    row = json.loads(run("wait", key, "--output", "json").stdout)
    assert row["input"]["source"] == f"s3://inputs/{key}"
    by_id = json.loads(run("status", row["job_id"], "--output", "json").stdout)
    assert by_id["status"] == "SUCCEEDED"


def test_a_file_named_on_a_mac_is_the_job_of_the_same_name_elsewhere(
    run: Cli, service: MemoryService
) -> None:
    dropped(service, "gro\u0308\u00dfe.npy")  # o and a combining diaeresis
    for name in ("gr\u00f6\u00dfe", "gro\u0308\u00dfe.npy"):
        assert json.loads(run("status", name, "--output", "json").stdout)["status"] == "QUEUED"
    service.work()
    assert json.loads(run("status", "gr\u00f6\u00dfe", "--output", "json").stdout)["status"] == (
        "SUCCEEDED"
    )


@pytest.mark.parametrize(
    "name", ["nobody", "nobody.npy", "a//nobody.npy", "../x", "x\ud800", "x" * 2000]
)
def test_a_name_that_nothing_is_known_of_is_not_queued(
    run: Cli, service: MemoryService, name: str
) -> None:
    assert run("status", name).exit_code == 6
    assert run("wait", name).exit_code == 6  # without a timeout
    assert sum(service.pauses) == pytest.approx(30, abs=6)


def test_the_list_shows_which_file_a_job_came_from(run: Cli, service: MemoryService) -> None:
    dropped(service, "a//b.npy")
    service.work()
    head, row = run("list").stdout.splitlines()
    assert "SOURCE" in head
    assert "s3://inputs/a//b.npy" in row


@pytest.mark.way("memory", "an HTTP API deletes nothing")
def test_delete_leaves_nothing_of_a_job(run: Cli, service: MemoryService) -> None:
    for job_id, matrix in (("small", general(4)), ("big", general(200)), ("bad", SINGULAR)):
        service.client.submit(matrix, job_id=job_id).wait()
    result = run("delete", "small", "big", "bad", "typo")
    assert (result.exit_code, result.stdout) == (6, "small\nbig\nbad\n")
    assert service.table.records == {}
    assert service.store.uris() == []
    assert run("status", "big").exit_code == 6


@pytest.mark.way("memory", "an HTTP API deletes nothing")
def test_delete_leaves_alone_what_has_not_ended_and_what_is_not_the_job_s_own(
    run: Cli, service: MemoryService
) -> None:
    service.client.submit(general(4), job_id="queued")
    assert run("delete", "queued").exit_code == 5
    assert "queued" in service.table.records
    service.store.upload("library/a.npy", [npy_bytes(general(4))], {})
    service.store.notifications.clear()
    service.queue.send('{"job_id": "x", "s3": {"bucket": "inputs", "key": "library/a.npy"}}')
    service.work()
    assert run("delete", "x", "--output", "json").stdout == '{"job_id": "x"}\n'
    assert service.store.uris() == ["s3://inputs/library/a.npy"]


@pytest.mark.way("memory", "an HTTP API deletes nothing")
def test_delete_leaves_a_newer_upload_which_is_a_job_to_come(
    run: Cli, service: MemoryService
) -> None:
    service.client.submit(general(200), job_id="a").wait()
    service.store.upload("a.npy", [npy_bytes(general(200, seed=1))], {})
    assert run("delete", "a").exit_code == 0
    assert run("wait", "a").exit_code == 0
    assert service.table.records["a"].revision == 1
