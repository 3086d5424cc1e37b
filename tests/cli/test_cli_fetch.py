"""`matinv fetch`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from support.memory_service import Cli, MemoryService, general

SINGULAR = [[1.0, 2.0], [2.0, 4.0]]
STACK = np.stack([np.eye(3), np.ones((3, 3))])


@pytest.fixture
def jobs(service: MemoryService) -> dict[str, np.ndarray]:
    """Some jobs that have ended well: results in records and results in S3, JSON and npy."""
    matrices = {"fem/7/a": general(4), "fem/7/b": general(200, 1), "c": general(3, 2)}
    for job_id, matrix in matrices.items():
        service.client.submit(matrix, job_id=job_id, tags={"set": "x"}).wait()
    service.client.submit([[2.0]], job_id="json", format="json").wait()
    return matrices


def downloads(service: MemoryService) -> int:
    return service.store.calls["results"]


def test_each_result_is_a_file_where_its_input_was(
    run: Cli, jobs: dict[str, np.ndarray], tmp_path: Path
) -> None:
    result = run("fetch", *jobs, "json", "-o", "out")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("matinv: out: 4 jobs: 4 fetched (0.3 MB fetched)")
    for job_id, matrix in jobs.items():
        found = np.load(tmp_path / "out" / f"{job_id}.npy")
        np.testing.assert_allclose(found @ matrix, np.eye(len(matrix)), atol=1e-9)
    assert json.loads((tmp_path / "out" / "json.json").read_text())["inverse"] == [[0.5]]


def test_jobs_are_chosen_by_tag_and_by_prefix(
    run: Cli, jobs: dict[str, np.ndarray], tmp_path: Path
) -> None:
    assert run("fetch", "--prefix", "fem/", "-o", "p").exit_code == 0
    assert sorted(file.name for file in (tmp_path / "p").rglob("*.npy")) == ["a.npy", "b.npy"]
    assert run("fetch", "--tag", "set=x", "-o", "t").exit_code == 0
    assert len([*(tmp_path / "t").rglob("*.npy")]) == 3
    assert run("fetch", "--tag", "set=x", "--prefix", "c", "-o", "both").exit_code == 0
    assert len([*(tmp_path / "both").rglob("*.npy")]) == 1


def test_ids_come_from_stdin_too(run: Cli, jobs: dict[str, np.ndarray], tmp_path: Path) -> None:
    assert run("fetch", "-", "-o", "out", stdin="c\njson\n").exit_code == 0
    assert len([*(tmp_path / "out").iterdir()]) == 2


def test_the_same_command_goes_on_where_it_was_stopped(
    run: Cli, jobs: dict[str, np.ndarray], tmp_path: Path, service: MemoryService
) -> None:
    run("fetch", *jobs, "-o", "out")
    (tmp_path / "out" / "c.npy").unlink()
    (tmp_path / "out" / "fem" / "7" / "a.npy").write_bytes(b"half a file")
    right = (tmp_path / "out" / "fem" / "7" / "b.npy").stat()
    before = downloads(service)
    result = run("fetch", *jobs, "-o", "out")
    assert "2 fetched" in result.stderr
    assert "1 were there" in result.stderr
    assert (tmp_path / "out" / "fem" / "7" / "b.npy").stat().st_mtime_ns == right.st_mtime_ns
    assert downloads(service) == before  # the one in S3 was there
    for job_id in jobs:
        content = (tmp_path / "out" / f"{job_id}.npy").read_bytes()
        found = service.table.records[job_id].result
        assert found is not None
        assert hashlib.sha256(content).hexdigest() == found.sha256


def test_results_can_be_written_in_another_format(
    run: Cli, jobs: dict[str, np.ndarray], tmp_path: Path
) -> None:
    assert run("fetch", *jobs, "json", "-o", "out", "--format", "npz").exit_code == 0
    assert len([*(tmp_path / "out").rglob("*.npz")]) == 4
    inverse = np.load(tmp_path / "out" / "json.npz")["inverse"]
    assert inverse.tolist() == [[0.5]]


def test_one_job_of_each_kind_says_what_became_of_it(run: Cli, service: MemoryService) -> None:
    service.client.submit(SINGULAR, job_id="bad").wait()
    service.client.submit(STACK, job_id="half").wait()
    service.client.submit(general(4), job_id="good").wait()
    assert run("fetch", "good", "half", "-o", "out").exit_code == 4
    service.client.submit(general(3), job_id="waiting")
    ids = ("good", "half", "bad", "waiting", "typo")
    result = run("fetch", *ids, "-o", "out", "--output", "json")
    assert result.exit_code == 6
    assert "matinv: SINGULAR: bad: " in result.stderr
    assert "matinv: PARTIAL: half: 1 of 2 slices failed" in result.stderr
    assert "matinv: NOT_FINISHED: job waiting is QUEUED" in result.stderr
    assert "matinv: NOT_FOUND: typo: no such job" in result.stderr
    last = result.stderr.splitlines()[-1]
    for part in ("5 jobs", "2 were there", "1 failed", "1 not ended", "1 unknown"):
        assert part in last
    rows = {row["job_id"]: row for row in map(json.loads, result.stdout.splitlines())}
    assert rows["good"] == {
        "job_id": "good",
        "status": "SUCCEEDED",
        "file": "out/good.npy",
        "fetched": False,
    }
    assert rows["bad"]["error"]["code"] == "JOB_FAILED"
    assert run("fetch", "bad", "good", "-o", "out").exit_code == 3
    assert run("fetch", "waiting", "good", "-o", "out").exit_code == 5


def test_verify_holds_each_result_against_its_input(
    run: Cli, service: MemoryService, tmp_path: Path
) -> None:
    for name, matrix in (("in/a", general(4)), ("in/deep/b", general(200, 1))):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / f"{name}.npy", matrix)
    assert run("submit", "in", "--prefix", "study/1", "--wait").exit_code == 0
    ids = ("study/1/a", "study/1/deep/b")
    result = run("fetch", *ids, "-o", "out", "--verify", "--inputs", "in")
    assert (result.exit_code, "2 fetched" in result.stderr) == (0, True)
    assert run("fetch", *ids, "-o", "out", "--verify", "--inputs", "in").exit_code == 0
    np.save(tmp_path / "in" / "a.npy", 2 * general(4))
    result = run("fetch", *ids, "-o", "other", "--verify", "--inputs", "in")
    assert (result.exit_code, "NOT_VERIFIED" in result.stderr) == (1, True)
    assert [file.name for file in (tmp_path / "other").rglob("*.*")] == ["b.npy"]


def test_verify_without_the_matrix_of_a_message_says_so(run: Cli, service: MemoryService) -> None:
    service.client.submit(general(4), job_id="a").wait()
    result = run("fetch", "a", "-o", "out", "--verify")
    assert (result.exit_code, "pass the matrix that was sent" in result.stderr) == (1, True)


def test_nothing_is_written_outside_of_the_folder(
    run: Cli, service: MemoryService, tmp_path: Path
) -> None:
    for job_id in ("link/a", "link/b/c", "ok"):
        service.client.submit(general(3), job_id=job_id).wait()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "link").symlink_to(tmp_path / "elsewhere")
    result = run("fetch", "link/a", "link/b/c", "ok", "-o", "out")
    assert result.exit_code == 1
    assert result.stderr.count("has no place in out") == 2
    assert [*(tmp_path / "elsewhere").iterdir()] == []
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"link", "ok.npy"}


def test_a_file_that_cannot_be_written_hinders_no_other(
    run: Cli, service: MemoryService, tmp_path: Path
) -> None:
    ids = ("x.NPY/b", "long/" + 100 * "é" + 80 * "x", "ok")
    for job_id in ids:
        service.client.submit(general(3), job_id=job_id).wait()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x.NPY").write_bytes(b"a file where a folder should be")
    result = run("fetch", *ids, "-o", "out")
    assert (result.exit_code, "1 fetched" in result.stderr) == (1, True)
    assert result.stderr.count("cannot be written") == 2
    assert (tmp_path / "out" / "ok.npy").exists()


@pytest.mark.way("memory", "the memory backend fails on demand")
def test_ctrl_c_leaves_no_half_file(run: Cli, service: MemoryService, tmp_path: Path) -> None:
    for number in range(40):
        service.client.submit(general(200, number), job_id=f"j{number}").wait()

    def interrupt(moment: str) -> None:
        if moment == "results:before" and downloads(service) > 10:
            raise KeyboardInterrupt

    service.store.fail = interrupt
    ids = [f"j{number}" for number in range(40)]
    assert run("fetch", *ids, "-o", "out").exit_code == 130
    service.store.fail = None
    there = [*(tmp_path / "out").iterdir()]
    assert 0 < len(there) < 40
    for file in there:
        assert np.load(file).shape == (200, 200)
    before = downloads(service)
    assert run("fetch", *ids, "-o", "out").exit_code == 0
    assert len([*(tmp_path / "out").iterdir()]) == 40
    assert downloads(service) - before == 40 - len(there)


@pytest.mark.way("memory", "the memory backend holds what is stored")
def test_a_result_that_was_changed_in_the_bucket_is_not_written(
    run: Cli, service: MemoryService, tmp_path: Path
) -> None:
    service.client.submit(general(200), job_id="a").wait()
    record = service.table.records["a"]
    assert record.result is not None
    wrong = replace(record.result, sha256=64 * "0")
    service.table.records["a"] = replace(record, result=wrong)
    for options in ([], ["--verify"], ["--format", "json"]):
        found = run("fetch", "a", "-o", "out", *options)
        assert (found.exit_code, "NOT_VERIFIED" in found.stderr) == (1, True)
        assert [*(tmp_path / "out").iterdir()] == []


@pytest.mark.parametrize("arguments", [[], ["a", "--tag", "x=y"], ["a", "--inputs", "."]])
def test_what_cannot_be_asked_is_a_usage_error(run: Cli, arguments: list[str]) -> None:
    assert run("fetch", *arguments, "-o", "out").exit_code == 2


def test_the_folder_has_to_be_a_folder(run: Cli, tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"")
    assert run("fetch", "a", "-o", "out").exit_code == 2
