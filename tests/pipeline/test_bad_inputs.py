"""Inputs that others choked on, each through the whole pipeline: alone, among good ones, twice."""

from __future__ import annotations

import base64
import json
import pickle
import struct
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from matinv.jobs.record import Status
from matinv.local.samples import npy_bytes
from matinv.pipeline import Verdict
from matinv.testing.events import s3_notification, s3_test_event
from support.memory_service import INPUTS, RESULTS, MemoryService

GOOD = [[1, 2], [3, 4]]
MATRIX = '"matrix": [[1, 2], [3, 4]]'


def npy64(array: np.ndarray) -> bytes:
    return base64.b64encode(npy_bytes(array))


def message(**fields: Any) -> str:
    return json.dumps({"job_id": "bad", **fields})


def number(text: str) -> str:
    return f'{{"job_id": "bad", "matrix": [[{text}, 0], [0, 1]]}}'


def encoded(text: bytes) -> str:
    return message(npy=text.decode())


EYE = npy64(np.eye(3))

BODIES: dict[str, tuple[str, str]] = {
    "empty": ("", "BAD_MESSAGE"),
    "blanks": ("  \n ", "BAD_MESSAGE"),
    "hello": ("hello", "BAD_MESSAGE"),
    "truncated": ('{"matrix": [[1, 2], [3', "BAD_MESSAGE"),
    "two objects": (f"{{{MATRIX}}}{{{MATRIX}}}", "BAD_MESSAGE"),
    "trailing comma": (f"{{{MATRIX},}}", "BAD_MESSAGE"),
    "single quotes": ("{'matrix': [[1]]}", "BAD_MESSAGE"),
    "NaN literal": (number("NaN"), "BAD_MESSAGE"),
    "Infinity literal": (number("-Infinity"), "BAD_MESSAGE"),
    "BOM": ("\ufeff{" + MATRIX + "}", "BAD_MESSAGE"),
    "lone surrogate": ('{"tags": {"a": "\\ud800"}, ' + MATRIX + "}", "BAD_MESSAGE"),
    "raw lone surrogate": ('{"tags": {"a": "\ud800"}, ' + MATRIX + "}", "BAD_MESSAGE"),
    "control character": ('{"tags": {"a": "\x01"}, ' + MATRIX + "}", "BAD_MESSAGE"),
    "leading zero": (number("01"), "BAD_MESSAGE"),
    "plus sign": (number("+1"), "BAD_MESSAGE"),
    "hexadecimal": (number("0x10"), "BAD_MESSAGE"),
    "comment": ("{/* */" + MATRIX + "}", "BAD_MESSAGE"),
    "100,000 brackets": ("[" * 100_000, "BAD_MESSAGE"),
    "40,000 braces": ('{"a":' * 40_000, "BAD_MESSAGE"),
    "nested 1,000 deep": ('{"matrix": ' + "[" * 1000 + "]" * 1000 + "}", "BAD_MESSAGE"),
    "null": ("null", "BAD_MESSAGE"),
    "number": ("7", "BAD_MESSAGE"),
    "string": ('"x"', "BAD_MESSAGE"),
    "bare array": ("[1, 2, 3]", "BAD_MESSAGE"),
    "bare matrix": ("[[1, 2], [3, 4]]", "BAD_MESSAGE"),
    "same key twice": (f"{{{MATRIX}, {MATRIX}}}", "BAD_MESSAGE"),
    "same key twice in tags": ('{"tags": {"a": "1", "a": "2"}, ' + MATRIX + "}", "BAD_MESSAGE"),
    "same key twice by escape": ('{"m\\u0061trix": [[1]], ' + MATRIX + "}", "BAD_MESSAGE"),
    "unknown field": (message(matrix=GOOD, methd="spd"), "BAD_MESSAGE"),
    "matrix and s3": (
        message(matrix=GOOD, s3={"bucket": INPUTS, "key": "a.npy"}),
        "BAD_MESSAGE",
    ),
    "neither": (message(method="auto"), "BAD_MESSAGE"),
    "matrix null": (message(matrix=None), "BAD_MESSAGE"),
    "unknown method": (message(matrix=GOOD, method="qr"), "BAD_MESSAGE"),
    "eleven tags": (message(matrix=GOOD, tags={str(i): "" for i in range(11)}), "BAD_MESSAGE"),
    "tag of a number": (message(matrix=GOOD, tags={"a": 1}), "BAD_MESSAGE"),
    "v 99": (message(v=99, matrix=GOOD), "UNSUPPORTED_VERSION"),
    "id climbs": ('{"job_id": "../../x", ' + MATRIX + "}", "BAD_JOB_ID"),
    "id with //": ('{"job_id": "a//b", ' + MATRIX + "}", "BAD_JOB_ID"),
    "id with newline": ('{"job_id": "a\\n", ' + MATRIX + "}", "BAD_JOB_ID"),
    "id of a file": ('{"job_id": "a.npy", ' + MATRIX + "}", "BAD_JOB_ID"),
    "id that reads backwards": ('{"job_id": "\u202eabc", ' + MATRIX + "}", "BAD_JOB_ID"),
    "id of 513": (f'{{"job_id": "{"a" * 513}", {MATRIX}}}', "BAD_JOB_ID"),
    "id a number": ('{"job_id": 5, ' + MATRIX + "}", "BAD_JOB_ID"),
    "id null": ('{"job_id": null, ' + MATRIX + "}", "BAD_JOB_ID"),
    "id empty": ('{"job_id": "", ' + MATRIX + "}", "BAD_JOB_ID"),
    "id ends in /": ('{"job_id": "a/", ' + MATRIX + "}", "BAD_JOB_ID"),
    "id forges a log line": (
        '{"job_id": "x\\r\\n{\\"level\\":\\"INFO\\"}", ' + MATRIX + "}",
        "BAD_JOB_ID",
    ),
    "[]": (message(matrix=[]), "EMPTY"),
    "[[]]": (message(matrix=[[]]), "EMPTY"),
    "[[], []]": (message(matrix=[[], []]), "EMPTY"),
    "not square": (message(matrix=[[1, 2, 3], [4, 5, 6]]), "NOT_SQUARE"),
    "vector": (message(matrix=[1, 2]), "NOT_SQUARE"),
    "ragged": (message(matrix=[[1, 2], [3]]), "RAGGED"),
    "ragged stack": (message(matrix=[[[1, 2], [3, 4]], [[1]]]), "RAGGED"),
    "element null": (message(matrix=[[None, 2], [3, 4]]), "BAD_FORMAT"),
    "element text": (message(matrix=[["1", 2], [3, 4]]), "BAD_FORMAT"),
    "element true": (message(matrix=[[True, 2], [3, 4]]), "BAD_FORMAT"),
    "element list": (message(matrix=[[[1], 2], [3, 4]]), "BAD_FORMAT"),
    "element object": (message(matrix=[[{}, 2], [3, 4]]), "BAD_FORMAT"),
    "matrix text": (message(matrix="[[1]]"), "BAD_MESSAGE"),
    "1e999": (number("1e999"), "NON_FINITE"),
    "-1e999": (number("-1e999"), "NON_FINITE"),
    "2**53 + 1": (number("9007199254740993"), "PRECISION"),
    "-(2**53 + 1)": (number("-9007199254740993"), "PRECISION"),
    "30 digits": (number("100000000000000000000000000001"), "PRECISION"),
    "5,000 digits": (number("1" * 5000), "BAD_FORMAT"),
    "base64 url-safe": (
        encoded(base64.urlsafe_b64encode(npy_bytes(np.eye(3) * -7e77))),
        "BAD_FORMAT",
    ),
    "base64 unpadded": (encoded(npy64(np.eye(3, dtype="f4")).rstrip(b"=")), "BAD_FORMAT"),
    "base64 blanks": (encoded(EYE[:8] + b" \n" + EYE[8:]), "BAD_FORMAT"),
    "base64 too short": (encoded(base64.b64encode(npy_bytes(np.eye(3))[:-1])), "BAD_LENGTH"),
    "base64 too long": (encoded(base64.b64encode(npy_bytes(np.eye(3)) + b"0")), "BAD_LENGTH"),
    "base64 of JSON": (encoded(base64.b64encode(b"[[1]]")), "BAD_FORMAT"),
    "[[1,2],[2,4]]": (message(matrix=[[1, 2], [2, 4]]), "SINGULAR"),
    "zeros": (message(matrix=[[0, 0], [0, 0]]), "SINGULAR"),
    "1 to 9": (message(matrix=[[1, 2, 3], [4, 5, 6], [7, 8, 9]]), "SINGULAR"),
    "sneaky": (message(matrix=[[2, 4, 6], [2, 0, 2], [6, 8, 14]]), "SINGULAR"),
    "smallest subnormal": (number("5e-324"), "OVERFLOW"),
    "foreign bucket": (message(s3={"bucket": "else", "key": "a.npy"}), "FORBIDDEN_REF"),
    "results bucket": (message(s3={"bucket": RESULTS, "key": "a.npy"}), "FORBIDDEN_REF"),
    "foreign notification": (json.dumps(s3_notification("else", "a.npy")), "FORBIDDEN_REF"),
    "missing object": (message(s3={"bucket": INPUTS, "key": "none.npy"}), "INPUT_GONE"),
}

