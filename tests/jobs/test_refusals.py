"""What refusing costs, in counts: bytes read, bytes held, and each limit at its last good value."""

from __future__ import annotations

import base64
import gzip
import io
import json
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fuzz.oracles import CountingReader
from matinv.errors import Code, MatinvError, Refused
from matinv.formats import json_matrix, npy
from matinv.formats.codecs import CODECS, Format
from matinv.formats.json_text import parse
from matinv.formats.npy_header import HEADER_LIMIT_BYTES
from matinv.jobs.limits import predict_text
from matinv.jobs.message import parse_file, parse_message
from matinv.jobs.request import Reference, Request

DROPPED = Request("a", Reference("inputs", "a.json", order="1"))
MATRIX = b'"matrix": [[2]]'
N = 50_000


def verdict(call: Callable[[], Any]) -> Code | None:
    try:
        call()
    except MatinvError as error:
        return error.code
    return None


def peak_bytes_of(call: Callable[[], Any]) -> int:
    tracemalloc.start()
    try:
        verdict(call)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# Text: whatever it turns out to be, it takes what the admission of a JSON file allows for


@pytest.mark.parametrize(
    ("code", "text"),
    [
        pytest.param(code, text, id=name, marks=pytest.mark.deep if "escape" in name else ())
        for name, code, text in [
            ("one row of text", Code.BAD_FORMAT, b"[[" + b'"",' * N + b'""]]'),
            ("rows of text", Code.BAD_FORMAT, b'[["",""]' + b',["",""]' * N + b"]"),
            ("text in a matrix", Code.BAD_FORMAT, b'{"matrix":[[' + b'"",' * N + b'""]]}'),
            ("rows of it", Code.BAD_FORMAT, b'{"matrix":[[' + b'""],[' * N + b'""]]}'),
            ("one row of objects", Code.BAD_FORMAT, b"[[" + b"{}," * N + b"{}]]"),
            ("objects in a matrix", Code.BAD_FORMAT, b'{"matrix":[[' + b"{}," * N + b"{}]]}"),
            ("one row of numbers", Code.NOT_SQUARE, b"[[" + b"1," * N + b"1]]"),
            ("a vector", Code.NOT_SQUARE, b"[" + b"1," * N + b"1]"),
            ("four levels", Code.NOT_SQUARE, b"[[[[" + b"1," * N + b"1]]]]"),
            (
                "tags of numbers",
                Code.BAD_MESSAGE,
                b'{"tags":[' + b"0," * N + b"0]," + MATRIX + b"}",
            ),
            (
                "tags of lists",
                Code.BAD_MESSAGE,
                b'{"tags":[' + b"[]," * N + b"[]]," + MATRIX + b"}",
            ),
            ("many fields", Code.BAD_MESSAGE, json.dumps(dict.fromkeys(range(N))).encode()),
            ("many matrices", Code.BAD_MESSAGE, b'{"re":{' + b'"re":[[1]],' * N + b'"im":[]}}'),
            ("and an escape", Code.BAD_MESSAGE, b'{"\\u006d":{' + b'"re":[[1]],' * N + b'"im":0}}'),
            ("texts and an escape", Code.BAD_MESSAGE, b'{"\\n":[' + b'"",' * N + b'""]}'),
            ("a long key", Code.BAD_MESSAGE, b'{"' + b"k" * N + b'":1}'),
            ("a long text", Code.BAD_MESSAGE, b'{"x":"' + b"k" * N + b'"}'),
            ("digits", Code.BAD_FORMAT, b'{"redrive":' + b"9" * N + b"," + MATRIX + b"}"),
            ("nothing in base64", Code.BAD_FORMAT, b'{"npy":"' + b"A" * N + b'"}'),
            ("an exponent", Code.NON_FINITE, b'{"matrix":[[1e' + b"9" * N + b"]]}"),
        ]
    ],
)
def test_a_text_that_is_refused_takes_no_more_than_was_admitted(code: Code, text: bytes) -> None:
    assert verdict(lambda: parse_file(text, DROPPED)) is code
    taken_bytes = len(text) + peak_bytes_of(lambda: parse_file(text, DROPPED))
    assert (
        taken_bytes
        < predict_text(CODECS[Format.JSON].input, len(text)).memory_bytes
        - predict_text(CODECS[Format.JSON].input, 0).memory_bytes
        + 2**16
    )


