from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinv.errors import Code, ErrorInfo, MatinvError, Refused
from matinv.formats.codecs import Format, format_of_key
from matinv.jobs.ids import hashed_id, matrix_digest
from matinv.jobs.message import options_of_metadata, parse_file, parse_message
from matinv.jobs.request import Inline, Options, Output, Reference, Request
from matinv.linalg.types import Method, OnIllConditioned
from support.examples import examples

MATRIX = np.array([[1.0, 2.0], [3.0, 4.0]])
DROPPED = Request("exp-1", Reference("inputs", "exp-1.json", order="1"), Options(Method.SPD))


def body_of(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def with_matrix(**fields: Any) -> bytes:
    return body_of(matrix=[[1, 2], [3, 4]], **fields)


def npy_text(array: Any = MATRIX) -> str:
    file = io.BytesIO()
    np.save(file, array)
    return base64.b64encode(file.getvalue()).decode()


def accepted(body: bytes) -> Request:
    content = parse_message(body).content
    assert isinstance(content, Request), content
    return content


def refused(body: bytes) -> ErrorInfo:
    content = parse_message(body).content
    assert isinstance(content, Refused), content
    return content.info


def inline(body: bytes) -> Inline:
    content = accepted(body).input
    assert isinstance(content, Inline)
    return content


# The examples of the design


def test_the_shortest_message_is_a_matrix() -> None:
    request = accepted(b'{"matrix": [[1, 2], [3, 4]]}')

    assert request.options == Options()
    assert request.redrive == 0
    assert request.job_id.startswith("sha256-")
    assert len(request.job_id) == len("sha256-") + 32
    given_input = inline(b'{"matrix": [[1, 2], [3, 4]]}')
    assert np.array_equal(given_input.array, MATRIX)
    assert (given_input.format, given_input.size_bytes) == (Format.JSON, 16)


def test_a_message_may_say_everything() -> None:
    request = accepted(
        with_matrix(
            v=1,
            job_id="exp-42",
            method="spd",
            output="s3",
            format="npy",
            on_ill_conditioned="fail",
            tags={"team": "fem", "Größe": ""},
            redrive=2,
        )
    )

    assert request.job_id == "exp-42"
    assert request.redrive == 2
    assert request.options == Options(
        Method.SPD,
        Output.S3,
        Format.NPY,
        OnIllConditioned.FAIL,
        {"team": "fem", "Größe": ""},
    )


def test_a_npy_file_travels_as_base64() -> None:
    given_input = inline(body_of(job_id="exp-43", npy=npy_text(MATRIX.astype(np.float32))))

    assert np.array_equal(given_input.array, MATRIX)
    assert given_input.array.dtype == np.float32
    assert (given_input.format, given_input.size_bytes) == (Format.NPY, 192)


def test_a_reference_names_an_object_by_its_plain_key() -> None:
    request = accepted(
        body_of(job_id="exp-44", s3={"bucket": "b", "key": "a+b%20.npy", "version_id": "v"})
    )

    assert request.input == Reference("b", "a+b%20.npy", "v")
    assert accepted(body_of(s3={"bucket": "b", "key": "run/7.npy"})).job_id == "run/7"
    assert accepted(body_of(s3={"bucket": "b", "key": "k", "version_id": None})).input == (
        Reference("b", "k")
    )


def test_a_complex_matrix_travels_in_two_parts() -> None:
    given_input = inline(
        b'{"job_id": "exp-45", "matrix": {"re": [[1, 0], [0, 1]], "im": [[0, 1], [-1, 0]]}}'
    )

    assert np.array_equal(given_input.array, [[1, 1j], [-1j, 1]])
    assert given_input.size_bytes == len("[[1, 0], [0, 1]]") + len("[[0, 1], [-1, 0]]")


# The table of bad messages


@pytest.mark.parametrize(
    ("code", "body"),
    [
        (Code.BAD_MESSAGE, b""),
        (Code.BAD_MESSAGE, b" \n "),
        (Code.BAD_MESSAGE, b"hello"),
        (Code.BAD_MESSAGE, with_matrix()[:-1]),
        (Code.BAD_MESSAGE, with_matrix()[:-4]),
        (Code.BAD_MESSAGE, with_matrix() * 2),
        (Code.BAD_MESSAGE, b'{"matrix": [[1, 2], [3, 4]],}'),
        (Code.BAD_MESSAGE, b'{"matrix": [[1, 2], [3, 4],]}'),
        (Code.BAD_MESSAGE, b"{'matrix': [[1, 2], [3, 4]]}"),
        (Code.BAD_MESSAGE, b'{"matrix": [[NaN, 2], [3, 4]]}'),
        (Code.BAD_MESSAGE, b'{"matrix": [[1, 2], [3, 4]], "v": NaN}'),
        (Code.BAD_MESSAGE, b"\xef\xbb\xbf" + with_matrix()),
        (Code.BAD_MESSAGE, with_matrix().decode().encode("utf-16")),
        (Code.BAD_MESSAGE, b'{"matrix": [[1]], "tags": {"a": "\\ud800"}}'),
        (Code.BAD_MESSAGE, b'{"matrix": [[1]], "tags": {"a": "\xed\xa0\x80"}}'),
        (Code.BAD_MESSAGE, b'{"matrix": [[1]], "tags": {"a": "\xff"}}'),
        (Code.BAD_MESSAGE, b'{"matrix": [[1]], "tags": {"a": "\n"}}'),
        (Code.BAD_MESSAGE, b"[" * 100_000),
        (Code.BAD_MESSAGE, b'{"matrix": ' + b"[" * 1000 + b"1" + b"]" * 1000 + b"}"),
        (Code.BAD_MESSAGE, b'{"matrix": ' + b"[" * 1000 + b'"1"' + b"]" * 1000 + b"}"),
        (Code.BAD_MESSAGE, b'{"a":' * 1000 + b"1" + b"}" * 1000),
        (Code.BAD_MESSAGE, b'{"a":' * 5000 + b"1" + b"}" * 5000),
        (Code.BAD_MESSAGE, b"null"),
        (Code.BAD_MESSAGE, b"7"),
        (Code.BAD_MESSAGE, b'"x"'),
        (Code.BAD_MESSAGE, b"true"),
        (Code.BAD_MESSAGE, b"[1, 2, 3]"),
        (Code.BAD_MESSAGE, b"[[1, 2], [3, 4]]"),
        (Code.BAD_MESSAGE, b"{}"),
        (Code.BAD_MESSAGE, b'{"job_id": "x"}'),
        (Code.BAD_MESSAGE, b'{"matrix": [[1]], "matrix": [[2]]}'),
        (Code.BAD_MESSAGE, b'{"matrix": [[1]], "m\\u0061trix": [[2]]}'),
        (Code.BAD_MESSAGE, b'{"v": 1, "matrix": [[1]], "v": 1}'),
        (Code.BAD_MESSAGE, b'{"matrix": [[1]], "tags": {"a": "1", "a": "2"}}'),
        (Code.BAD_MESSAGE, b'{"matrix": {"re": [[1]], "im": [[1]], "re": [[1]]}}'),
        (Code.BAD_MESSAGE, b'{"matrix": {"re": [[1]], "\\u0069m": [0], "im": [0]}}'),
        (Code.NOT_SQUARE, b'{"matrix": {"re": [[1]], "\\u0069m": [0]}}'),
        (Code.BAD_MESSAGE, with_matrix(unknown=1)),
        (Code.BAD_MESSAGE, with_matrix(Method="spd")),
        (Code.BAD_MESSAGE, with_matrix(s3={"bucket": "b", "key": "k"})),
        (Code.BAD_MESSAGE, with_matrix(npy=npy_text())),
        (Code.BAD_MESSAGE, with_matrix(npy=None)),
        (Code.BAD_MESSAGE, body_of(matrix=None)),
        (Code.BAD_MESSAGE, body_of(matrix=None, npy=npy_text())),
        (Code.BAD_MESSAGE, body_of(npy=None)),
        (Code.BAD_MESSAGE, body_of(s3=None)),
        (Code.BAD_MESSAGE, body_of(matrix=5)),
        (Code.BAD_MESSAGE, body_of(matrix="[[1]]")),
        (Code.BAD_MESSAGE, body_of(matrix={})),
        (Code.BAD_MESSAGE, body_of(matrix={"re": [[1]]})),
        (Code.BAD_MESSAGE, body_of(npy=[1])),
        (Code.BAD_MESSAGE, body_of(s3="s3://bucket/key")),
        (Code.BAD_MESSAGE, body_of(s3={"bucket": "b"})),
        (Code.BAD_MESSAGE, body_of(s3={"bucket": "", "key": "k"})),
        (Code.BAD_MESSAGE, body_of(s3={"bucket": "b", "key": ""})),
        (Code.BAD_MESSAGE, body_of(s3={"bucket": "b", "key": "k" * 1025})),
        (Code.BAD_MESSAGE, body_of(s3={"bucket": "b", "key": 7})),
        (Code.BAD_MESSAGE, body_of(s3={"bucket": "b", "key": "k", "region": "r"})),
        (Code.BAD_MESSAGE, with_matrix(v=True)),
        (Code.BAD_MESSAGE, with_matrix(v="1")),
        (Code.BAD_MESSAGE, with_matrix(v=1.0)),
        (Code.BAD_MESSAGE, with_matrix(v=None)),
        (Code.UNSUPPORTED_VERSION, with_matrix(v=99)),
        (Code.UNSUPPORTED_VERSION, with_matrix(v=0)),
        (Code.UNSUPPORTED_VERSION, b'{"v": 2, "what": "ever", "job_id": "../x"}'),
        (Code.BAD_MESSAGE, with_matrix(method="lu")),
        (Code.BAD_MESSAGE, with_matrix(method="AUTO")),
        (Code.BAD_MESSAGE, with_matrix(method=None)),
        (Code.BAD_MESSAGE, with_matrix(method=["auto"])),
        (Code.BAD_MESSAGE, with_matrix(output="disk")),
        (Code.BAD_MESSAGE, with_matrix(format="csv")),
        (Code.BAD_MESSAGE, with_matrix(format=None)),
        (Code.BAD_MESSAGE, with_matrix(on_ill_conditioned=True)),
        (Code.BAD_MESSAGE, with_matrix(redrive=0)),
        (Code.BAD_MESSAGE, with_matrix(redrive=True)),
        (Code.BAD_MESSAGE, with_matrix(redrive=1.5)),
        (Code.BAD_MESSAGE, with_matrix(redrive=10**30)),
        (Code.BAD_MESSAGE, with_matrix(tags={str(i): "" for i in range(11)})),
        (Code.BAD_MESSAGE, with_matrix(tags={"a": 1})),
        (Code.BAD_MESSAGE, with_matrix(tags={"a": None})),
        (Code.BAD_MESSAGE, with_matrix(tags={"": "x"})),
        (Code.BAD_MESSAGE, with_matrix(tags={"k" * 129: "x"})),
        (Code.BAD_MESSAGE, with_matrix(tags={"k": "x" * 257})),
        (Code.BAD_MESSAGE, with_matrix(tags=[["a", "b"]])),
        (Code.BAD_MESSAGE, b'{"matrix": [[1]], "tags": {"matrix": [1]}}'),
        (Code.EMPTY, b'{"matrix": []}'),
        (Code.EMPTY, b'{"matrix": [[]]}'),
        (Code.NOT_SQUARE, b'{"matrix": [[1, 2, 3], [4, 5, 6]]}'),
        (Code.NOT_SQUARE, b'{"matrix": [0]}'),
        (Code.RAGGED, b'{"matrix": [[1, 2], [3]]}'),
        (Code.BAD_FORMAT, b'{"matrix": [[1, null], [3, 4]]}'),
        (Code.BAD_FORMAT, b'{"matrix": [["1", 2], [3, 4]]}'),
        (Code.BAD_FORMAT, b'{"matrix": [[1, 2], [3, "4"]]}'),
        (Code.BAD_FORMAT, b'{"matrix": [["a]", "[b"], [1, 2]]}'),
        (Code.BAD_FORMAT, b'{"matrix": [[true, 2], [3, 4]]}'),
        (Code.BAD_FORMAT, b'{"matrix": [[1, [2]], [3, 4]]}'),
        (Code.BAD_FORMAT, b'{"matrix": [[1, {"matrix": [[1]]}], [3, 4]]}'),
        (Code.NON_FINITE, b'{"matrix": [[1e999]]}'),
        (Code.NON_FINITE, b'{"matrix": [[1, 1e999], [3, 4]], "tags": {"\\u00e9": "\\""}}'),
        (Code.PRECISION, b'{"matrix": [[9007199254740993]]}'),
        (Code.PRECISION, b'{"m\\u0061trix": [[100000000000000000000001]]}'),
        (Code.BAD_FORMAT, b'{"matrix": [[' + b"9" * 5000 + b"]]}"),
        (Code.BAD_FORMAT, body_of(npy="")),
        (Code.BAD_FORMAT, body_of(npy=npy_text().replace("A", "-", 1))),
        (Code.BAD_FORMAT, body_of(npy=npy_text(np.zeros((1, 1))).rstrip("="))),
        (Code.BAD_FORMAT, body_of(npy=npy_text() + "\n")),
        (Code.BAD_FORMAT, body_of(npy=" " + npy_text())),
        (Code.BAD_FORMAT, body_of(npy=npy_text()[:40] + " " + npy_text()[40:])),
        (Code.BAD_FORMAT, body_of(npy=npy_text() + "====")),
        (Code.BAD_FORMAT, body_of(npy="é" + npy_text())),
        (Code.BAD_FORMAT, body_of(npy=base64.b64encode(b"[[1]]").decode())),
        (
            Code.BAD_LENGTH,
            body_of(npy=base64.b64encode(base64.b64decode(npy_text())[:-1]).decode()),
        ),
        (Code.BAD_LENGTH, body_of(npy=npy_text()[:-4])),
        (Code.UNSUPPORTED_DTYPE, body_of(npy=npy_text(np.zeros((2, 2), bool)))),
    ],
)
def test_a_bad_message_is_refused_by_one_code(code: Code, body: bytes) -> None:
    info = refused(body)

    assert info.code is code, info
    assert info.hint
    assert len(json.dumps([info.message, info.observed])) < 2000


@pytest.mark.parametrize(
    "job_id",
    [
        "../../x",
        "a//b",
        "a/",
        "/a",
        "a.npy",
        "a.NPZ",
        " a",
        "a ",
        "a\n",
        "\na",
        "a" * 513,
        "é" * 257,
        "",
        "\u00a0",
        'x\r\n{"level":"INFO"}',
        "a\u2028b",
        "\x1b[31m",
        "\u202ereversed",
        7,
        1.5,
        None,
        True,
        ["a"],
        {"a": "b"},
    ],
)
def test_a_bad_job_id_is_refused_in_one_line(job_id: object) -> None:
    body = with_matrix(job_id=job_id)
    parsed = parse_message(body)

    assert isinstance(parsed.content, Refused)
    assert parsed.content.code is Code.BAD_JOB_ID
    assert parsed.job_id == hashed_id(body)
    info = parsed.content.info
    assert all(text is None or text.isprintable() for text in (info.message, info.observed))
    assert len(f"{parsed.content}\n".splitlines()) == 1


@pytest.mark.parametrize("job_id", ["a", "0", "exp-42", "a/b/c.d_e", "A" * 128, "run.7"])
def test_a_good_job_id_is_kept_also_by_errors(job_id: str) -> None:
    assert parse_message(with_matrix(job_id=job_id)).job_id == job_id
    for bad in (
        body_of(job_id=job_id, matrix=[[1, 2]]),
        body_of(job_id=job_id),
        body_of(job_id=job_id, v=7),
        with_matrix(job_id=job_id, unknown=1),
    ):
        parsed = parse_message(bad)
        assert isinstance(parsed.content, MatinvError)
        assert parsed.job_id == job_id


def test_a_message_that_names_no_job_is_known_by_its_hash_when_it_is_bad() -> None:
    for body in (b"hello", b"[1]", b"{}", body_of(matrix=[[1, 2]])):
        assert parse_message(body).job_id == hashed_id(body)


# Whatever must be accepted


@pytest.mark.parametrize(
    "body",
    [
        b" " * 2**20 + with_matrix() + b"\n" * 2**20,
        b'\t{\r\n"matrix"\t:\n[[1,2],[3,4]]\r}\n',
        b'{"matrix":[[1.0,2e0],[0.3e1,400E-2]]}',
        b'{"matrix": [[1, 2], [3, 4]], "tags": {"matrix": "[[1]]", "re": "x", "a\\"b": "\\\\"}}',
        b'{"tags": {"k": "\\ud83d\\ude00"}, "m\\u0061trix": [[1, 2], [3, 4]]}',
        '{"tags": {"é": "😀 [1] \u0085"}, "matrix": [[1, 2], [3, 4]]}'.encode(),
        with_matrix(tags={}),
        with_matrix(tags={"k" * 128: "x" * 256} | {str(i): "" for i in range(9)}),
    ],
)
def test_an_odd_spelling_of_a_good_message_is_accepted(body: bytes) -> None:
    assert np.array_equal(inline(body).array, MATRIX)


def test_extreme_numbers_are_accepted() -> None:
    array = inline(b'{"matrix": [[-0.0, 1e-320], [0.%b, 1]]}' % (b"7" * 500_000)).array

    assert array.tolist() == [[0.0, 1e-320], [0.7777777777777778, 1.0]]
    assert np.signbit(array[0, 0])


# Ids of content


def id_of(**fields: Any) -> str:
    return accepted(body_of(**fields)).job_id


def test_the_default_id_is_that_of_the_matrix_and_of_what_is_asked() -> None:
    plain = accepted(b'{"matrix":[[1,2],[3,4]]}').job_id

    assert accepted(b'{"matrix": [ [1.0, 2e0], [3, 4] ], "v": 1}').job_id == plain
    assert accepted(with_matrix(tags={"team": "fem"}, redrive=3)).job_id == plain
    assert accepted(with_matrix(method="auto", output="auto", format="json")).job_id == plain
    others = [
        with_matrix(method="general"),
        with_matrix(output="s3"),
        with_matrix(format="npy"),
        with_matrix(on_ill_conditioned="fail"),
        b'{"matrix":[[1,2],[3,5]]}',
        b'{"matrix":[[[1,2],[3,4]]]}',
        body_of(npy=npy_text(MATRIX.astype(np.float32))),
    ]
    assert accepted(body_of(npy=npy_text())).job_id == accepted(with_matrix(format="npy")).job_id
    assert len({plain, *(accepted(body).job_id for body in others)}) == 1 + len(others)


def test_byte_and_memory_order_of_a_file_do_not_change_the_id() -> None:
    plain = id_of(npy=npy_text())

    assert id_of(npy=npy_text(MATRIX.astype(">f8"))) == plain
    assert id_of(npy=npy_text(np.asfortranarray(MATRIX))) == plain
    assert id_of(npy=npy_text(MATRIX.astype(np.int16))) == plain
    assert matrix_digest(MATRIX) == matrix_digest(np.asfortranarray(MATRIX))


# Files


def test_a_dropped_file_is_a_matrix_or_a_message() -> None:
    for text in (
        b"[[1, 2], [3, 4]]",
        b" \n[[1, 2], [3, 4]]\n",
        b'{"matrix": [[1, 2], [3, 4]]}',
        b'{"v": 1, "job_id": "exp-1", "matrix": [[1, 2], [3, 4]]}',
    ):
        given_input, options = parse_file(text, DROPPED)
        assert np.array_equal(given_input.array, MATRIX)
        assert given_input.format is Format.JSON
        assert options == DROPPED.options


def test_a_dropped_file_may_hold_a_complex_matrix_or_base64() -> None:
    complex_input, _ = parse_file(b'{"re": [[1]], "im": [[-2]]}', DROPPED)
    npy_input, _ = parse_file(body_of(npy=npy_text()), DROPPED)

    assert np.array_equal(complex_input.array, [[1 - 2j]])
    assert np.array_equal(npy_input.array, MATRIX)


def test_options_in_a_file_win_over_its_metadata_one_by_one() -> None:
    _, options = parse_file(with_matrix(output="s3", tags={"a": "b"}), DROPPED)

    assert options == Options(Method.SPD, Output.S3, tags={"a": "b"})
    assert parse_file(with_matrix(method="auto"), DROPPED)[1].method is Method.AUTO


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (Code.BAD_FORMAT, b""),
        (Code.BAD_FORMAT, b"hello"),
        (Code.BAD_FORMAT, b"7"),
        (Code.BAD_FORMAT, b'"x"'),
        (Code.BAD_FORMAT, b"[[1, 2], [3, 4]"),
        (Code.NON_FINITE, b"[[NaN]]"),
        (Code.BAD_FORMAT, b"\xff\xfe[\x00[\x001\x00]\x00]\x00"),
        (Code.BAD_FORMAT, b"\x93NUMPY\x01\x00"),
        (Code.BAD_FORMAT, b"[" * 100_000),
        (Code.BAD_FORMAT, b'{"matrix": [[1,]]}'),
        (Code.BAD_FORMAT, b'{"matrix": ' + b"[" * 1000 + b"1" + b"]" * 1000 + b"}"),
        (Code.BAD_FORMAT, b"1,2\n3,4\n"),
        (Code.BAD_MESSAGE, b"{}"),
        (Code.BAD_MESSAGE, with_matrix(unknown=1)),
        (Code.BAD_MESSAGE, with_matrix(redrive=1)),
        (Code.BAD_MESSAGE, body_of(s3={"bucket": "b", "key": "k"})),
        (Code.BAD_MESSAGE, with_matrix(s3={"bucket": "b", "key": "k"})),
        (Code.BAD_MESSAGE, b'{"matrix": [[1]], "matrix": [[1]]}'),
        (Code.BAD_MESSAGE, b'{"re": [[1]], "im": [[1]], "method": "spd"}'),
        (Code.BAD_JOB_ID, with_matrix(job_id="exp-2")),
        (Code.BAD_JOB_ID, with_matrix(job_id="../x")),
        (Code.UNSUPPORTED_VERSION, with_matrix(v=3)),
        (Code.EMPTY, b"[]"),
        (Code.RAGGED, b"[[1, 2], [3]]"),
        (Code.NOT_SQUARE, b"[1, 2]"),
        (Code.NON_FINITE, b"[[1e999]]"),
    ],
)
def test_a_bad_file_is_refused_by_one_code(code: Code, text: bytes) -> None:
    with pytest.raises(Refused) as caught:
        parse_file(text, DROPPED)

    assert caught.value.code is code