ACCEPTED: dict[str, tuple[str, Any]] = {
    "negative zero": ('{"job_id": "ok", "matrix": [[1, -0.0], [-0.0, 1]]}', [[1, 0], [0, 1]]),
    "1e-320": ('{"job_id": "ok", "matrix": [[1, 1e-320], [0, 1]]}', [[1, -1e-320], [0, 1]]),
    "float of 500 kB": (f'{{"job_id": "ok", "matrix": [[2.{"0" * 500_000}]]}}', [[0.5]]),
    "1 MiB of blanks": (" " * 2**20 + '{"job_id": "ok", "matrix": [[2]]}' + " " * 2**10, [[0.5]]),
    "1e308": (
        '{"job_id": "ok", "matrix": [[1e308, 1e308], [1e308, -1e308]]}',
        [[5e-309, 5e-309], [5e-309, -5e-309]],
    ),
    "diag(1e-200, 1)": ('{"job_id": "ok", "matrix": [[1e-200, 0], [0, 1]]}', [[1e200, 0], [0, 1]]),
    "exact integers": ('{"job_id": "ok", "matrix": [[9007199254740992]]}', [[2.0**-53]]),
}


class Bomb:
    """What a pickle would run."""

    def __reduce__(self) -> Any:
        return (pytest.fail, ("a pickle was executed",))