# Files


def with_header(text: str, version: int = 1, encoding: str = "utf-8") -> bytes:
    content = text.encode(encoding)
    return (
        b"\x93NUMPY"
        + bytes([version, 0])
        + struct.pack("<H" if version == 1 else "<I", len(content))
    ) + content


def fields(descr: str = "'<f8'", shape: str = "(2, 2)") -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(10**7))
    return file.getvalue()


NESTED = "[('a', [('b', '<f8'), ('c', [('d', '<f8', (3,))])])]"


@pytest.mark.parametrize(
    ("code", "data"),
    [
        pytest.param(Code.BAD_FORMAT, gzip.compress(bytes(10**7)), id="a gzip bomb"),
        pytest.param(Code.BAD_FORMAT, gzip.compress(b"1") + gzip.compress(b"2"), id="two members"),
        pytest.param(Code.BAD_FORMAT, zipped(), id="a zip bomb"),
        pytest.param(Code.UNSUPPORTED_DTYPE, with_header(fields("[('é', '<f8')]"), 3), id="v3, é"),
        pytest.param(Code.UNSUPPORTED_DTYPE, with_header(fields("'é'"), 3), id="v3, dtype é"),
        pytest.param(Code.BAD_FORMAT, with_header("é" + fields(), 3), id="v3, é before it"),
        pytest.param(Code.BAD_FORMAT, with_header(fields("'\\u003cf8'")), id="an escape in descr"),
        pytest.param(
            Code.BAD_FORMAT, with_header(fields().replace("descr", "\\x64escr")), id="and in a key"
        ),
        pytest.param(Code.BAD_FORMAT, with_header(fields("'<' 'f8'")), id="two texts"),
        pytest.param(Code.UNSUPPORTED_DTYPE, with_header(fields(NESTED)), id="nested fields"),
        pytest.param(
            Code.UNSUPPORTED_DTYPE,
            with_header(fields("[('a', ('<f8', {'x': 1}))]")),
            id="metadata in a dtype",
        ),
        pytest.param(Code.UNSUPPORTED_DTYPE, with_header(fields("('<f8', (2,))")), id="subarray"),
        pytest.param(
            Code.BAD_FORMAT, with_header(fields("{'names': ['a']}")), id="dict of a dtype"
        ),
        pytest.param(
            Code.NOT_SQUARE, with_header(fields(shape=f"({'1, ' * 1300})")), id="1,300 dimensions"
        ),
        pytest.param(
            Code.NOT_SQUARE,
            with_header(fields(shape=f"({'9999999999999999999, ' * 190})")),
            id="190 long dimensions",
        ),
        pytest.param(Code.BAD_FORMAT, with_header(fields() + "\r "), id="a lone return"),
        pytest.param(Code.BAD_FORMAT, with_header(fields() + "\n "), id="a blank on a new line"),
        pytest.param(Code.BAD_FORMAT, with_header(fields(), 1, "utf-16"), id="in UTF-16"),
        pytest.param(Code.BAD_FORMAT, with_header("\0" * 100 + fields()), id="NULs before it"),
        pytest.param(Code.BAD_FORMAT, base64.b64encode(with_header(fields())), id="base64"),
    ],
)
def test_a_file_is_refused_by_its_first_bytes(code: Code, data: bytes) -> None:
    reader = CountingReader(data)
    peak_bytes = peak_bytes_of(lambda: npy.read_header(reader, len(data)))

    assert verdict(lambda: npy.read_header(io.BytesIO(data), len(data))) is code
    assert reader.taken_bytes <= HEADER_LIMIT_BYTES
    assert peak_bytes < 100_000


# Limits: the last good value, and the next


