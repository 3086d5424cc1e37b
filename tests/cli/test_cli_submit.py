"""`matinv submit`."""

from __future__ import annotations

import json
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from matinv.errors import Code, Transient
from matinv.jobs.record import Status
from matinv.local.samples import npy_bytes
from support.memory_service import Cli, MemoryService, general


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> Path:
    """Some matrices to submit, in the directory where commands run."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    np.save(tmp_path / "a.npy", general(4))
    np.save(tmp_path / "big.npy", general(200))
    (tmp_path / "b.json").write_text("[[2, 0], [0, 4]]")
    np.save(tmp_path / "deep" / "c.npy", general(3))
    np.save(tmp_path / "deep" / "er" / "c d.npy", general(3, 1))
    (tmp_path / "deep" / "readme.txt").write_text("not a matrix")
    (tmp_path / "deep" / ".hidden.npy").write_bytes(b"")
    (tmp_path / "wide.json").write_text("[[1, 2, 3], [4, 5, 6]]")
    (tmp_path / "short.npy").write_bytes(npy_bytes(general(4))[:-1])
    (tmp_path / "singular.json").write_text("[[1, 2], [2, 4]]")
    return tmp_path


def test_ids_alone_are_on_stdout_one_per_line(run: Cli, service: MemoryService) -> None:
    result = run("submit", "a.npy", "b.json", "big.npy")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "a\nb\nbig\n", "")
    assert len(service.queue.sent) == 2
    assert service.store.uris() == ["s3://inputs/big.npy"]


def test_json_output_is_one_object_per_job(run: Cli) -> None:
    result = run("submit", "a.npy", "b.json", "--output", "json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert lines == [{"job_id": "a", "sent": True}, {"job_id": "b", "sent": True}]


@pytest.mark.parametrize(("given", "seconds"), [("90", 90), ("2h", 7200), ("0.5s", 1)])
def test_a_job_expires_after_the_time_that_is_named(
    run: Cli, service: MemoryService, given: str, seconds: int
) -> None:
    assert run("submit", "a.npy", "big.npy", "--expires-in", given).exit_code == 0
    assert json.loads(service.queue.sent[0])["expires_in_s"] == seconds
    reference = service.store.find_input("big.npy")
    assert reference
    with service.store.open(reference) as blob:
        assert blob.metadata["matinv-expires-in-s"] == str(seconds)


@pytest.mark.parametrize("given", ["0", "15d", "soon"])
def test_a_time_that_no_message_may_have_is_refused(
    run: Cli, service: MemoryService, given: str
) -> None:
    assert run("submit", "a.npy", "--expires-in", given).exit_code in {2, 7}
    assert service.queue.sent == []


def test_directory_stands_for_the_matrices_in_it_and_below(run: Cli) -> None:
    result = run("submit", "deep")
    assert result.stdout == "c\ner/c d\n"


def test_pattern_that_the_shell_left_alone_is_expanded(run: Cli) -> None:
    assert run("submit", "deep/**/*.npy").stdout == "c\nc d\n"


def test_path_given_twice_is_one_job(run: Cli) -> None:
    assert run("submit", "a.npy", "a.npy").stdout == "a\n"


@pytest.mark.parametrize("content", [b"[[2, 0], [0, 4]]", npy_bytes(np.diag([2.0, 4.0]))])
def test_matrix_on_stdin_has_the_id_of_its_content(
    run: Cli, service: MemoryService, content: bytes
) -> None:
    result = run("submit", "-", stdin=content)
    assert result.exit_code == 0
    assert result.stdout.startswith("sha256-")
    service.work()
    assert service.table.records[result.stdout.strip()].status is Status.SUCCEEDED


def test_large_matrix_on_stdin_is_uploaded(run: Cli, service: MemoryService) -> None:
    result = run("submit", "-", "--job-id", "x", stdin=npy_bytes(general(200)))
    assert result.stdout == "x\n"
    assert service.store.uris() == ["s3://inputs/x.npy"]


def test_job_id_and_options_reach_the_record(run: Cli, service: MemoryService) -> None:
    result = run(
        *("submit", "singular.json", "--job-id", "exp/1", "--method", "pinv"),
        *("--output-to", "s3", "--format", "npy", "--on-ill-conditioned", "fail"),
        *("--tag", "team=fem", "--tag", "Run=a=b"),
    )
    assert result.stdout == "exp/1\n"
    assert json.loads(service.queue.sent[0])["on_ill_conditioned"] == "fail"
    service.work()
    record = service.table.records["exp/1"]
    assert record.tags == {"team": "fem", "Run": "a=b"}
    assert record.result is not None
    assert record.result.uri is not None
    assert record.result.format == "npy"
    assert record.certificate is not None
    assert record.certificate.method == "pinv"


def test_bad_file_is_refused_and_nothing_is_sent(run: Cli, service: MemoryService) -> None:
    result = run("submit", "a.npy", "wide.json", "short.npy")
    assert (result.exit_code, result.stdout) == (7, "")
    first, second, last = result.stderr.splitlines()
    assert first.startswith("matinv: NOT_SQUARE: wide.json: ")
    assert "found: (2, 3); allowed: (n, n) or (k, n, n)" in first
    assert second.startswith("matinv: BAD_LENGTH: short.npy: ")
    assert "2 of 3 inputs cannot be sent, and nothing was" in last
    assert service.queue.sent == []


def test_keep_going_sends_the_good_ones_and_still_exits_7(run: Cli, service: MemoryService) -> None:
    result = run("submit", "a.npy", "wide.json", "--keep-going")
    assert (result.exit_code, result.stdout) == (7, "a\n")
    assert len(service.queue.sent) == 1


def test_two_files_with_one_id_are_a_conflict(run: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[[1]]")
    result = run("submit", "a.npy", "a.json")
    assert result.exit_code == 7
    assert "JOB_ID_CONFLICT: a.json: a.npy has the same job id (found: a)" in result.stderr


def test_job_id_of_another_input_is_a_conflict(run: Cli, service: MemoryService) -> None:
    assert run("submit", "a.npy", "--wait").exit_code == 0
    result = run("submit", "b.json", "a.npy", "big.npy", "--job-id", "a")
    assert result.exit_code == 2
    result = run("submit", "b.json", "--job-id", "a")
    assert result.exit_code == 7
    assert "JOB_ID_CONFLICT" in result.stderr
    assert service.queue.sent == []


def test_dry_run_checks_and_plans_and_sends_nothing(run: Cli, service: MemoryService) -> None:
    result = run("submit", "a.npy", "big.npy", "--dry-run", "--output", "json")
    assert result.exit_code == 0
    small, big = map(json.loads, result.stdout.splitlines())
    assert (small["as"], big["as"]) == ("message", "file")
    assert big == {
        "job_id": "big",
        "as": "file",
        "format": "npy",
        "shape": [200, 200],
        "dtype": "float64",
        "bytes": 320128,
    }
    assert service.queue.sent == []
    assert service.store.uris() == []
    assert service.table.calls == {}
    assert run("submit", "wide.json", "--dry-run").exit_code == 7
    assert "200 x 200" in run("submit", "big.npy", "--dry-run").stdout


def test_skip_done_sends_only_what_has_not_succeeded(run: Cli, service: MemoryService) -> None:
    run("submit", "a.npy", "big.npy", "--wait")
    uploads = service.store.calls["upload"]
    result = run("submit", "--skip-done", "a.npy", "big.npy", "b.json")
    assert sorted(result.stdout.split()) == ["a", "b", "big"]
    assert service.store.calls["upload"] == uploads
    assert len(service.queue.sent) == 1


def test_job_that_succeeded_before_is_told_on_stderr(run: Cli, service: MemoryService) -> None:
    run("submit", "a.npy", "--wait")
    result = run("submit", "a.npy")
    assert (result.exit_code, result.stdout) == (0, "a\n")
    assert "matinv: ENDED: a: " in result.stderr
    assert service.queue.sent == []


def test_job_that_failed_before_is_done_again(run: Cli, service: MemoryService) -> None:
    run("submit", "singular.json", "--wait")
    assert run("submit", "singular.json", "--wait").exit_code == 3
    assert [letter.error_code for letter in service.queue.dead] == ["SINGULAR", "SINGULAR"]
    result = run("submit", "singular.json", "--method", "pinv", "--wait")
    assert (result.exit_code, result.stderr) == (0, "matinv: 1 succeeded\n")


def test_wait_prints_ids_and_says_that_all_is_well(run: Cli) -> None:
    result = run("submit", "a.npy", "b.json", "--wait")
    assert (result.exit_code, result.stdout) == (0, "a\nb\n")
    assert result.stderr == "matinv: 2 succeeded\n"


def test_wait_with_json_output_prints_records(run: Cli) -> None:
    result = run("submit", "a.npy", "--wait", "--output", "json")
    assert json.loads(result.stdout)["status"] == "SUCCEEDED"


def test_wait_exits_3_if_a_job_fails(run: Cli) -> None:
    result = run("submit", "a.npy", "singular.json", "--wait")
    assert (result.exit_code, result.stdout) == (3, "a\nsingular\n")
    assert result.stderr.startswith("matinv: SINGULAR: singular: the matrix is singular")
    assert "allowed: full rank" in result.stderr


def test_wait_exits_4_if_a_stack_is_partial(run: Cli, tmp_path: Path) -> None:
    np.save(tmp_path / "stack.npy", np.stack([np.eye(3), np.ones((3, 3))]))
    result = run("submit", "stack.npy", "--wait")
    assert result.exit_code == 4
    assert "matinv: PARTIAL: stack: 1 of 2 slices failed" in result.stderr


def test_wait_exits_5_when_the_time_is_over(run: Cli, service: MemoryService) -> None:
    service.working = False
    result = run("submit", "a.npy", "--wait", "--timeout", "2m")
    assert (result.exit_code, result.stdout) == (5, "a\n")
    assert "matinv: TIMED_OUT: a: not finished" in result.stderr
    assert sum(service.pauses) == pytest.approx(120)


def test_part_that_is_away_is_an_error_of_its_own(run: Cli, service: MemoryService) -> None:
    def fail(moment: str) -> None:
        if moment == "send:before":
            raise Transient(Code.STORAGE, "the queue did not answer", "try again")

    service.queue.fail = fail
    result = run("submit", "a.npy", "big.npy")
    assert (result.exit_code, result.stdout) == (1, "big\n")
    assert result.stderr == "matinv: STORAGE: a: the queue did not answer; try again\n"


def test_many_files_are_sent_in_chunks(
    run: Cli, service: MemoryService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("matinv.cli.commands.submit._CHUNK", 3)
    (tmp_path / "many").mkdir()
    for k in range(10):
        (tmp_path / "many" / f"m{k}.json").write_text(f"[[{k + 1}]]")
    result = run("submit", "many")
    assert result.stdout.split() == [f"m{k}" for k in range(10)]
    assert len(service.queue.sent) == 10


@pytest.mark.parametrize(
    ("args", "found"),
    [
        (("a.npy", "b.json", "--job-id", "x"), "--job-id is for a single matrix (found 2)"),
        (("a.npy", "--timeout", "5s"), "--timeout without --wait"),
        (("a.npy", "--wait", "--timeout", "soon"), "'soon' is not a duration (allowed: 90, 90s"),
        (("a.npy", "--tag", "team"), "'team' is not a tag (allowed: key=value)"),
        (("a.npy", "--method", "lu"), "'lu' is not one of 'auto', 'general', 'spd', 'pinv'"),
        (("*.mat",), "no file matches *.mat"),
        (("empty",), "file in empty or below"),
        ((), "Missing argument 'PATH...'"),
    ],
)
def test_wrong_command_line_exits_2(
    run: Cli, tmp_path: Path, args: tuple[str, ...], found: str
) -> None:
    (tmp_path / "empty").mkdir()
    result = run("submit", *args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("matinv: USAGE: ")
    assert found in result.stderr
    assert result.stderr.endswith("see: matinv submit --help\n")


def test_file_that_is_not_there_exits_1(run: Cli) -> None:
    result = run("submit", "none.npy")
    assert result.exit_code == 1
    assert result.stderr.startswith("matinv: FILE: none.npy: No such file or directory; ")


@pytest.mark.parametrize("job_id", ["../x", "a\nb", "a.npy", "\u202ea"])
def test_bad_job_id_is_refused(run: Cli, job_id: str) -> None:
    result = run("submit", "a.npy", "--job-id", job_id)
    assert result.exit_code == 7
    assert result.stderr.startswith("matinv: BAD_JOB_ID: a.npy: ")
    assert len(result.stderr.splitlines()) == 2


# One job is one question: other content, or other options, never take its id unasked


@pytest.mark.parametrize("n", [3, 200], ids=["small", "large"])
def test_two_folders_with_the_same_names_do_not_overwrite_each_other(
    run: Cli, service: MemoryService, tmp_path: Path, n: int
) -> None:
    for number, patient in enumerate(["patientA", "patientB"]):
        (tmp_path / patient).mkdir()
        np.save(tmp_path / patient / "cov0.npy", general(n, number))
    assert run("submit", "patientA", "--wait").stdout == "cov0\n"
    before = service.client.job("cov0").result()
    sent = len(service.store.uris())
    refused = run("submit", "patientB")
    assert (refused.exit_code, refused.stdout) == (7, "")
    assert "JOB_ID_CONFLICT" in refused.stderr
    assert (service.queue.sent, len(service.store.uris())) == ([], sent)
    assert np.array_equal(service.client.job("cov0").result(), before)
    below = run("submit", "patientB", "--prefix", "study/B", "--wait")
    assert (below.exit_code, below.stdout) == (0, "study/B/cov0\n")
    replaced = run("submit", "patientB", "--replace", "--wait")
    assert (replaced.exit_code, replaced.stdout) == (0, "cov0\n")
    inverse = service.client.job("cov0").result()
    assert np.allclose(inverse @ general(n, 1), np.eye(n))


@pytest.mark.parametrize("n", [3, 200], ids=["small", "large"])
def test_what_is_done_is_skipped_by_its_content(
    run: Cli, service: MemoryService, tmp_path: Path, n: int
) -> None:
    np.save(tmp_path / "m.npy", general(n))
    run("submit", "m.npy", "--wait")
    uploads = len(service.store.notifications)
    again = run("submit", "m.npy", "--skip-done")
    assert (again.exit_code, again.stdout, again.stderr) == (0, "m\n", "")
    assert (service.queue.sent, len(service.store.notifications)) == ([], uploads)
    np.save(tmp_path / "m.npy", general(n, 1))
    assert run("submit", "m.npy", "--skip-done").exit_code == 7
    assert run("submit", "m.npy", "--skip-done", "--replace", "--wait").exit_code == 0
    assert np.allclose(service.client.job("m").result() @ general(n, 1), np.eye(n))


@pytest.mark.parametrize("n", [3, 200], ids=["small", "large"])
def test_other_options_under_a_known_id_are_refused_by_name(
    run: Cli, service: MemoryService, tmp_path: Path, n: int
) -> None:
    np.save(tmp_path / "m.npy", general(n))
    run("submit", "m.npy", "--wait")
    refused = run("submit", "m.npy", "--method", "pinv")
    assert refused.exit_code == 7
    assert "method: pinv" in refused.stderr
    assert "method: auto" in refused.stderr
    assert run("submit", "m.npy", "--method", "pinv", "--replace", "--wait").exit_code == 0
    certificate = service.client.job("m").record().certificate
    assert certificate
    assert certificate.method == "pinv"


def test_a_prefix_that_no_id_can_begin_with_is_refused(run: Cli) -> None:
    assert "BAD_JOB_ID" in run("submit", "a.npy", "--prefix", "../x").stderr


@pytest.mark.way("memory", "an HTTP API lets nobody read inputs: it refuses, and loses nothing")
@pytest.mark.parametrize("name", ["a.npy", "big.npy", "b.json"])
def test_a_file_that_was_put_there_by_other_means_is_known_by_its_content(
    run: Cli, service: MemoryService, files: Path, name: str
) -> None:
    content = (files / name).read_bytes()
    service.store.upload(name, [content], {})
    service.work()
    job_id = name.partition(".")[0]
    before = service.table.records[job_id]
    assert (before.status, before.input.content) == (Status.SUCCEEDED, None)
    for options in ([], ["--skip-done"], ["--dry-run"]):
        result = run("submit", name, *options)
        assert result.exit_code == 0, result.stderr
        assert (service.queue.sent, service.store.notifications) == ([], [])
    assert service.table.records[job_id] == before
    other = npy_bytes(2 * general(200, 9)) if name == "big.npy" else b"[[7, 1], [2, 9]]"
    other = npy_bytes(np.array([[7.0, 1.0], [2.0, 9.0]])) if name == "a.npy" else other
    (files / name).write_bytes(other)
    for options in ([], ["--skip-done"]):
        assert run("submit", name, *options).exit_code == 7
    (files / name).write_bytes(content)
    refused = run("submit", name, "--on-ill-conditioned", "fail")
    assert (refused.exit_code, "on_ill_conditioned: fail" in refused.stderr) == (7, True)


@pytest.mark.way("memory", "an HTTP API lets nobody read inputs")
def test_a_file_that_was_put_there_and_waits_is_not_sent_again(
    run: Cli, service: MemoryService, files: Path
) -> None:
    service.store.upload("big.npy", [(files / "big.npy").read_bytes()], {})
    with mock.patch.object(service.store, "open", side_effect=Transient(Code.THROTTLED, "slow")):
        service.work()
    assert service.table.records["big"].status is Status.RETRYING
    versions = len(service.store._versions["s3://inputs/big.npy"])
    assert run("submit", "big.npy").exit_code == 0
    assert len(service.store._versions["s3://inputs/big.npy"]) == versions


@pytest.mark.parametrize("n", [2, 120], ids=["message", "file"])
def test_an_option_on_the_command_line_wins_over_the_file_s_own_even_a_default(
    run: Cli, service: MemoryService, n: int
) -> None:
    own = {"accuracy": "verified", "method": "general", "output": "s3"}
    Path("own.json").write_text(json.dumps(own | {"matrix": general(n).tolist()}))
    given = {"accuracy": "standard", "method": "auto", "output-to": "auto"}
    for name, value in given.items():
        result = run("submit", "own.json", "--job-id", f"with-{name}", f"--{name}", value, "--wait")
        assert result.exit_code == 0, result.output
        options = service.table.records[f"with-{name}"].options
        said = {name.removesuffix("-to"): value}
        assert {key: options[key] for key in own} == own | said
    assert run("submit", "own.json", "--wait").exit_code == 0
    assert service.table.records["own"].options.items() >= own.items()