def header(text: str, version: tuple[int, int] = (1, 0), length: int | None = None) -> bytes:
    raw = text.encode()
    kind = "<H" if version == (1, 0) else "<I"
    size = struct.pack(kind, len(raw) if length is None else length)
    return b"\x93NUMPY" + bytes(version) + size + raw


def shaped(shape: str, descr: str = "'<f8'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"
    return header(text.ljust(117) + "\n") + bytes(32)


def eye(dtype: Any) -> bytes:
    return npy_bytes(np.eye(2).astype(dtype))


WHOLE = npy_bytes(np.eye(4))

OBJECTS: dict[str, tuple[bytes, set[str]]] = {
    "0 bytes": (b"", {"BAD_FORMAT"}),
    "magic only": (b"\x93NUMPY", {"BAD_FORMAT"}),
    "version 9.9": (b"\x93NUMPY\x09\x09" + WHOLE[8:], {"BAD_FORMAT"}),
    "JSON named npy": (b"[[1, 2], [3, 4]]", {"BAD_FORMAT"}),
    "pickle": (pickle.dumps(Bomb()), {"BAD_FORMAT"}),
    "zip": (b"PK\x03\x04" + bytes(100), {"BAD_FORMAT"}),
    "gzip": (b"\x1f\x8b\x08" + bytes(100), {"BAD_FORMAT"}),
    "header with an extra key": (
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), 'x': 1}") + bytes(32),
        {"BAD_FORMAT"},
    ),
    "header that calls": (header("__import__('os').getcwd()") + bytes(32), {"BAD_FORMAT"}),
    "text in a shape": (shaped("(2X, 2X)"), {"BAD_FORMAT"}),
    "header of minus": (header("-" * 9000), {"BAD_FORMAT"}),
    "header of sums": (header("1+" * 4000), {"BAD_FORMAT"}),
    "header of parentheses": (header("(" * 4900), {"BAD_FORMAT"}),
    "header of 20,000": (header(" " * 20_000), {"BAD_FORMAT"}),
    "v2 header of 4 GiB": (header("{}", (2, 0), 2**32 - 1), {"BAD_FORMAT"}),
    "one byte short": (WHOLE[:-1], {"BAD_LENGTH"}),
    "one byte long": (WHOLE + b"0", {"BAD_LENGTH"}),
    "10**6": (shaped("(1000000, 1000000)"), {"TOO_LARGE", "BAD_FORMAT"}),
    "2**33": (shaped("(8589934592, 8589934592)"), {"TOO_LARGE", "BAD_FORMAT"}),
    "negative": (shaped("(-1, 4)"), {"TOO_LARGE", "BAD_FORMAT"}),
    "True": (shaped("(True, True)"), {"TOO_LARGE", "BAD_FORMAT"}),
    "2.0": (shaped("(2.0, 2)"), {"TOO_LARGE", "BAD_FORMAT"}),
    "objects": (shaped("(2, 2)", "'|O'"), {"UNSUPPORTED_DTYPE"}),
    "V0": (shaped("(2, 2)", "'|V0'"), {"UNSUPPORTED_DTYPE"}),
    "S8": (shaped("(2, 2)", "'|S8'"), {"UNSUPPORTED_DTYPE"}),
    "U4": (shaped("(2, 2)", "'<U4'"), {"UNSUPPORTED_DTYPE"}),
    "structured": (shaped("(2, 2)", "[('a', '<f8')]"), {"UNSUPPORTED_DTYPE"}),
    "datetime": (shaped("(2, 2)", "'<M8[s]'"), {"UNSUPPORTED_DTYPE"}),
    "float16": (eye("f2"), {"UNSUPPORTED_DTYPE"}),
    "longdouble": (eye(np.longdouble), {"UNSUPPORTED_DTYPE"}),
    "bool": (eye(bool), {"UNSUPPORTED_DTYPE"}),
    "empty": (npy_bytes(np.empty((0, 0))), {"EMPTY"}),
    "not square": (npy_bytes(np.ones((2, 3))), {"NOT_SQUARE"}),
    "four dimensions": (npy_bytes(np.ones((1, 1, 2, 2))), {"NOT_SQUARE"}),
    "NaN in the last corner": (
        npy_bytes(np.where(np.arange(6400).reshape(80, 80) == 6399, np.nan, np.eye(80))),
        {"NON_FINITE"},
    ),
    "int64 too precise": (npy_bytes(np.array([[2**53 + 1]])), {"PRECISION"}),
}