# Metadata and names


def test_metadata_sets_options() -> None:
    assert options_of_metadata({}) == Options()
    assert options_of_metadata({"content-type": "x", "owner": "me"}) == Options()
    assert options_of_metadata(
        {
            "matinv-method": "pinv",
            "Matinv-Output": "dynamodb",
            "matinv-format": "json",
            "matinv-on-ill-conditioned": "fail",
            "matinv-tag-team": "fem",
            "matinv-tag-cost-centre": "42",
            "other": "ignored",
        }
    ) == Options(
        Method.PINV,
        Output.DYNAMODB,
        Format.JSON,
        OnIllConditioned.FAIL,
        {"team": "fem", "cost-centre": "42"},
    )


@pytest.mark.parametrize(
    "metadata",
    [
        {"matinv-method": "lu"},
        {"matinv-method": ""},
        {"matinv-metod": "spd"},
        {"matinv-": "x"},
        {"matinv-tags": "team=fem"},
        {"matinv-tags": "x", "matinv-tag-a": "b"},
        {"matinv-tag-": "x"},
        {"matinv-tag-a": "x" * 257},
        {f"matinv-tag-{i}": "x" for i in range(11)},
        {"matinv-job-id": "x"},
    ],
)
def test_metadata_that_means_nothing_is_refused(metadata: dict[str, str]) -> None:
    with pytest.raises(Refused, match="BAD_MESSAGE"):
        options_of_metadata(metadata)


