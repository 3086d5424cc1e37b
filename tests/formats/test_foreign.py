"""Layouts of other tools: read where that is plain, else named, with advice that works."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matinv.errors import Code, MatinvError, Refused
from matinv.jobs.message import parse_file, parse_message
from matinv.jobs.request import Inline, Reference, Request

FIELD = Path(__file__).parent / "field"
DROPPED = Request("a", Reference("inputs", "a.json", order="1"))
MATRIX = [[4.0, 1.0, 0.0], [2.0, 5.0, 1.0], [0.0, 3.0, 6.0]]
NAMES = ["AAA", "BBB", "CCC"]
RECORDS = [dict(zip(NAMES, row, strict=True)) for row in MATRIX]
COLUMNS = {name: {"0": 1.0, "1": 2.0, "2": 3.0} for name in NAMES}


def read(text: bytes) -> Any:
    return parse_file(text, DROPPED)[0].array


def refusal(text: bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        read(text)
    return caught.value


def of_message(body: bytes) -> Any:
    content = parse_message(body).content
    if isinstance(content, MatinvError):
        return content
    return content.input


# Encodings


def test_a_byte_order_mark_before_a_file_is_skipped() -> None:
    assert read((FIELD / "bom.json").read_bytes()).tolist() == [[4, 1, 0], [2, 5, 1], [0, 3, 6]]
    assert read(json.dumps({"matrix": MATRIX}).encode("utf-8-sig")).tolist() == MATRIX


def test_a_byte_order_mark_before_a_message_is_named() -> None:
    error = of_message(json.dumps({"matrix": MATRIX}).encode("utf-8-sig"))
    assert error.code is Code.BAD_MESSAGE
    assert "BOM" in error.info.message


@pytest.mark.parametrize("document", [MATRIX, {"matrix": MATRIX}])
@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16"),
        ("utf-16-be", "UTF-16"),
        ("utf-32", "UTF-32"),
        ("utf-32-le", "UTF-32"),
        ("utf-32-be", "UTF-32"),
    ],
)
def test_another_encoding_is_named(document: Any, encoding: str, name: str) -> None:
    error = refusal(json.dumps(document).encode(encoding))
    assert error.code is Code.BAD_FORMAT
    assert error.info.observed == name
    assert f"iconv -f {name} -t UTF-8" in error.info.hint


def test_latin_1_is_named() -> None:
    text = json.dumps({"matrix": MATRIX, "tags": {"team": "Grün"}}, ensure_ascii=False)
    error = refusal(text.encode("latin-1"))
    assert error.code is Code.BAD_FORMAT
    assert "ISO-8859-1" in error.info.hint
    assert read(text.encode()).tolist() == MATRIX


# pandas


def test_a_table_that_pandas_split_is_read() -> None:
    assert read((FIELD / "pd-split.json").read_bytes()).tolist() == MATRIX
    split = {"columns": NAMES, "index": [0, 1, 2], "data": MATRIX}
    inline = of_message(json.dumps({"matrix": split}).encode())
    assert isinstance(inline, Inline)
    assert inline.array.tolist() == MATRIX
    assert read(json.dumps({"columns": NAMES, "data": MATRIX}).encode()).tolist() == MATRIX


@pytest.mark.parametrize(
    "table",
    [
        COLUMNS,
        {"0": RECORDS[0], "1": RECORDS[1], "2": RECORDS[2]},
        RECORDS,
        {"schema": {"fields": [], "pandas_version": "1.4.0"}, "data": RECORDS},
    ],
)
def test_another_table_of_pandas_gets_the_call_that_is_read(table: Any) -> None:
    for document in (table, {"matrix": table}):
        error = refusal(json.dumps(document).encode())
        assert error.code is Code.BAD_FORMAT
        assert 'df.to_json(orient="values")' in error.info.hint
        assert "spelling" not in error.info.hint


def test_files_of_pandas_from_the_field_get_advice() -> None:
    assert "pandas" in refusal((FIELD / "pd-columns.json").read_bytes()).info.message


# Complex numbers, NaN, boxes


@pytest.mark.parametrize(
    "text",
    [
        (FIELD / "cplx-objs.json").read_bytes(),
        b'[[{"real": 1, "imag": 0}]]',
        json.dumps([[[1, 0]] * 3] * 3).encode(),
    ],
)
def test_complex_numbers_in_another_layout_get_ours(text: bytes) -> None:
    error = refusal(text)
    assert error.code in {Code.BAD_FORMAT, Code.NOT_SQUARE}
    assert '{"re": [[…]], "im": [[…]]}' in error.info.hint


def test_nan_in_a_file_from_the_field_is_not_finite() -> None:
    assert refusal((FIELD / "nan.json").read_bytes()).code is Code.NON_FINITE
    assert refusal(b'{"matrix": [[1, NaN], [0, 1]]}').code is Code.NON_FINITE


@pytest.mark.parametrize("field", ["method", "output", "format", "on_ill_conditioned"])
def test_an_option_that_r_boxed_in_a_list_is_called_a_list(field: str) -> None:
    error = refusal(json.dumps({"matrix": MATRIX, field: ["auto"]}).encode())
    assert error.code is Code.BAD_MESSAGE
    assert "a list was found" in error.info.message
    assert field in error.info.message
    assert refusal((FIELD / "r-list.json").read_bytes()).info.observed == "a list of 1"


# Amazon's extended client


@pytest.mark.parametrize(
    "name",
    [
        "software.amazon.payloadoffloading.PayloadS3Pointer",
        "com.amazon.sqs.javamessaging.MessageS3Pointer",
    ],
)
def test_a_pointer_of_the_extended_client_is_a_reference(name: str) -> None:
    pointer = [name, {"s3BucketName": "inputs", "s3Key": "runs/7.npy"}]
    assert of_message(json.dumps(pointer).encode()) == Reference("inputs", "runs/7.npy")


@pytest.mark.parametrize(
    "body",
    [
        [[1, 2], [3, 4]],
        ["PayloadS3Pointer"],
        ["a.PayloadS3Pointer", {"s3BucketName": "inputs"}],
        ["a.PayloadS3Pointer", {"s3BucketName": "inputs", "s3Key": 7}],
        ["a.OtherPointer", {"s3BucketName": "inputs", "s3Key": "a.npy"}],
    ],
)
def test_another_list_is_no_message(body: Any) -> None:
    assert of_message(json.dumps(body).encode()).code is Code.BAD_MESSAGE


def test_complex_pairs_of_two_by_two_are_a_stack_as_the_readme_warns() -> None:
    assert np.shape(read((FIELD / "cplx-pairs.json").read_bytes())) == (2, 2, 2)
