"""Archives by command, on the service in memory and through its HTTP API."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from matinv.cli.errors import Exit
from support.memory_service import Cli, MemoryService, general

STACK = np.stack([general(3), np.ones((3, 3)), general(3, 1)])


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> Path:
    (tmp_path / "runs").mkdir()
    np.savez(tmp_path / "runs" / "stack.npz", STACK)
    np.savez_compressed(tmp_path / "runs" / "one.npz", a=general(4))
    np.savez(tmp_path / "two.npz", w=np.ones(3), v=general(3))
    return tmp_path


def test_a_folder_s_archives_are_submitted_and_their_results_are_archives(
    run: Cli, service: MemoryService
) -> None:
    submitted = run("submit", "runs")
    assert (submitted.exit_code, submitted.stdout) == (0, "one\nstack\n")
    service.work()

    one = run("result", "one")
    assert one.exit_code == 0
    found = np.load(io.BytesIO(one.stdout_bytes), allow_pickle=False)
    np.testing.assert_allclose(found["inverse"], np.linalg.inv(general(4)), rtol=1e-9)
    assert found["error_code"] == ""

    checked = ["--verify", "--input", "runs/stack.npz"]
    assert run("result", "stack", "-o", "stack.npz", *checked).exit_code == Exit.PARTIAL
    found = np.load(io.BytesIO(Path("stack.npz").read_bytes()), allow_pickle=False)
    assert found["error_code"].tolist() == ["", "SINGULAR", ""]
    assert np.isfinite(found["digits"]).tolist() == [True, False, True]


@pytest.mark.parametrize(("name", "form"), [("a.npy", "npy"), ("a.json", "json"), ("a.npz", "npz")])
def test_a_result_is_had_in_any_format(
    run: Cli, service: MemoryService, name: str, form: str
) -> None:
    run("submit", "runs/one.npz")
    service.work()
    assert run("result", "one", "-o", name).exit_code == 0
    assert run("result", "one", "--output", form).stdout_bytes.rstrip(b"\n") == (
        Path(name).read_bytes().rstrip(b"\n")
    )


def test_any_matrix_s_result_may_be_an_archive(run: Cli, service: MemoryService) -> None:
    np.save("plain.npy", general(4))
    run("submit", "plain.npy", "--format", "npz")
    service.work()
    found = np.load(io.BytesIO(run("result", "plain").stdout_bytes), allow_pickle=False)
    figures = ["rcond", "residual", "digits", "log_abs_det", "sign"]
    assert found.files == ["inverse", *figures, "error_code"]


def test_an_archive_comes_by_a_pipe_too(run: Cli, service: MemoryService) -> None:
    content = Path("runs/one.npz").read_bytes()
    assert run("submit", "-", "--job-id", "piped", stdin=content).stdout == "piped\n"
    service.work()
    assert run("result", "piped", "--output", "npy").stdout_bytes[:6] == b"\x93NUMPY"


def test_several_arrays_are_refused_before_anything_is_sent(
    run: Cli, service: MemoryService
) -> None:
    result = run("submit", "runs", "two.npz")
    assert result.exit_code == Exit.REFUSED
    assert "two.npz: the archive holds several arrays (found: 2: w, v" in result.stderr
    assert service.store.uris() == []


def test_an_estimate_reads_the_header_inside(run: Cli) -> None:
    np.savez_compressed("large.npz", np.zeros((2000, 2000)))
    (row,) = run("estimate", "large.npz", "--output", "json").stdout.splitlines()
    assert '"shape":[2000,2000]' in row.replace(" ", "")
