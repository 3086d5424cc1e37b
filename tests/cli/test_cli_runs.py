"""A run from end to end: `matinv submit DIR`, and `--run` of the other commands."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.memory_service import Cli, MemoryService, general

SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])


@pytest.fixture(autouse=True)
def study(tmp_path: Path) -> Path:
    """A folder of matrices, one of them singular and one no matrix, and files of other kinds."""
    folder = tmp_path / "study"
    (folder / "s1").mkdir(parents=True)
    for k in range(5):
        np.save(folder / "s1" / f"cov{k}.npy", general(4, k))
    np.save(folder / "big.npy", general(200))
    np.save(folder / "singular.npy", SINGULAR)
    np.save(folder / "wide.npy", np.ones((2, 3)))
    for name in ("notes.txt", "table.csv", "other.csv", "Makefile", ".DS_Store", "s1/_SUCCESS"):
        (folder / name).write_text("")
    return folder


def sent(run: Cli, *options: str) -> Any:
    return run("submit", "study", "--keep-going", *options)


def test_a_directory_is_a_run_and_the_last_line_says_what_was_sent_and_what_was_not(
    run: Cli, service: MemoryService
) -> None:
    result = sent(run)
    assert result.exit_code == 7
    assert len(result.stdout.splitlines()) == 7
    last = result.stderr.splitlines()[-1]
    assert last.startswith("matinv: run study: 8 files: 7 sent, 1 refused; passed over: ")
    for part in ("2 .csv", "1 .txt", "1 Makefile", "1 .DS_Store", "1 _SUCCESS"):
        assert part in last
    service.work()
    assert {record.run for record in service.table.records.values()} == {"study"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--run", "fem/7"], "fem/7"),
        (["--prefix", "lab/1"], "lab"),
        (["--prefix", "lab/1", "--run", "fem"], "fem"),
    ],
)
def test_the_run_is_as_named_or_the_first_folder_of_the_ids(
    run: Cli, service: MemoryService, options: list[str], expected: str
) -> None:
    sent(run, *options)
    service.work()
    assert {record.run for record in service.table.records.values()} == {expected}


def test_a_name_that_no_run_can_have_is_refused(run: Cli, service: MemoryService) -> None:
    result = sent(run, "--run", "a//b")
    assert (result.exit_code, "not a valid name of a run" in result.stderr) == (7, True)
    assert service.table.records == {}


def test_wait_ends_with_the_sums(run: Cli) -> None:
    result = sent(run, "--wait")
    assert result.stderr.splitlines()[-1] == "matinv: run study: 6 succeeded, 1 failed, 1 refused"


def test_what_was_done_before_is_counted(run: Cli) -> None:
    sent(run, "--wait")
    last = sent(run, "--skip-done").stderr.splitlines()[-1]
    assert "8 files: 1 sent, 6 done before, 1 refused" in last


def test_status_of_a_run_counts_its_jobs(run: Cli, service: MemoryService) -> None:
    sent(run)
    queued = run("status", "--run", "study")
    assert queued.exit_code == 0
    if isinstance(service.queue.sent, list) and service.store.notifications:
        assert "queued" in queued.stdout
    service.now_s += 10
    service.work()
    result = run("status", "--run", "study")
    first, time, failed = result.stdout.splitlines()
    assert first == "run study: 7 jobs: 6 succeeded, 1 failed"
    assert re.fullmatch(r"  from [\d-]{10}T[\d:]{8}Z to [\d-]{10}T[\d:]{8}Z", time)
    assert failed == "  failed: SINGULAR 1"
    document = json.loads(run("status", "--run", "study", "--output", "json").stdout)
    assert document["counts"] == {"SUCCEEDED": 6, "FAILED": 1}
    assert document["failures"] == {"SINGULAR": 1}
    assert not {"rate_per_s", "eta_s"} & document.keys()


@pytest.mark.way("memory", "records of a client's uploads are the API's own")
def test_a_run_is_whole_before_a_worker_has_seen_it(run: Cli, service: MemoryService) -> None:
    sent(run)
    assert run("status", "--run", "study").stdout.startswith("run study: 7 jobs: 7 queued")
    service.work()
    assert service.table.records["big"].status == "SUCCEEDED"
    assert service.table.records["big"].input.shape == (200, 200)


def test_time_to_go_is_said_while_jobs_are_open(run: Cli, service: MemoryService) -> None:
    for k in range(4):
        service.client.submit(general(3, k), job_id=f"r/{k}")
    first = service.queue.sent.pop()
    service.now_s += 6
    service.work()
    service.queue.sent.append(first)
    text = run("status", "--run", "r").stdout
    assert "1 queued, 3 succeeded" in text
    assert "0.5 jobs a second, about 2 s to go" in text


def test_the_rate_of_a_run_that_was_sent_again_is_that_of_now(
    run: Cli, service: MemoryService
) -> None:
    for k in range(20):
        service.client.submit(general(3, k), job_id=f"r/{k}")
    service.work()
    service.now_s += 86_400
    for k in range(20, 28):
        service.client.submit(general(3, k), job_id=f"r/{k}")
    left = [service.queue.sent.pop() for _ in range(4)]
    service.now_s += 2
    service.work()
    service.queue.sent += left
    text = run("status", "--run", "r").stdout
    assert "run r: 28 jobs: 4 queued, 24 succeeded\n  2 jobs a second, about 2 s to go" in text


def test_warnings_of_a_run_are_counted(run: Cli, service: MemoryService) -> None:
    for n in (12, 13):
        hilbert = 1 / np.add.outer(np.arange(1.0, n + 1), np.arange(n))
        service.client.submit(hilbert, job_id=f"r/{n}")
    service.client.submit(general(3), job_id="r/good")
    service.work()
    assert run("status", "--run", "r").stdout.endswith("\n  warnings: ILL_CONDITIONED 2\n")
    document = json.loads(run("status", "--run", "r", "--output", "json").stdout)
    assert document["warnings"] == {"ILL_CONDITIONED": 2}


def test_an_unknown_run_exits_6(run: Cli) -> None:
    for line in (["status"], ["wait"], ["fetch", "-o", "out"]):
        result = run(*line, "--run", "typo")
        assert (result.exit_code, "NOT_FOUND: typo: no such run" in result.stderr) == (6, True)


def test_wait_for_a_run_ends_with_it(run: Cli, service: MemoryService) -> None:
    sent(run)
    result = run("wait", "--run", "study")
    assert (result.exit_code, result.stderr) == (3, "")
    assert result.stdout.startswith("run study: 7 jobs: 6 succeeded, 1 failed")


def test_wait_for_a_run_gives_up_in_time(run: Cli, service: MemoryService) -> None:
    service.client.submit(general(3), job_id="r/a")
    service.working = False
    result = run("wait", "--run", "r", "--timeout", "20s")
    assert (result.exit_code, "TIMED_OUT: run r: not finished" in result.stderr) == (5, True)
    assert sum(service.pauses) == pytest.approx(20)


@pytest.mark.way("memory", "its calls are counted")
def test_waiting_for_a_run_costs_the_same_whatever_its_jobs(
    run: Cli, service: MemoryService
) -> None:
    for k in range(300):
        service.client.submit(general(1, k), job_id=f"r/{k}")
    before = sum(service.table.calls.values())
    service.working = False
    run("wait", "--run", "r", "--timeout", "60s")
    assert sum(service.table.calls.values()) - before < 30
    assert service.table.calls["get"] == 300


def test_a_run_is_fetched_into_a_folder(run: Cli, tmp_path: Path) -> None:
    sent(run, "--wait")
    result = run("fetch", "--run", "study", "-o", "out", "--verify", "--inputs", "study")
    assert result.exit_code == 3
    assert result.stderr.splitlines()[-1].startswith("matinv: out: 7 jobs: ")
    files = {
        file.relative_to(tmp_path / "out").as_posix() for file in (tmp_path / "out").rglob("*.npy")
    }
    assert files == {"big.npy", *(f"s1/cov{k}.npy" for k in range(5))}


def test_list_chooses_and_counts(run: Cli, service: MemoryService) -> None:
    sent(run, "--wait", "--tag", "team=fem")
    service.now_s += 3600
    service.client.submit(general(3), job_id="new").wait()
    service.client.submit(2 * SINGULAR, job_id="r/bad").wait()

    def ids(*options: str) -> set[str]:
        lines = run("list", "--output", "json", *options).stdout.splitlines()
        return {json.loads(line)["job_id"] for line in lines}

    covs = {f"s1/cov{k}" for k in range(5)}
    assert ids("--run", "study") == {*covs, "big", "singular"}
    assert ids("--run", "study", "--status", "failed") == {"singular"}
    assert ids("--run", "study", "--prefix", "s1/") == covs
    assert ids("--tag", "team=fem") == {*covs, "big", "singular"}
    assert ids("--prefix", "s1/") == covs
    assert ids("--since", "10m") == {"new", "r/bad"}
    assert ids("--code", "singular") == {"singular", "r/bad"}
    assert ids("--code", "SINGULAR", "--since", "10m") == {"r/bad"}
    assert ids("--code", "OVERFLOW") == set()
    assert "3 shown; run study: 7 jobs" in run("list", "--run", "study", "--limit", "3").stderr
    assert "3 shown, there may be more" in run("list", "--limit", "3").stderr
    assert run("list", "--limit", "50").stderr == ""


@pytest.mark.parametrize("name", ["run.jsonl", "run.csv"])
def test_the_manifest_says_what_became_of_each_file(
    run: Cli, tmp_path: Path, study: Path, name: str
) -> None:
    sent(run, "--wait", "--manifest", name)
    with (tmp_path / name).open(newline="") as file:
        rows: list[dict[str, Any]] = (
            list(csv.DictReader(file)) if name.endswith("csv") else [*map(json.loads, file)]
        )
    lines = {row["file"]: row for row in rows}
    assert len(lines) == len(rows) == 8
    good = lines["study/s1/cov3.npy"]
    assert good["job_id"] == "s1/cov3"
    assert good["sha256"] == hashlib.sha256((study / "s1" / "cov3.npy").read_bytes()).hexdigest()
    assert good["status"] == "SUCCEEDED"
    assert float(good["digits"]) > 10
    bad = lines["study/singular.npy"]
    assert (bad["status"], bad["error_code"]) == ("FAILED", "SINGULAR")
    wide = lines["study/wide.npy"]
    assert (wide["status"], wide["error_code"]) == ("REFUSED", "NOT_SQUARE")
    assert lines["study/big.npy"]["uri"]


@pytest.mark.parametrize("name", ["run.jsonl", "run.csv"])
def test_a_manifest_is_fetched_and_verified_by_its_files(
    run: Cli, tmp_path: Path, name: str
) -> None:
    sent(run, "--prefix", "p/q", "--manifest", name)
    run("wait", "--run", "p")
    result = run("fetch", "--manifest", name, "-o", "out", "--verify")
    assert result.exit_code == 3
    assert len([*(tmp_path / "out" / "p" / "q").rglob("*.npy")]) == 6


@pytest.mark.parametrize("content", ["not json", "[1]\n", '{"job_id": "a"}\n', "\0"])
def test_what_is_no_manifest_is_said(run: Cli, tmp_path: Path, content: str) -> None:
    (tmp_path / "m.jsonl").write_text(content)
    result = run("fetch", "--manifest", "m.jsonl", "-o", "out")
    assert (result.exit_code, "is not a manifest" in result.stderr) == (2, True)


def test_the_manifest_is_written_even_if_nothing_is_sent(run: Cli, tmp_path: Path) -> None:
    result = run("submit", "study", "--manifest", "m.jsonl")
    assert result.exit_code == 7
    rows = [*map(json.loads, (tmp_path / "m.jsonl").read_text().splitlines())]
    assert [row["file"] for row in rows if row["status"] == "REFUSED"] == ["study/wide.npy"]
    assert {row["status"] for row in rows if "job_id" in row} == {"NOT_SENT"}
    assert len(rows) == 8


def test_the_manifest_of_a_refused_folder_still_names_the_jobs_of_the_last_time(
    run: Cli, service: MemoryService, tmp_path: Path
) -> None:
    sent(run)
    service.work()
    run("submit", "study", "--manifest", "m.jsonl")
    said = run("fetch", "--manifest", "m.jsonl", "-o", "out").stderr
    assert "6 fetched" in said
    assert "1 failed" in said


def test_a_manifest_without_a_job_is_no_choice_of_all_jobs(
    run: Cli, service: MemoryService, tmp_path: Path
) -> None:
    sent(run)
    service.work()
    (tmp_path / "none.jsonl").write_text("")
    result = run("fetch", "--manifest", "none.jsonl", "-o", "out")
    assert (result.exit_code, [*(tmp_path / "out").rglob("*.npy")]) == (0, [])
    assert "0 jobs" in result.stderr


def test_files_that_were_done_before_stand_in_the_manifest_as_ended(
    run: Cli, service: MemoryService, tmp_path: Path
) -> None:
    sent(run)
    service.work()
    sent(run, "--manifest", "m.jsonl")
    rows = [*map(json.loads, (tmp_path / "m.jsonl").read_text().splitlines())]
    assert {row["status"] for row in rows} == {"ENDED", "QUEUED", "REFUSED"}


def test_a_manifest_that_cannot_be_written_stops_the_command_before_the_work(
    run: Cli, service: MemoryService
) -> None:
    assert sent(run, "--manifest", "no/such/folder.csv").exit_code == 1
    assert service.table.records == {}


def test_jobs_are_cancelled_by_their_ids(run: Cli, service: MemoryService) -> None:
    service.client.submit(general(3), job_id="done").wait()
    service.client.submit(general(4), job_id="a")
    service.client.submit(general(5), job_id="b")
    result = run("cancel", "a", "done", "typo")
    assert (result.exit_code, result.stdout) == (6, "a\n")
    assert "done: it is SUCCEEDED already" in result.stderr
    assert "NOT_FOUND: typo" in result.stderr
    service.work()
    states = {job_id: str(record.status) for job_id, record in service.table.records.items()}
    assert states == {"done": "SUCCEEDED", "a": "CANCELLED", "b": "SUCCEEDED"}
    assert run("wait", "a").exit_code == 3


def test_a_run_is_cancelled_as_a_whole(run: Cli, service: MemoryService) -> None:
    sent(run, "--run", "r")
    service.client.submit(general(3), job_id="other")
    done = run("cancel", "--run", "r")
    assert done.exit_code == 0
    assert "matinv: run r: " in done.stderr
    service.work()
    assert service.table.records["other"].status == "SUCCEEDED"
    assert service.table.records["s1/cov0"].status == "CANCELLED"
    assert run("cancel", "--run", "typo").exit_code == 6


def test_files_whose_jobs_belong_to_another_run_are_counted_and_what_to_do_is_said(
    run: Cli, service: MemoryService
) -> None:
    sent(run)
    service.work()
    again = sent(run, "--run", "second", "--skip-done")
    assert again.stderr.splitlines()[-1] == (
        "matinv: run second: 6 of them belong to run study, and will: matinv fetch --run study, "
        "or submit them with --prefix second, as jobs of their own"
    )
    service.work()
    assert {entry.job_id for entry in service.table.run_entries("second")} == {"singular"}
    assert "belong" not in sent(run, "--prefix", "second").stderr


def test_a_conflict_names_the_run_that_has_the_id(run: Cli, tmp_path: Path) -> None:
    sent(run)
    np.save(tmp_path / "study" / "s1" / "cov0.npy", general(4, 9))
    refused = run("submit", "study/s1", "--prefix", "s1", "--run", "mine")
    assert refused.exit_code == 7
    said = "job id s1/cov0 belongs to another input, a matrix that came in a message, of run study"
    assert said in refused.stderr


@pytest.mark.way("memory", "a stack redrives all of its letters")
def test_a_folder_is_submitted_again_after_its_failures_were_redriven_with_other_options(
    run: Cli, service: MemoryService
) -> None:
    sent(run)
    service.work()
    assert run("dlq", "redrive", "--method", "pinv").exit_code == 0
    service.work()
    again = sent(run, "--skip-done", "--wait")
    assert "7 done before, 1 refused" in again.stderr
    assert "JOB_ID_CONFLICT" not in again.stderr
    named = sent(run, "--skip-done", "--method", "auto").stderr
    assert "(found: method: auto; allowed: method: pinv)" in named
    service.now_s += 1
    assert sent(run, "--replace", "--wait").exit_code == 7
    assert service.table.records["singular"].status == "FAILED"


@pytest.mark.way("memory", "jobs are deleted where the stack is")
def test_a_run_is_deleted_as_a_whole_but_for_what_has_not_ended(
    run: Cli, service: MemoryService
) -> None:
    sent(run)
    service.work()
    service.working = False
    service.client.submit(general(3), job_id="later", run="study")
    result = run("delete", "--run", "study")
    assert (result.exit_code, len(result.stdout.splitlines())) == (5, 7)
    assert "later" in result.stderr
    assert result.stderr.splitlines()[-1] == "matinv: run study: 7 of 8 jobs deleted"
    assert [*service.table.records] == ["later"]
    assert run("delete", "--run", "typo").exit_code == 6


def test_what_nothing_is_chosen_by_is_said(run: Cli, service: MemoryService) -> None:
    sent(run)
    service.work()
    for line in (["list", "--run", "typo"], ["fetch", "--prefix", "typo", "-o", "out"]):
        result = run(*line)
        assert (result.exit_code, result.stdout) == (6, "")
        assert "NOT_FOUND" in result.stderr
    assert not Path("out").exists()