SQUARE = np.array([[4.0, 1.0, 0.5], [2.0, 5.0, 1.0], [1.0, 3.0, 6.0]])

GOOD_OBJECTS: dict[str, np.ndarray] = {
    "big-endian": SQUARE.astype(">f8"),
    "Fortran order": np.asfortranarray(SQUARE),
    "int32": np.array([[2, 1], [1, 1]], np.int32),
    "uint8": np.array([[2, 1], [1, 1]], np.uint8),
    "complex64": (SQUARE + 1j * np.eye(3)).astype(np.complex64),
    "big-endian complex": (SQUARE + 1j * np.eye(3)).astype(">c16"),
    "stack": np.stack([SQUARE, SQUARE.T, 2 * SQUARE]),
    "Fortran stack": np.asfortranarray(np.stack([SQUARE, SQUARE.T])),
    "float32 above the stacking limit": np.eye(150, dtype=np.float32) * 3 + 1,
}


def dead(service: MemoryService) -> list[tuple[str, str]]:
    return [(letter.error_code, letter.delivery.job_id) for letter in service.queue.dead]


def placements(bad: Any) -> Iterator[list[Any]]:
    """Yield the bad input alone, at three places among ten good ones, and twice."""
    good = [{"job_id": f"good-{i}", "matrix": [[1, i], [3, 4 + 3 * i]]} for i in range(10)]
    yield [bad]
    for position in (0, 5, 10):
        yield [*good[:position], bad, *good[position:]]
    yield [bad, *good, bad]


@pytest.mark.parametrize("name", BODIES)
def test_bad_body_ends_with_its_code_and_hurts_nobody(name: str) -> None:
    body, code = BODIES[name]
    for batch in placements(body):
        service = MemoryService()
        assert service.deliver(*batch) == []
        once = name == "foreign notification"  # of two of one upload the second is a duplicate
        assert [c for c, _ in dead(service)] == [code] * (1 if once else batch.count(body))
        assert service.error(dead(service)[0][1]) == code
        good = [b["job_id"] for b in batch if isinstance(b, dict)]
        assert all(service.record(job_id).status is Status.SUCCEEDED for job_id in good)


@pytest.mark.parametrize("name", BODIES)
def test_bad_body_is_refused_at_once(service: MemoryService, name: str) -> None:
    begun = time.process_time()
    service.deliver(BODIES[name][0])
    assert time.process_time() - begun < 0.1  # the specification's bound


@pytest.mark.parametrize("name", ACCEPTED)
def test_unusual_body_is_inverted_exactly(service: MemoryService, name: str) -> None:
    body, inverse = ACCEPTED[name]
    assert service.deliver(body) == []
    assert service.inverse("ok") == inverse


