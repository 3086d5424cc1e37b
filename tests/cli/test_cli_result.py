"""`matinv result`."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from matinv.local.samples import npy_bytes
from support.memory_service import Cli, MemoryService, general

SINGULAR = [[1.0, 2.0], [2.0, 4.0]]


def load(data: bytes) -> np.ndarray:
    array: np.ndarray = np.load(io.BytesIO(data))
    return array


@pytest.mark.parametrize("output", ["s3", "dynamodb"])
@pytest.mark.parametrize("form", ["npy", "json"])
def test_stdout_is_the_result_as_it_is_stored(
    run: Cli, service: MemoryService, output: str, form: str
) -> None:
    matrix = general(4)
    service.client.submit(matrix, job_id="a", output=output, format=form).wait()
    result = run("result", "a")
    assert (result.exit_code, result.stderr) == (0, "")
    if form == "npy":
        np.testing.assert_allclose(load(result.stdout_bytes), np.linalg.inv(matrix))
    else:
        document = json.loads(result.stdout)
        assert document["job_id"] == "a"
        assert document["certificate"]["residual"] < 30
        np.testing.assert_allclose(document["inverse"], np.linalg.inv(matrix))


@pytest.mark.parametrize("stored", ["npy", "json"])
@pytest.mark.parametrize("wanted", ["npy", "json", "text"])
@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_every_form_can_be_had_of_every_stored_one(
    run: Cli, service: MemoryService, stored: str, wanted: str, dtype: type
) -> None:
    job = service.client.submit(general(3).astype(dtype), job_id="a", format=stored)
    job.wait()
    data = run("result", "a", "--output", wanted).stdout_bytes
    if wanted == "npy":
        assert load(data).dtype == dtype
        assert (load(data) == job.result()).all()
    elif wanted == "json":
        document = json.loads(data)
        inverse = document["inverse"]
        if dtype is np.complex128:
            inverse = np.array(inverse["re"]) + 1j * np.array(inverse["im"])
        assert (np.array(inverse, dtype) == job.result()).all()
        assert document.keys() >= {"job_id", "certificate", "inverse"}
    else:
        assert data.decode() == f"{job.result()}\n"


@pytest.mark.parametrize(("name", "kind"), [("x.npy", "npy"), ("x.json", "json"), ("x", "npy")])
def test_file_s_name_chooses_the_form(
    run: Cli, service: MemoryService, tmp_path: Path, name: str, kind: str
) -> None:
    service.client.submit(general(3), job_id="a").wait()
    result = run("result", "a", "-o", name)
    assert (result.exit_code, result.stdout) == (0, "")
    data = (tmp_path / name).read_bytes()
    assert data.startswith(b"\x93NUMPY" if kind == "npy" else b'{"job_id"')
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o666 & ~current_umask()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_file_that_cannot_be_written_exits_1_and_leaves_nothing(
    run: Cli, service: MemoryService, tmp_path: Path
) -> None:
    service.client.submit(general(3), job_id="a").wait()
    result = run("result", "a", "-o", "no/such/x.npy")
    assert result.exit_code == 1
    assert result.stderr.startswith("matinv: FILE: ")
    assert list(tmp_path.iterdir()) == []


def test_write_that_fails_half_way_leaves_the_old_file_alone(
    run: Cli, service: MemoryService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device", str(target))

    service.client.submit(general(3), job_id="a").wait()
    (tmp_path / "x.npy").write_bytes(b"old")
    monkeypatch.setattr(Path, "replace", full)
    result = run("result", "a", "-o", "x.npy")
    assert result.exit_code == 1
    assert "FILE: x.npy: No space left on device" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]
    assert (tmp_path / "x.npy").read_bytes() == b"old"


def test_terminal_gets_text(
    run: Cli, service: MemoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.client.submit([[1, 2], [3, 4]], job_id="a").wait()
    buffer = io.BytesIO()
    terminal = SimpleNamespace(isatty=lambda: True, buffer=buffer)
    monkeypatch.setattr("matinv.cli.commands.result.sys", SimpleNamespace(stdout=terminal))
    assert run("result", "a").exit_code == 0
    assert buffer.getvalue().decode() == "[[-2.   1. ]\n [ 1.5 -0.5]]\n"


def test_partial_result_exits_4_and_holds_nan_or_null(run: Cli, service: MemoryService) -> None:
    stack = np.stack([np.eye(2), np.ones((2, 2))])
    for form in ("npy", "json"):
        service.client.submit(stack, job_id=form, format=form).wait()
    for job_id in ("npy", "json"):
        result = run("result", job_id, "--output", "npy")
        assert result.exit_code == 4
        assert np.isnan(load(result.stdout_bytes)).any(axis=(1, 2)).tolist() == [False, True]
        document = json.loads(run("result", job_id, "--output", "json").stdout)
        assert document["inverse"][1] is None
    assert "matinv: PARTIAL: json: 1 of 2 slices failed" in result.stderr


def test_failed_job_exits_3_with_its_error(run: Cli, service: MemoryService) -> None:
    service.client.submit(SINGULAR, job_id="bad").wait()
    result = run("result", "bad")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("matinv: SINGULAR: bad: the matrix is singular")
    assert "pinv" in result.stderr


def test_job_that_has_not_ended_exits_5_and_an_unknown_one_6(
    run: Cli, service: MemoryService
) -> None:
    service.client.submit(np.eye(2), job_id="new")
    result = run("result", "new")
    assert result.exit_code == 5
    assert result.stderr == (
        "matinv: NOT_FINISHED: job new is QUEUED; wait for it: matinv wait new\n"
    )
    result = run("result", "typo")
    assert result.exit_code == 6
    assert result.stderr.startswith("matinv: NOT_FOUND: no such job: typo; check the id")


@pytest.mark.way("memory", "an HTTP API gives another URL: test_cli_over_http.py")
def test_url_of_a_stored_result(run: Cli, service: MemoryService) -> None:
    service.client.submit(np.eye(2), job_id="a", output="s3").wait()
    result = run("result", "a", "--url", "--expires", "2h")
    assert result.exit_code == 0
    assert result.stdout.startswith("memory:s3://results/a/")
    assert "expires=7200" in result.stdout
    service.client.submit(np.eye(2), job_id="small").wait()
    result = run("result", "small", "--url")
    assert result.exit_code == 1
    assert "CLIENT: the result of job small is small" in result.stderr


@pytest.mark.way("memory", "an HTTP API shows no inputs: test_cli_over_http.py")
def test_verify_reads_the_uploaded_input(run: Cli, service: MemoryService) -> None:
    service.client.submit(general(200), job_id="a").wait()
    result = run("result", "a", "--verify", "-o", "x.npy")
    assert result.exit_code == 0
    assert "matinv: verified: a: SHA-256 " in result.stderr
    assert "(allowed: below 30)" in result.stderr


def test_verify_of_a_message_needs_the_file_that_was_sent(
    run: Cli, service: MemoryService, tmp_path: Path
) -> None:
    (tmp_path / "a.npy").write_bytes(npy_bytes(general(4)))
    (tmp_path / "b.npy").write_bytes(npy_bytes(general(4, 1)))
    (tmp_path / "c.json").write_text(json.dumps({"job_id": "x", "matrix": general(4).tolist()}))
    service.client.submit(tmp_path / "a.npy").wait()
    result = run("result", "a", "--verify")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "NOT_VERIFIED: the input of job a travelled inside a message" in result.stderr
    assert "--input FILE" in result.stderr
    assert run("result", "a", "--verify", "--input", "a.npy").exit_code == 0
    assert run("result", "a", "--verify", "--input", "c.json").exit_code == 0
    result = run("result", "a", "--verify", "--input", "b.npy")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "NOT_VERIFIED: the matrix is not the one" in result.stderr


@pytest.mark.parametrize(
    ("args", "found"),
    [
        (("--input", "x.npy"), "--input without --verify"),
        (("--url", "--expires", "30d"), "--expires is out of range (found 2.592e+06 s; allowed"),
        (("--output", "csv"), "'csv' is not one of"),
    ],
)
def test_wrong_command_line_exits_2(
    run: Cli, tmp_path: Path, args: tuple[str, ...], found: str
) -> None:
    (tmp_path / "x.npy").write_bytes(b"")
    result = run("result", "a", *args)
    assert result.exit_code == 2
    assert found in result.stderr
