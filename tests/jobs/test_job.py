from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinv.errors import Code, ErrorInfo
from matinv.formats.names import Format
from matinv.jobs.ids import hashed_id, job_id_of_key, matrix_digest, valid_job_id
from matinv.jobs.ownership import Claim, claim
from matinv.jobs.record import InputInfo, Record, Status
from matinv.jobs.request import Inline, Options, Reference, Request, input_info, opened

OLD = InputInfo("s3://inputs/a.npy", "version:1", order="01")
NEW = replace(OLD, id="version:2", order="02")
MESSAGE = InputInfo("message", "sha256:1")
OTHER_MESSAGE = InputInfo("message", "sha256:2")
UNREAD = InputInfo("s3://inputs/a.npy", "")

ENDED = [Status.SUCCEEDED, Status.PARTIAL, Status.FAILED]
GOING_ON = [Status.QUEUED, Status.RUNNING, Status.RETRYING]


def record(status: Status, input_: InputInfo = OLD, **fields: Any) -> Record:
    failed = {"error": ErrorInfo(Code.SINGULAR, "singular")} if status is Status.FAILED else {}
    times = {"created_at": "then", "updated_at": "then", "expires_at": 0}
    return Record(job_id="a", status=status, input=input_, **{**times, **failed, **fields})


# Who owns a job id


def test_a_job_without_a_record_is_anyone_s() -> None:
    for input_ in (OLD, MESSAGE, UNREAD):
        assert claim(None, input_, 0) is Claim.WORK


@pytest.mark.parametrize("status", ENDED)
def test_an_input_whose_job_has_ended_is_a_duplicate(status: Status) -> None:
    for input_ in (OLD, MESSAGE):
        assert claim(record(status, input_), input_, 0) is Claim.DUPLICATE


@pytest.mark.parametrize("status", GOING_ON)
def test_an_input_whose_job_has_not_ended_is_worked_on_again(status: Status) -> None:
    for input_ in (OLD, MESSAGE):
        assert claim(record(status, input_), input_, 0) is Claim.WORK


def test_a_failure_that_may_pass_is_reopened_by_any_delivery() -> None:
    failed = record(Status.FAILED, error=ErrorInfo(Code.THROTTLED, "slow down"))

    assert claim(failed, OLD, 0) is Claim.WORK


@pytest.mark.parametrize("input_", [OLD, NEW, MESSAGE, OTHER_MESSAGE, UNREAD])
def test_a_permanent_failure_is_reopened_by_each_redrive_once(input_: InputInfo) -> None:
    failed = record(Status.FAILED)

    assert claim(failed, input_, 1) is Claim.WORK
    assert claim(replace(failed, redrive=1), OLD, 1) is Claim.DUPLICATE
    assert claim(replace(failed, redrive=1), input_, 2) is Claim.WORK


def test_not_even_a_redrive_lets_an_older_upload_win() -> None:
    assert claim(record(Status.FAILED, NEW), OLD, 1) is Claim.STALE
    assert claim(record(Status.FAILED, NEW), replace(OLD, order=None), 1) is Claim.CONFLICT
    assert claim(record(Status.FAILED, OLD), NEW, 1) is Claim.WORK


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.PARTIAL])
def test_what_has_succeeded_is_never_reopened(status: Status) -> None:
    assert claim(record(status), OLD, 7) is Claim.DUPLICATE
    assert claim(record(status, MESSAGE), OTHER_MESSAGE, 7) is Claim.CONFLICT


@pytest.mark.parametrize("status", list(Status))
def test_a_newer_upload_supersedes_and_an_older_is_stale(status: Status) -> None:
    assert claim(record(status, OLD), NEW, 0) is Claim.WORK
    assert claim(record(status, NEW), OLD, 0) is Claim.STALE


@pytest.mark.parametrize("status", list(Status))
def test_another_input_conflicts(status: Status) -> None:
    elsewhere = replace(NEW, source="s3://inputs/a.json")
    named_by_message = replace(NEW, order=None)

    assert claim(record(status, MESSAGE), OTHER_MESSAGE, 0) is Claim.CONFLICT
    assert claim(record(status, MESSAGE), NEW, 0) is Claim.CONFLICT
    assert claim(record(status, OLD), MESSAGE, 0) is Claim.CONFLICT
    assert claim(record(status, OLD), elsewhere, 0) is Claim.CONFLICT
    assert claim(record(status, OLD), named_by_message, 0) is Claim.CONFLICT
    assert claim(record(status, named_by_message), OLD, 0) is Claim.CONFLICT


@pytest.mark.parametrize("status", ENDED)
def test_an_unread_object_of_an_ended_job_decides_once_it_is_open(status: Status) -> None:
    assert claim(record(status, OLD), UNREAD, 0) is Claim.UNDECIDED


# What an input is


def test_an_inline_matrix_is_known_by_its_content() -> None:
    array = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    info = input_info(Request("a", Inline(array, Format.JSON, 16), Options()))

    assert info == InputInfo(
        "message", f"sha256:{matrix_digest(array)}", None, 16, (2, 2), "float32"
    )


@pytest.mark.parametrize(
    ("version_id", "etag", "identity"),
    [
        ("v1", "e1", "version:v1"),
        ("v1", None, "version:v1"),
        (None, "e1", "etag:e1"),
        ("null", "e1", "etag:e1"),
        ("null", None, ""),
        (None, None, ""),
    ],
)
def test_an_object_is_known_by_its_version_or_etag(
    version_id: str | None, etag: str | None, identity: str
) -> None:
    reference = Reference("inputs", "run/a b.npy", version_id, etag, order="01")
    info = input_info(Request("a", reference))

    assert info == InputInfo("s3://inputs/run/a b.npy", identity, "01")


def test_opening_an_object_completes_what_is_known_and_changes_nothing_else() -> None:
    assert opened(UNREAD, "v7", "e", 160) == replace(UNREAD, id="version:v7", size_bytes=160)
    assert opened(UNREAD, None, "e", 160).id == "etag:e"
    assert opened(OLD, "v7", "e", 160) == replace(OLD, size_bytes=160)


# Ids and digests


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