@pytest.mark.parametrize("name", OBJECTS)
def test_bad_object_ends_with_its_code_and_hurts_nobody(name: str) -> None:
    data, codes = OBJECTS[name]
    for position in range(5):
        service = MemoryService()
        batch = list(placements(service.drop("bad.npy", data)))[position]
        assert service.deliver(*batch) == []
        assert len(dead(service)) == 1
        assert dead(service)[0][0] in codes
        assert dead(service)[0][1] == "bad"
        assert service.error("bad") in codes


@pytest.mark.parametrize("name", GOOD_OBJECTS)
def test_unusual_object_is_inverted(service: MemoryService, name: str) -> None:
    array = GOOD_OBJECTS[name]
    assert service.deliver(service.drop("ok.npy", array)) == []
    assert service.record("ok").status is Status.SUCCEEDED
    x = service.stored("ok")
    exact = array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
    kept = array.dtype.newbyteorder("=") if array.dtype.kind in "fc" else np.dtype(float)
    assert x.dtype == kept
    single = kept in (np.float32, np.complex64)
    assert np.allclose(exact @ x, np.eye(array.shape[-1]), atol=1e-5 if single else 1e-12)


@pytest.mark.parametrize(
    "key", ["my file.npy", "a+b.npy", "a=b.npy", "Grüße.npy", "100%2F3.npy", "A.NPY"]
)
def test_key_of_any_kind_is_decoded_once(service: MemoryService, key: str) -> None:
    assert service.deliver(service.drop(key, np.eye(2))) == []
    assert service.report is not None
    (outcome,) = service.report.outcomes
    assert outcome.verdict is Verdict.DONE
    assert outcome.record is not None
    assert outcome.record.input.source == f"s3://{INPUTS}/{key}"


@pytest.mark.parametrize(
    "body",
    [
        s3_test_event(INPUTS),
        {"Records": []},
        s3_notification(INPUTS, "x.npy", event_name="ObjectRemoved:Delete"),
        s3_notification(INPUTS, "x.npy", event_name="ObjectRemoved:DeleteMarkerCreated"),
    ],
)
def test_notification_of_nothing_is_acknowledged_and_ignored(
    service: MemoryService, body: Any
) -> None:
    assert service.deliver(body, {"job_id": "good", "matrix": GOOD}) == []
    assert service.queue.dead == []
    assert service.record("good").status is Status.SUCCEEDED


@pytest.mark.parametrize("key", ["notes.txt", "a.mat", "npy", "a.npy.gz"])
def test_object_of_another_format_is_refused_unread(service: MemoryService, key: str) -> None:
    assert service.deliver(service.drop(key, np.eye(2))) == []
    assert dead(service)[0][0] == "BAD_FORMAT"
    assert service.queue.dead[0].source == f"s3://{INPUTS}/{key}"
    assert service.store.calls["open"] == 0


def test_reference_to_a_foreign_bucket_is_refused_without_a_request(service: MemoryService) -> None:
    service.deliver(s3_notification(RESULTS, "x.npy"))
    assert service.error("x") == "FORBIDDEN_REF"
    assert service.store.calls.total() == 0


def test_object_deleted_before_it_is_read_is_gone(service: MemoryService) -> None:
    event = service.drop("x.npy", np.eye(2))
    service.store.delete(f"s3://{INPUTS}/x.npy")
    service.deliver(event)
    assert service.error("x") in {"INPUT_GONE", None}


def test_object_overwritten_before_it_is_read_leaves_the_word_to_the_newer_event(
    service: MemoryService,
) -> None:
    old = service.drop("x.npy", np.eye(2))
    new = service.drop("x.npy", 2 * np.eye(2))
    del old["Records"][0]["s3"]["object"]["versionId"]  # as from a bucket without versions
    assert service.deliver(old) == []
    assert service.queue.dead == []
    assert service.deliver(new) == []
    assert np.array_equal(service.stored("x"), 0.5 * np.eye(2))


def test_notification_that_comes_late_and_often_changes_nothing(service: MemoryService) -> None:
    event = service.drop("x.npy", np.eye(80))
    service.deliver(*[event] * 5)
    before = service.record("x")
    service.now_s += 3600
    assert service.deliver(event, receive_count=4) == []
    assert service.record("x") == before
    assert service.store.calls["put_result"] == 1
