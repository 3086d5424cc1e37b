"""Hostile input with a structure that mutations rarely hit, against the oracles of the targets."""

from __future__ import annotations

import base64
import json
import struct
import warnings
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_plus

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.oracles import memory_traced
from fuzz.targets import TARGETS
from matinv.jobs import intake
from matinv.jobs.request import Reference, Request
from matinv.local.samples import npy_bytes
from matinv.testing.events import eventbridge, s3_notification, sns_wrapped, sqs_event
from support.examples import examples

pytestmark = pytest.mark.deep

BOUNDED = examples(100)
PIECES = st.sampled_from([b"\0", b"\1", b"\2"])


@pytest.fixture(autouse=True, scope="module")
def traced() -> Iterator[None]:
    """Let the oracles measure memory, and numpy warn of headers of Python 2."""
    with warnings.catch_warnings(), memory_traced():
        warnings.simplefilter("ignore", UserWarning)
        yield


# Headers

LENGTHS = st.sampled_from(["0", "1", "2", "-1", "2L", "01", "1_0", "0x2", "2.0", "True", "10" * 9])
SHAPES = st.lists(LENGTHS, max_size=5).map(
    lambda parts: f"({', '.join(parts)}{',' * (len(parts) == 1)})"
)
DESCR = st.sampled_from(
    [
        *(
            f"'{order}{kind}'"
            for order in "<>|="
            for kind in ("f8", "i1", "u8", "c16", "f2", "V8", "O")
        ),
        *("'f8'", "u'<f8'", "b'<f8'", "'\\x3cf8'", "['<f8']", "('<f8', (2,))", "[('a', '<f8')]"),
        *("[('a', [('b', '<f8')], (2,))]", "[('é', '<f8')]", "{'names': ['a']}", "None", "''"),
    ]
)
TAILS = st.sampled_from(["", "\n", "  \n", "\r", "\r\n", "\0", "#", ";", ", 'x': 1}", "}"])


@st.composite
def npy_files(draw: st.DrawFn) -> bytes:
    entries = [
        f"'descr': {draw(DESCR)}",
        f"'fortran_order': {draw(st.sampled_from(['True', 'False', '0', 'None']))}",
        f"'shape': {draw(SHAPES | st.just('(2, 2)'))}",
    ]
    text = f"{{{', '.join(draw(st.permutations(entries)))}, }}".ljust(117) + draw(TAILS)
    version = draw(st.sampled_from([1, 2, 3]))
    header = text.encode("utf-8" if version == 3 else "latin-1")
    length = struct.pack(
        "<H" if version == 1 else "<I", len(header) + draw(st.sampled_from([0, 0, 1]))
    )
    body = bytes(draw(st.sampled_from([0, 1, 4, 8, 32, 33, 64])))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + body


@given(npy_files())
@BOUNDED
def test_any_header_is_read_as_numpy_reads_it_or_refused(data: bytes) -> None:
    TARGETS["npy"](data)


@given(
    st.sampled_from(["<f4", ">f8", "<c8", ">c16", "|i1", ">u2", "<i8", "<u8"]),
    st.sampled_from([(1, 1), (3, 3), (2, 2, 2)]),
    st.sampled_from("CF"),
    st.binary(min_size=128, max_size=128),
)
@BOUNDED
def test_any_bits_of_a_supported_dtype_are_read(
    dtype: str, shape: tuple[int, ...], order: Any, noise: bytes
) -> None:
    flat = np.frombuffer(noise, dtype)[: np.prod(shape)]
    if flat.size == np.prod(shape):
        TARGETS["npy"](npy_bytes(flat.reshape(shape, order=order)))


# JSON

DIGITS = st.sampled_from(
    ["0", "1", "9", "17", "9" * 16, "9" * 308, "1" + "0" * 22, "9" * 400, "3" * 5000]
)
NUMBERS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "", "-", "+"]),
    DIGITS,
    st.sampled_from(["", "", ".0", ".5", "." + "7" * 800, "."]),
    st.sampled_from(
        ["", "", "e0", "E+0000001", "e-400", "e400", "e" + "9" * 1000, "e-" + "9" * 1000]
    ),
)
ELEMENTS = NUMBERS | st.sampled_from(["null", "true", '"1"', '"\\ud800"', "{}", "NaN", "", "[1]"])
BLANKS = st.sampled_from(["", "", " ", "\n\t", "\r", "\u00a0", "\v"])


@st.composite
def rows(draw: st.DrawFn) -> str:
    n = draw(st.integers(1, 4))
    kind = draw(st.sampled_from([NUMBERS, ELEMENTS]))
    width = st.just(n) | st.integers(0, 4)
    found = [
        f"[{','.join(draw(BLANKS) + draw(kind) for _ in range(draw(width)))}]{draw(BLANKS)}"
        for _ in range(n)
    ]
    return f"[{','.join(found)}]"


MATRICES = st.one_of(
    rows(),
    st.lists(rows(), max_size=3).map(lambda found: f"[{', '.join(found)}]"),
    st.builds('{{"re": {}, "im": {}}}'.format, rows(), rows()),
    st.builds(lambda depth, inner: "[" * depth + inner + "]" * depth, st.integers(1, 70), ELEMENTS),
)


