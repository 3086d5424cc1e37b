"""Sources become submissions, or are refused here with the code that the worker would give."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matinv.client import Client, prepare
from matinv.errors import Code, Refused
from matinv.jobs.request import Options
from matinv.linalg.types import Method
from matinv.local.samples import npy_bytes
from support.memory_service import general


def refusal(source: Any, **options: Any) -> Code:
    with pytest.raises(Refused) as caught:
        prepare(source, **options)
    return caught.value.code


def test_default_job_id_is_the_same_in_a_message_and_as_a_file() -> None:
    inline = prepare(general(155))
    uploaded = prepare(general(155), options=Options(tags={f"t{k}": "x" * 250 for k in range(7)}))
    assert inline.body is not None
    assert uploaded.body is None
    assert uploaded.job_id == inline.job_id


def test_default_job_id_of_integers_is_that_of_the_floats_that_the_worker_reads() -> None:
    integers = np.diag(np.arange(1, 201))
    assert prepare(integers).job_id == prepare(integers.astype(float)).job_id


@pytest.mark.parametrize("tags", [{"Team": "fem"}, {"team": "é"}, {"a\nb": "c"}])
def test_tag_that_s3_would_change_is_refused_for_a_file(tags: dict[str, str]) -> None:
    assert refusal(general(200), options=Options(tags=tags)) is Code.BAD_MESSAGE


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ([[1, 2, 3], [4, 5, 6]], Code.NOT_SQUARE),
        ([[1, 2], [3]], Code.RAGGED),
        (np.zeros((0, 0)), Code.EMPTY),
        (3.0, Code.NOT_SQUARE),
        (np.array([[None]]), Code.NON_FINITE),
        (np.array([["x", 1]], object).reshape(1, 2)[:, :1], Code.UNSUPPORTED_DTYPE),
        (np.array([["1"]]), Code.UNSUPPORTED_DTYPE),
        (np.array([[True]]), Code.UNSUPPORTED_DTYPE),
        (np.zeros((1, 1), np.float16), Code.UNSUPPORTED_DTYPE),
        (np.zeros((2, 2), [("a", "f8")]), Code.UNSUPPORTED_DTYPE),
        (np.array([[2**53 + 1]]), Code.PRECISION),
        (b"", Code.BAD_FORMAT),
        (b"{", Code.BAD_FORMAT),
        (b'[[1]], "method": "pinv"', Code.BAD_FORMAT),
        (b'{"matrix": ' + b"[" * 100_000, Code.BAD_FORMAT),
        (b"\xff\xfe", Code.BAD_FORMAT),
        (b"[[1, 2], [3]]", Code.RAGGED),
        (b'{"s3": {"bucket": "inputs", "key": "a.npy"}}', Code.BAD_MESSAGE),
        (b'{"matrix": [[1]], "job_id": "../x"}', Code.BAD_JOB_ID),
        (b'{"matrix": [[1]], "unknown": 1}', Code.BAD_MESSAGE),
        (b"\x93NUMPY", Code.BAD_FORMAT),
    ],
)
def test_bad_matrix_is_refused_here_with_the_worker_s_code(source: Any, code: Code) -> None:
    assert refusal(source) is code


@pytest.mark.parametrize("job_id", ["", "../x", "a//b", "a\n", "a.npy", "x" * 513])
def test_bad_job_id_is_refused_here(job_id: str) -> None:
    assert refusal(np.eye(2), job_id=job_id) is Code.BAD_JOB_ID


@pytest.mark.parametrize("name", ["exp-42", "run 7 (final)", "größe", ".a", "матрица"])
def test_the_id_of_a_file_is_its_name_without_the_ending(tmp_path: Path, name: str) -> None:
    np.save(tmp_path / f"{name}.npy", np.eye(2))
    assert prepare(tmp_path / f"{name}.npy").job_id == name


def test_json_message_keeps_its_own_id_and_options_unless_told_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text('{"job_id": "own", "matrix": [[1]], "method": "spd", "output": "s3"}')
    own, given = prepare(path), prepare(path, "given", Options(Method.GENERAL))
    assert (own.job_id, own.options.method) == ("own", Method.SPD)
    assert (given.job_id, given.options.method, given.options.output) == ("given", "general", "s3")


@pytest.mark.parametrize(
    ("name", "own", "given"),
    [
        ("method", "pinv", "auto"),
        ("accuracy", "verified", "standard"),
        ("output", "s3", "auto"),
        ("format", "npy", "json"),
        ("on_ill_conditioned", "fail", "warn"),
    ],
)
def test_an_option_that_a_caller_names_wins_over_the_file_s_own_even_a_default(
    tmp_path: Path, name: str, own: str, given: str
) -> None:
    path, client = tmp_path / "a.json", Client.in_memory()
    path.write_text(json.dumps({"matrix": [[2, 1], [0, 4]], name: own}))
    assert client.submit(path, job_id="own").record().options[name] == own
    said = client.submit(path, job_id="said", **{name: given})
    assert said.record().options[name] == given


def test_an_archive_that_was_renamed_npy_is_sent_as_the_archive_that_it_is(tmp_path: Path) -> None:
    with (tmp_path / "a.npy").open("wb") as file:
        np.savez(file, a=np.eye(2) + 1)
    inverse = Client.in_memory().submit(tmp_path / "a.npy").result()
    assert np.allclose(inverse @ (np.eye(2) + 1), np.eye(2))


def test_missing_file_is_an_os_error_and_another_extension_bad_format(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        prepare(tmp_path / "none.npy")
    (tmp_path / "a.txt").write_text("1")
    assert refusal(tmp_path / "a.txt") is Code.BAD_FORMAT


def test_file_cut_short_is_refused_by_its_header(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(npy_bytes(general(300))[:-1])
    assert refusal(tmp_path / "a.npy") is Code.BAD_LENGTH