def padded(header_bytes: int) -> bytes:
    text = fields("'<f8'", "(1, 1)")
    return with_header(text.ljust(header_bytes - 10)) + np.ones(1).tobytes()


def nested(depth: int) -> bytes:
    return b"[" * depth + b"1" + b"]" * depth


def some_fields(count: int) -> bytes:
    return json.dumps({"tags": dict.fromkeys(map(str, range(count)), "")}).encode()


def message_code(body: bytes) -> Code | None:
    content = parse_message(body).content
    return content.code if isinstance(content, Refused) else None


@pytest.mark.parametrize(
    ("good", "bad", "code_of"),
    [
        pytest.param(
            (padded(4096), None),
            (padded(4097), Code.BAD_FORMAT),
            lambda data: verdict(lambda: npy.decode(data)),
            id="bytes of a header",
        ),
        pytest.param(
            (with_header(fields(shape="(370727, 370727)")), Code.BAD_LENGTH),
            (with_header(fields(shape="(370728, 370728)")), Code.TOO_LARGE),
            lambda data: verdict(lambda: npy.decode(data)),
            id="bytes of an array",
        ),
        pytest.param(
            (with_header(fields(shape=f"({'9' * 19}, 1)")), Code.NOT_SQUARE),
            (with_header(fields(shape=f"(1{'0' * 19}, 1)")), Code.BAD_FORMAT),
            lambda data: verdict(lambda: npy.decode(data)),
            id="digits of a dimension",
        ),
        pytest.param(
            (nested(32), Code.NOT_SQUARE),
            (nested(33), Code.BAD_FORMAT),
            lambda text: verdict(lambda: json_matrix.decode(text)),
            id="depth of a matrix",
        ),
        pytest.param(
            (b'{"matrix": [[1' + b"0" * 22 + b"]]}", None),
            (b'{"matrix": [[1' + b"0" * 23 + b"]]}", Code.PRECISION),
            message_code,
            id="digits of an exact integer",
        ),
        pytest.param(
            (b'{"matrix": [[' + b"9" * 308 + b"]]}", Code.PRECISION),
            (b'{"matrix": [[' + b"9" * 309 + b"]]}", Code.BAD_FORMAT),
            message_code,
            id="digits of an integer",
        ),
        pytest.param(
            (b'{"matrix": [[1.7976931348623157e308]]}', None),
            (b'{"matrix": [[1.7976931348623159e308]]}', Code.NON_FINITE),
            message_code,
            id="size of a number",
        ),
        pytest.param(
            (some_fields(1000), None),
            (some_fields(1001), Code.BAD_MESSAGE),
            lambda text: verdict(lambda: parse(text, Code.BAD_MESSAGE)),
            id="fields of an object",
        ),
        pytest.param(
            (b'{"s3": {"bucket": "b", "key": "' + b"k" * 1024 + b'"}}', None),
            (b'{"s3": {"bucket": "b", "key": "' + b"k" * 1025 + b'"}}', Code.BAD_MESSAGE),
            message_code,
            id="letters of a key",
        ),
        pytest.param(
            (b'{"redrive": 2147483648, "matrix": [[1]]}', None),
            (b'{"redrive": 2147483649, "matrix": [[1]]}', Code.BAD_MESSAGE),
            message_code,
            id="redrives",
        ),
    ],
)
def test_a_limit_lets_its_last_value_through_and_not_the_next(
    good: tuple[bytes, Code | None],
    bad: tuple[bytes, Code],
    code_of: Callable[[bytes], Code | None],
) -> None:
    assert code_of(good[0]) is good[1]
    assert code_of(bad[0]) is bad[1]


def test_a_hundred_and_one_arrays_are_read_like_a_hundred() -> None:
    for count in (100, 101):
        lists = ", ".join(f'"{i}": {{"re": [[{i}]], "im": 7}}' for i in range(count))
        text = f'{{"matrix": [[1]], "tags": {{{lists}}}}}'.encode()
        assert message_code(text) is Code.BAD_MESSAGE
        assert message_code(text.replace(b'"re"', b'"matrix": [[0]], "re"')) is Code.BAD_MESSAGE