@given(PIECES, MATRICES)
@BOUNDED
def test_any_matrix_is_read_as_python_reads_it_or_refused(pieces: bytes, text: str) -> None:
    TARGETS["json"](pieces + text.encode())


# Messages and events

TEXTS = st.sampled_from(
    [
        "a",
        "",
        "a\\n",
        "../x",
        "a//b",
        "\\ud83d\\ude00",
        "\\ud800",
        "\\u0000",
        "\\u202e",
        "é",
        "k" * 300,
    ]
).map('"{}"'.format)
VALUES = TEXTS | NUMBERS | MATRICES | st.sampled_from(["null", "true", "[]", "{}", '{"a": "b"}'])
NAMES = st.sampled_from(
    [
        "v",
        "job_id",
        "matrix",
        "npy",
        "s3",
        "method",
        "output",
        "format",
        "tags",
        "redrive",
        "re",
        "x",
    ]
)
FIELDS = st.one_of(
    st.builds('"{}": {}'.format, NAMES, VALUES),
    st.builds('"matrix": {}'.format, rows()),
    st.builds('"m\\u0061trix": {}'.format, rows()),
    st.builds('"npy": "{}"'.format, npy_files().map(lambda data: base64.b64encode(data).decode())),
    st.builds('"s3": {{"bucket": {}, "key": {}}}'.format, TEXTS, TEXTS),
)
MESSAGES = st.lists(FIELDS, max_size=4).map(lambda found: f"{{{', '.join(found)}}}")


@given(PIECES, MESSAGES)
@BOUNDED
def test_any_message_becomes_a_job_or_a_refusal_by_every_way(pieces: bytes, body: str) -> None:
    for name in ("message", "direct", "event"):
        TARGETS[name](pieces + body.encode())


ODD = st.sampled_from(
    [None, "", "x", 7, 1.5, True, [], {}, "v" * 1025, "\u0000", "a\r\nb: c", [[1]]]
)
UPLOAD = ["key", "versionId", "version-id", "eTag", "etag", "sequencer", "name", "re", "detail"]
AROUND = [
    "eventName",
    "eventTime",
    "eventSource",
    "s3",
    "object",
    "bucket",
    "detail-type",
    "source",
]
CHANGES = st.dictionaries(
    st.sampled_from(UPLOAD + AROUND),
    ODD,
    max_size=3,
)


def changed(tree: Any, changes: dict[str, Any]) -> Any:
    if isinstance(tree, list):
        return [changed(item, changes) for item in tree]
    if not isinstance(tree, dict):
        return tree
    return {k: changes[k] if k in changes else changed(v, changes) for k, v in tree.items()}


@given(CHANGES, st.integers(0, 3), st.booleans(), st.booleans())
@BOUNDED
def test_any_notification_becomes_jobs_or_refusals(
    changes: dict[str, Any], uploads: int, by_sns: bool, by_eventbridge: bool
) -> None:
    keys = [f"{i}.npy" for i in range(uploads)]
    plain = eventbridge("inputs", "a.npy") if by_eventbridge else s3_notification("inputs", *keys)
    body = changed(plain, changes) | {"added": changes}
    TARGETS["event"](b"\2" + json.dumps(sns_wrapped(body) if by_sns else body).encode())


@given(
    st.lists(
        st.sampled_from(["%2F", "%252F", "+", "%20", "%00", "%C3%A9", "..", "z", "=", "%"]),
        min_size=1,
    )
)
@BOUNDED
def test_a_key_is_decoded_once_and_no_more(parts: list[str]) -> None:
    encoded = "".join(parts) + ".npy"
    notification = s3_notification("inputs", "x")
    notification["Records"][0]["s3"]["object"]["key"] = encoded
    (delivery,) = intake.deliveries(sqs_event([notification]))
    assert isinstance(delivery.content, Request)
    assert isinstance(delivery.content.input, Reference)
    assert delivery.content.input.key == unquote_plus(encoded)


# Metadata

WORDS = st.builds(
    "=?{}?{}?{}?=".format,
    st.sampled_from(
        ["utf-8", "utf-7", "utf-16", "unknown-8bit", "idna", "rot13", "\xb5", "", "hz"]
    ),
    st.sampled_from("qQbBx"),
    st.sampled_from(["w6k=", "a", "=ED=A0=80", "=", "+2AA-", "//79", "\xff", ""]),
)
LINES = st.builds(
    "{}:{}".format,
    st.sampled_from(
        ["matinv-tag-a", "Matinv-Method", "matinv-tag-", "matinv-tags", "x", "matinv-\xb5"]
    ),
    st.sampled_from(["spd", "", " spd", "spd\r", "\x01", "x" * 257])
    | st.lists(WORDS).map(" ".join),
)


@given(st.lists(LINES, max_size=4).map("\n".join))
@BOUNDED
def test_any_metadata_becomes_options_or_a_refusal(text: str) -> None:
    TARGETS["metadata"](text.encode("latin-1"))
