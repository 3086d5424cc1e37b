"""Layouts of other tools: read where that is plain, else named, with advice that works."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matinv.errors import Code, MatinvError, Refused
from matinv.jobs.message import parse_file, parse_message
from matinv.jobs.request import Inline, Reference, Request
from matinv.local.samples import npy_bytes

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


# Whole bodies, as people send them, the same in a message and in a file

SPLIT = {"columns": NAMES, "index": [0, 1, 2], "data": MATRIX}
TABLE = {
    "schema": {"fields": [{"name": "index", "type": "integer"}], "pandas_version": "1.4.0"},
    "data": [{"index": number, **row} for number, row in enumerate(RECORDS)],
}
ARRAY = np.array(MATRIX)
AS_VALUES = 'df.to_json(orient="values")'
PRINTED = "json.dumps"
WHOLE = [
    # `DataFrame.to_json`, by its orient.
    ("split", json.dumps(SPLIT), '{"matrix": …}'),
    ("records", json.dumps(RECORDS), AS_VALUES),
    ("records of one column", json.dumps([{"a": 1.0}]), AS_VALUES),
    ("columns", json.dumps(COLUMNS), AS_VALUES),
    ("index", json.dumps({str(n): row for n, row in enumerate(RECORDS)}), AS_VALUES),
    ("columns, with missing", json.dumps(COLUMNS | {"DDD": {"0": None}}), AS_VALUES),
    ("columns, indented", json.dumps(COLUMNS, indent=2), AS_VALUES),
    ("values", json.dumps(MATRIX), '{"matrix": [['),
    ("table", json.dumps(TABLE), AS_VALUES),
    # The matrix without its field, or in one of another name.
    ("a stack", json.dumps([MATRIX, MATRIX]), '{"matrix": [['),
    ("complex", json.dumps({"re": MATRIX, "im": MATRIX}), '{"matrix": …}'),
    ("data", json.dumps({"data": MATRIX}), 'like this: {"matrix": [['),
    ("data and options", json.dumps({"job_id": "a", "data": MATRIX}), 'like this: {"matrix": [['),
    ("A", json.dumps({"A": MATRIX, "method": "spd"}), 'like this: {"matrix": [['),
    ("values, as blanks", json.dumps({"values": MATRIX}, indent=1), 'like this: {"matrix": [['),
    ("several", json.dumps([{"matrix": MATRIX}, {"job_id": "b", "matrix": MATRIX}]), "of its own"),
    # What is printed, and what is encoded once too often.
    ("repr", repr(ARRAY), PRINTED),
    ("repr of an imported name", f"np.{ARRAY!r}", PRINTED),
    ("repr of integers", repr(ARRAY.astype(int)), PRINTED),
    ("repr of a matrix", repr(ARRAY).replace("array", "matrix"), PRINTED),
    ("repr of a tensor", f"tensor({MATRIX})", PRINTED),
    ("str", str(ARRAY), PRINTED),
    ("str of integers", str(-ARRAY.astype(int)), PRINTED),
    ("MATLAB", "[4 1 0; 2 5 1; 0 3 6]", PRINTED),
    ("a dict of Python", str({"matrix": MATRIX}), PRINTED),
    ("CSV", "4,1,0\n2,5,1\n0,3,6\n", PRINTED),
    ("CSV with semicolons", "4.0; 1.0\r\n2.0; 5.0\r\n", PRINTED),
    (".npy in base64", base64.b64encode(npy_bytes(ARRAY)).decode(), '{"npy": "…"}'),
    (".npy in a string", json.dumps(base64.b64encode(npy_bytes(ARRAY)).decode()), '{"npy": "…"}'),
    (".npz in base64", base64.b64encode((FIELD / "cov.npz").read_bytes()).decode(), ".npz"),
    ("JSON in base64", base64.b64encode(json.dumps({"matrix": MATRIX}).encode()).decode(), "JSON"),
    ("JSON in a string", json.dumps(json.dumps({"matrix": MATRIX})), "encode it only once"),
]
AS_A_FILE = {"split", "values", "a stack", "complex"}  # which is the matrix itself


@pytest.mark.parametrize("body", WHOLE, ids=[name for name, *_ in WHOLE])
def test_a_foreign_whole_body_gets_a_hint_that_helps(body: tuple[str, str, str]) -> None:
    name, text, words = body
    error = of_message(text.encode())
    assert error.code in {Code.BAD_MESSAGE, Code.BAD_FORMAT}
    assert words in error.info.hint
    assert "spelling" not in error.info.hint
    if name in AS_A_FILE:
        assert read(text.encode()).shape[-2:] == (3, 3)
    elif not name.startswith(("records", "several")):  # there a list is the matrix, of objects
        assert refusal(text.encode()).info.hint == error.info.hint


def test_a_table_of_a_thousand_columns_is_a_table_too() -> None:
    wide = {str(column): {str(row): 0.0 for row in range(2)} for column in range(1001)}
    assert AS_VALUES in refusal(json.dumps(wide).encode()).info.hint


@pytest.mark.parametrize(
    "body",
    [
        {"detail": {"name": "x"}},
        {"a": {"b": [[1]]}},
        {"methd": "pinv"},
        {"tags": {"a": "b"}, "x": 1},
        {"matrix": MATRIX, "data": MATRIX},
        {"matrx": [1, 2]},
    ],
)
def test_what_is_no_matrix_is_not_called_one(body: Any) -> None:
    assert "spelling" in of_message(json.dumps(body).encode()).info.hint


@pytest.mark.parametrize("blanks", ["", " ", "\n\t ", " " * 100_000])
@pytest.mark.parametrize("matrix", [[[1]], [[-1.5e-3, 2], [3, 4]], [[[0]]]])
def test_json_that_is_well_formed_is_not_called_printed(blanks: str, matrix: Any) -> None:
    text = blanks + json.dumps(matrix, indent=3, separators=(f"{blanks},{blanks}", ":"))
    assert read(text.encode()).tolist() == matrix


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
    assert "it is a list" in error.info.message
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
