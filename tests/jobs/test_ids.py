"""Job ids of names and keys, and digests of matrices."""

from __future__ import annotations

import hashlib
import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinv.jobs.ids import hashed_id, job_id_of_key, matrix_digest, valid_job_id


@pytest.mark.parametrize("text", ["a", "0", "exp-42", "a/b", "a.b_c-d/E", "x" * 128, "a.", "a-"])
def test_a_valid_job_id(text: str) -> None:
    assert valid_job_id(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "-a", "_a", "/a", "a/", "a//b", "a..b", "../a", "a/../b", "x" * 129, "a b"),
        *("a\n", "é", "\u0430", "\u0661", "a\x00", "a:b", "a\\b", "a%2Fb", "a\u200b"),
    ],
)
def test_an_invalid_job_id(text: str) -> None:
    assert not valid_job_id(text)


@given(st.text(max_size=12))
def test_a_valid_job_id_is_plain_ascii(text: str) -> None:
    if valid_job_id(text):
        assert text.isascii()
        assert text.isprintable()
        assert json.dumps(text) == f'"{text}"'


@pytest.mark.parametrize(
    ("key", "job_id"),
    [
        ("exp-1.npy", "exp-1"),
        ("exp-1.JSON", "exp-1"),
        ("run/7/a.b.npy", "run/7/a.b"),
        ("run.7/a.npy", "run.7/a"),
        ("plain", "plain"),
        ("run/plain", "run/plain"),
    ],
)
def test_the_job_id_of_a_file_is_its_key_without_the_extension(key: str, job_id: str) -> None:
    assert job_id_of_key(key) == job_id


@pytest.mark.parametrize(
    "key", ["my matrix.npy", "größe.npy", "a//b.npy", "/a.npy", ".npy", "x" * 200, "_a.npy"]
)
def test_a_key_that_makes_no_job_id_is_hashed(key: str) -> None:
    job_id = job_id_of_key(key)

    assert valid_job_id(job_id)
    assert job_id.startswith("sha256-")


def test_both_formats_of_one_name_are_one_job_also_when_hashed() -> None:
    assert job_id_of_key("my matrix.npy") == job_id_of_key("my matrix.json")
    assert job_id_of_key("my matrix.npy") == hashed_id(b"my matrix")
    assert hashed_id(b"") == "sha256-e3b0c44298fc1c149afbf4c8996fb924"


def test_the_digest_of_a_matrix_is_that_of_its_values_and_type() -> None:
    matrix = np.array([[1.0, 2.0], [3.0, 4.0]])
    same = [
        np.asfortranarray(matrix),
        matrix.astype(">f8"),
        np.kron(matrix, np.ones((2, 2)))[::2, ::2],
    ]
    others = [
        matrix.T,
        -matrix,
        matrix[None],
        matrix.astype(np.float32),
        matrix.astype(np.complex128),
        np.where(matrix == 1, -0.0, matrix),
        np.where(matrix == 1, 0.0, matrix),
    ]

    assert {matrix_digest(array) for array in same} == {matrix_digest(matrix)}
    assert len({matrix_digest(array) for array in [matrix, *others]}) == 1 + len(others)
    content = b"<f8(2, 2)" + struct.pack("<4d", 1, 2, 3, 4)
    assert matrix_digest(matrix) == hashlib.sha256(content).hexdigest()