@pytest.mark.parametrize(
    ("key", "format_"),
    [
        ("a.npy", Format.NPY),
        ("a/b.c/D.NPY", Format.NPY),
        (".json", Format.JSON),
        ("x.y.Json", Format.JSON),
        ("npy", None),
        ("a.npy/b", None),
        ("a.npz", Format.NPZ),
        ("a.npy.gz", None),
        ("a.", None),
        ("folder/", None),
        ("", None),
    ],
)
def test_the_name_of_an_object_says_its_format(key: str, format_: Format | None) -> None:
    if format_:
        assert format_of_key(key) is format_
    else:
        with pytest.raises(Refused, match="BAD_FORMAT"):
            format_of_key(key)


# Speed, and whatever nobody thought of


@pytest.mark.parametrize(
    ("make", "limit_s"),
    [
        pytest.param(lambda: b"[" * 100_000, 0.010, id="100,000 brackets"),
        pytest.param(
            lambda: b'{"matrix":' + b"[" * 1000 + b"]" * 1000 + b"}", 0.010, id="1,000 deep"
        ),
        pytest.param(lambda: body_of(npy="A" * 2**20), 0.1, id="1 MiB of base64"),
        pytest.param(lambda: with_matrix(x="\\" * 2**19), 0.1, id="1 MiB of backslashes"),
        pytest.param(lambda: b'{"matrix": [[1, "' + b"\\" * 2**20, 0.1, id="no end in sight"),
        pytest.param(
            lambda: with_matrix(tags={str(i): "" for i in range(60_000)}), 3.0, id="60,000 tags"
        ),
        pytest.param(lambda: b'{"matrix":[[1]],' * 60_000, 3.0, id="60,000 matrices"),
    ],
)
def test_hostile_messages_are_refused_in_linear_time(
    make: Callable[[], bytes], limit_s: float
) -> None:
    body = make()
    seconds = []
    for _ in range(3):  # CPU time, and the machine may be busy
        start_s = time.thread_time()
        refused(body)
        seconds.append(time.thread_time() - start_s)

    assert min(seconds) < limit_s


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["re", "im", "bucket", "key", "a"]), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = ["v", "job_id", "matrix", "npy", "s3", "method", "output", "format", "tags", "redrive"]


@given(
    st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES, max_size=4)
    .map(json.dumps)
    .map(str.encode)
    | st.binary(max_size=80)
    | st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
@examples(120)
def test_any_body_is_parsed_or_refused(body: bytes) -> None:
    parsed = parse_message(body)

    assert isinstance(parsed.content, Request | Refused)
    if isinstance(parsed.content, Request):
        assert parsed.content.job_id == parsed.job_id


@given(
    position=st.integers(0, 200),
    replacement=st.binary(max_size=2),
    width=st.integers(0, 3),
)
@examples(300)
def test_a_damaged_message_means_what_it_says_or_nothing(
    position: int, replacement: bytes, width: int
) -> None:
    good = (
        b'{"job_id": "a", "matrix": [[1, 2], [3, 4]], "tags": {"k\\"": "[1]"}, "method": "spd", '
        b'"on_ill_conditioned": "fail"}'
    )
    body = good[:position] + replacement + good[position + width :]
    content = parse_message(body).content
    if isinstance(content, Request):
        fields = json.loads(body)
        assert isinstance(content.input, Inline)
        assert content.input.array.tolist() == fields["matrix"]
        assert dict(content.options.tags) == fields.get("tags", {})
        assert content.options.method == fields.get("method", "auto")
