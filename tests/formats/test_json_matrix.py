from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from matinv.errors import Code, Refused
from matinv.formats import json_matrix, json_rows
from support.examples import examples

FINITE = st.floats(allow_nan=False, allow_infinity=False)
SHAPES = st.sampled_from([(1, 1), (2, 2), (5, 5), (1, 1, 1), (3, 2, 2), (2, 5, 5)])
BIG_INTEGER = 9007199254740993


@pytest.fixture(params=[1, 30, 64 * 1024], ids="pieces of {} bytes".format)
def pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text taken in pieces of one row, of a few, and as a whole."""
    monkeypatch.setattr(json_rows, "_PIECE_BYTES", request.param)


def refused(text: str | bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        json_matrix.decode(text if isinstance(text, bytes) else text.encode())
    return caught.value


def nested(depth: int, inner: str = "1") -> str:
    return "[" * depth + inner + "]" * depth


@pytest.mark.usefixtures("pieces")
@pytest.mark.parametrize(
    ("code", "text"),
    [
        (Code.EMPTY, "[]"),
        (Code.EMPTY, "[[]]"),
        (Code.EMPTY, "[[], []]"),
        (Code.EMPTY, "[[[]]]"),
        (Code.EMPTY, "[[[[]]]]"),
        (Code.NOT_SQUARE, "[1, 2, 3]"),
        (Code.NOT_SQUARE, "[[1, 2, 3], [4, 5, 6]]"),
        (Code.NOT_SQUARE, "[[1], [2]]"),
        (Code.NOT_SQUARE, "[[1, 2]]"),
        (Code.NOT_SQUARE, "[[[1, 2]], [[3, 4]]]"),
        (Code.NOT_SQUARE, "[[[1], [2]], [[3], [4]]]"),
        (Code.NOT_SQUARE, "[[[[1]]]]"),
        (Code.NOT_SQUARE, nested(20)),
        (Code.RAGGED, "[[1, 2], [3]]"),
        (Code.RAGGED, "[[1], [3, 4]]"),
        (Code.RAGGED, "[[1, 2], []]"),
        (Code.RAGGED, "[[[1, 2], [3, 4]], [[5, 6]]]"),
        (Code.RAGGED, "[[[1, 2], [3, 4]], [[5, 6], [7]]]"),
        (Code.RAGGED, "[[[1]], []]"),
        (Code.BAD_FORMAT, "[[1, null], [3, 4]]"),
        (Code.BAD_FORMAT, "[[null, null], [null, null]]"),
        (Code.BAD_FORMAT, '[["1", 2], [3, 4]]'),
        (Code.BAD_FORMAT, '[[1, 2], [3, "4"]]'),
        (Code.BAD_FORMAT, "[[true, 2], [3, 4]]"),
        (Code.BAD_FORMAT, "[[1, 2], [3, false]]"),
        (Code.BAD_FORMAT, "[[1, [2]], [3, 4]]"),
        (Code.BAD_FORMAT, "[[1, 2], [3, [4]]]"),
        (Code.BAD_FORMAT, "[[1, [2, 3], 4], [5, 6, 7], [8, 9, 0]]"),
        (Code.BAD_FORMAT, "[[1, 2], [[3], 4]]"),
        (Code.BAD_FORMAT, "[[[1, 2], [[3], 4]]]"),
        (Code.BAD_FORMAT, "[[1, {}], [3, 4]]"),
        (Code.BAD_FORMAT, "[[1, 2], 3]"),
        (Code.BAD_FORMAT, "[1, [2, 3]]"),
        (Code.BAD_FORMAT, "[[1, 2], null]"),
        (Code.BAD_FORMAT, '[[1, 2], "34"]'),
        (Code.BAD_FORMAT, "[[[1]], [2]]"),
        (Code.BAD_FORMAT, "[[[1]], 2]"),
        (Code.BAD_FORMAT, "[[1], [[2]]]"),
        (Code.BAD_FORMAT, "[true]"),
        (Code.BAD_FORMAT, nested(10, "null")),
        (Code.NON_FINITE, "[[1e999]]"),
        (Code.NON_FINITE, "[[1, 2], [3, -1e999]]"),
        (Code.NON_FINITE, "[[1.8e308]]"),
        (Code.NON_FINITE, f"[[{'9' * 400}.5]]"),
        (Code.NON_FINITE, "[1e999]"),
        (Code.BAD_FORMAT, f"[[{'9' * 5000}]]"),
        (Code.BAD_FORMAT, f"[[1, 2], [3, -{'9' * 5000}]]"),
        (Code.PRECISION, f"[[{BIG_INTEGER}]]"),
        (Code.PRECISION, f"[[1, 2], [3, -{BIG_INTEGER}]]"),
        (Code.PRECISION, f"[[1e300, 2.5], [{BIG_INTEGER}, 4]]"),
        (Code.PRECISION, f"[[{2**63 + 1}]]"),
        (Code.PRECISION, f"[[{2**64 + 1}]]"),
        (Code.PRECISION, f"[[{10**23}]]"),
        (Code.PRECISION, f"[[{'9' * 308}]]"),
    ],
)
def test_text_that_is_no_matrix_is_refused_by_the_code_that_fits(code: Code, text: str) -> None:
    error = refused(text)

    assert error.code is code
    assert error.info.hint
    assert "9007199254740993" not in str(error.info)


@pytest.mark.usefixtures("pieces")
@pytest.mark.parametrize(
    "text", ["[[1, [2, 3], 4]]", "[[1, 2], [[3], 4]]", "[[[1, 2], [[[3]], 4]]]", "[[1], [[[]]]]"]
)
def test_an_element_that_is_a_list_is_not_called_a_mistake_in_the_syntax(text: str) -> None:
    with pytest.raises(Refused) as caught:
        json_matrix.decode(text.encode(), Code.BAD_MESSAGE)
    assert caught.value.code in {Code.BAD_FORMAT, Code.RAGGED}


@pytest.mark.usefixtures("pieces")
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"  ",
        b"hello",
        b"7",
        b"null",
        b'"x"',
        b"{",
        b"[",
        b"[[",
        b"[[1, 2], [3, 4]",
        b"[[1, 2], [3, 4]]]",
        b"[[1, 2], [3, 4]],",
        b"[[1, 2], [3, 4]] 5",
        b"[[1, 2], [3, 4]] [[5]]",
        b"[[1, 2], [3, 4],]",
        b"[[1, 2],, [3, 4]]",
        b"[[1, 2] [3, 4]]",
        b"[[1, 2,], [3, 4]]",
        b"[[1, 2]; [3, 4]]",
        b"[[[1], [2]]], [[3]]",
        b"[[[1]]], [[[2]]]",
        b"[[[1]] [[2]]]",
        b"[[[1]],]",
        b"[[[1],]]",
        b"[[[1]]][[[2]]]",
        b"[[1 2], [3, 4]]",
        b"[[01]]",
        b"[[+1]]",
        b"[[.5]]",
        b"[[1.]]",
        b"[[1e]]",
        b"[[0x1]]",
        b"[[1_0]]",
        b"[['1']]",
        b"[[1]]\x00",
        b"\x00[[1]]",
        b"\xef\xbb\xbf[[1]]",
        b"\xff\xfe[\x00[\x001\x00]\x00]\x00",
        b"[[1]] // one",
        b'[["\\ud800"]]',
        b"[[\xc2\xa01]]",
        "[[\u0661]]".encode(),
        nested(100).encode(),
        nested(1000).encode(),
        nested(1500).encode(),
        b"[" * 100_000,
        b'{"re": [[1]], "im": [[1]]',
        b'{"re": [[1]] "im": [[1]]}',
        b'{"re": [[1, 2], "im": [3, 4]]}',
        b'{"re": 1, "im": 2}',
        b'{"re": [[1]], "im": null}',
    ],
)
def test_text_that_is_no_json_is_refused_as_what_the_caller_calls_that(text: bytes) -> None:
    for code in (Code.BAD_FORMAT, Code.BAD_MESSAGE):
        with pytest.raises(Refused) as caught:
            json_matrix.decode(text, code)
        assert caught.value.code is code


@pytest.mark.parametrize(
    "text",
    [
        b"[[NaN]]",
        b"[[4,1,NaN],[2,5,1],[0,3,6]]",
        b"[[Infinity, 1], [1, 1]]",
        b"[[1, 2], [3, -Infinity]]",
        b"[[[nan]]]",
        b'{"re": [[NaN]], "im": [[0]]}',
        b"[" + b"[1,2]," * 40_000 + b"[1,NaN]]",
    ],
)
def test_nan_is_not_finite_in_a_file_and_no_json_in_a_message(text: bytes) -> None:
    for syntax, code in (
        (Code.BAD_FORMAT, Code.NON_FINITE),
        (Code.BAD_MESSAGE, Code.BAD_MESSAGE),
    ):
        with pytest.raises(Refused) as caught:
            json_matrix.decode(text, syntax)
        assert caught.value.code is code
        assert "NaN" in caught.value.info.message


def test_an_element_nested_too_deep_is_a_mistake_in_the_syntax() -> None:
    with pytest.raises(Refused, match="BAD_MESSAGE"):
        json_matrix.decode(f"[[1, {nested(900)}], [3, 4]]".encode(), Code.BAD_MESSAGE)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (Code.BAD_MESSAGE, '{"re": [[1]]}'),
        (Code.BAD_MESSAGE, "{}"),
        (Code.BAD_MESSAGE, '{"re": [[1]], "im": [[1]], "abs": [[1]]}'),
        (Code.BAD_MESSAGE, '{"re": [[1]], "im": [[1]], "re": [[1]]}'),
        (Code.RAGGED, '{"re": [[1]], "im": [[1, 2], [3, 4]]}'),
        (Code.RAGGED, '{"re": [[1]], "im": [[[1]]]}'),
        (Code.NOT_SQUARE, '{"re": [[1, 2]], "im": [[1, 2]]}'),
        (Code.NOT_SQUARE, '{"re": [1, 2], "im": [1, 2]}'),
        (Code.BAD_FORMAT, '{"re": [[1]], "im": [["1"]]}'),
        (Code.BAD_FORMAT, '{"re": [["a"]], "im": [[1]]}'),
        (Code.NON_FINITE, '{"re": [[1]], "im": [[1e999]]}'),
    ],
)
def test_a_complex_matrix_has_two_parts_of_one_shape(code: Code, text: str) -> None:
    assert refused(text).code is code


@pytest.mark.usefixtures("pieces")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[1]]", [[1.0]]),
        ("[[1, 2], [3, 4]]", [[1.0, 2.0], [3.0, 4.0]]),
        ("[[1,2.5],[3e0,4E+0]]", [[1.0, 2.5], [3.0, 4.0]]),
        (" \n[\t[ 1 ,\r2 ] , [ 3 , 4 ] ] \n", [[1.0, 2.0], [3.0, 4.0]]),
        ("[[[1]]]", [[[1.0]]]),
        ("[[[1]], [[2]], [[3]]]", [[[1.0]], [[2.0]], [[3.0]]]),
        ("[[[1, 2], [3, 4]] ,\n[[5, 6], [7, 8]]]", [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]),
        ("[[1e-320]]", [[1e-320]]),
        ("[[1e-999]]", [[0.0]]),
        ("[[9007199254740992]]", [[2.0**53]]),
        ("[[9007199254740993.0]]", [[2.0**53]]),
        ("[[9007199254740993e0]]", [[2.0**53]]),
        ("[[9007199254740994, 1e300], [1, 2]]", [[2.0**53 + 2, 1e300], [1, 2]]),
        (f"[[{2**70}]]", [[2.0**70]]),
        (f"[[-{10**22}]]", [[-1e22]]),
        (f"[[0.{'3' * 500_000}]]", [[1 / 3]]),
        (f"[[{'3' * 300}.{'3' * 500_000}]]", [[float("3" * 300)]]),
    ],
)
def test_text_is_read_to_the_nearest_float(text: str, expected: Any) -> None:
    array = json_matrix.decode(text.encode())

    assert np.array_equal(array, np.array(expected, float))
    assert array.dtype == np.float64
    assert array.flags.writeable
    assert array.flags.c_contiguous


def test_minus_zero_stays_minus_zero() -> None:
    array = json_matrix.decode(b"[[-0.0, 0.0], [1, -0.0]]")

    assert np.signbit(array).tolist() == [[True, False], [False, True]]
    assert json_matrix.encode(array) == b"[[-0.0,0.0],[1.0,-0.0]]"


def test_a_complex_matrix_is_put_together() -> None:
    array = json_matrix.decode(b'{"im": [[0, 1], [-1, 0]], "re": [[1, 0], [0, 1]]}')

    assert array.dtype == np.complex128
    assert np.array_equal(array, [[1, 1j], [-1j, 1]])


@pytest.mark.usefixtures("pieces")
@given(array=hnp.arrays(np.float64, SHAPES, elements=FINITE), indent=st.sampled_from([None, 1]))
@examples(50)
def test_what_python_writes_is_read_to_the_last_bit(array: Any, indent: int | None) -> None:
    assert json_matrix.decode(json.dumps(array.tolist(), indent=indent).encode()).tobytes() == (
        array.tobytes()
    )


@given(
    array=hnp.arrays(np.float64, SHAPES, elements=FINITE)
    | hnp.arrays(
        np.complex128, SHAPES, elements=st.complex_numbers(allow_nan=False, allow_infinity=False)
    )
)
@examples(60)
def test_what_is_written_is_read_to_the_last_bit(array: Any) -> None:
    text = json_matrix.encode(array)

    assert json_matrix.decode(text).tobytes() == array.tobytes()
    assert json_matrix.decode_result(text).tobytes() == array.tobytes()
    if not np.iscomplexobj(array):
        assert np.array(json.loads(text)).tobytes() == array.tobytes()


@given(
    array=hnp.arrays(
        np.float32, (3, 3), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)
    )
)
@examples(30)
def test_float32_is_written_short_and_exact(array: Any) -> None:
    text = json_matrix.encode(array)

    assert np.array_equal(json_matrix.decode(text).astype(np.float32), array)
    assert json_matrix.encode(np.array([[0.1]], np.float32)) == b"[[0.1]]"


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_any_memory_order_is_written(dtype: Any, order: Any) -> None:
    array = np.arange(18).reshape(2, 3, 3).astype(dtype, order=order)

    assert np.array_equal(json_matrix.decode(json_matrix.encode(array)), array)
    assert np.array_equal(json_matrix.decode(json_matrix.encode(array[:, ::-1])), array[:, ::-1])


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_failed_slices_are_null_and_come_back_as_nan(dtype: Any) -> None:
    array = np.ones((3, 2, 2), dtype)
    text = json_matrix.encode(array, failed={0, 2})

    if dtype is np.float64:
        assert text == b"[null,[[1.0,1.0],[1.0,1.0]],null]"
    back = json_matrix.decode_result(text)
    assert back.dtype == dtype
    assert np.array_equal(back[1], array[1])
    assert np.isnan(back[[0, 2]]).all()


@pytest.mark.parametrize("n", [3, 64, 200])
@pytest.mark.parametrize("count", [1, 7])
def test_large_text_is_read_in_pieces_like_as_a_whole(n: int, count: int) -> None:
    array = np.random.default_rng(n).standard_normal((count, n, n))

    assert np.array_equal(json_matrix.decode(json_matrix.encode(array)), array)
    assert np.array_equal(json_matrix.decode(json.dumps(array[0].tolist()).encode()), array[0])


def text_of(rows: int, columns: int, element: str = "0.123456789012345678") -> bytes:
    row = "[" + ",".join([element] * columns) + "]"
    return f"[{','.join([row] * rows)}]".encode()


def peak_bytes_of(read: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_reading_takes_the_memory_of_one_matrix() -> None:
    text = text_of(700, 700)

    assert peak_bytes_of(lambda: json_matrix.decode(text)) < 700 * 700 * 8 + 2**21


@pytest.mark.parametrize(
    ("code", "text"),
    [
        pytest.param(Code.NOT_SQUARE, text_of(301, 300), id="one row more"),
        pytest.param(Code.NOT_SQUARE, text_of(300, 301), id="one row less"),
        pytest.param(Code.RAGGED, text_of(300, 300)[:-1] + b",[1]]", id="last row short"),
        pytest.param(Code.BAD_FORMAT, text_of(300, 300)[:-2] + b",null]]", id="null at the end"),
        pytest.param(Code.BAD_FORMAT, text_of(300, 300)[:-1] + b",7]", id="number at the end"),
        pytest.param(Code.BAD_FORMAT, text_of(300, 300)[:-1] + b"}", id="wrong end"),
        pytest.param(Code.BAD_FORMAT, text_of(300, 300)[:-1], id="no end"),
        pytest.param(
            Code.BAD_FORMAT, text_of(300, 300).replace(b"],[", b"][", 250), id="no commas"
        ),
        pytest.param(Code.RAGGED, b"[[1,2]" + b",[]" * 2**18 + b"]", id="empty rows"),
        pytest.param(Code.NOT_SQUARE, b"[" + b"[1]," * 2**16 + b"[1]]", id="a column"),
    ],
)
def test_a_refusal_takes_less_memory_than_the_text(code: Code, text: bytes) -> None:
    assert peak_bytes_of(lambda: refused(text)) < 1.2 * len(text) + 2**22
    assert refused(text).code is code


# Half a million elements take 0.2 to 0.6 s of CPU by the machine; in quadratic time, hours.
HANGS_S = 3.0


@pytest.mark.parametrize(
    ("text", "limit_s"),
    [
        pytest.param(lambda: b"[" * 100_000, 0.010, id="100,000 brackets"),
        pytest.param(lambda: nested(1000).encode(), 0.010, id="nested 1,000 deep"),
        pytest.param(lambda: b"[[1" + b" " * 2**20 + b"]]", 0.1, id="1 MiB of blanks"),
        pytest.param(lambda: b"[[" + b"1" * 2**20 + b"]]", 0.1, id="1 MiB of digits"),
        pytest.param(lambda: b"[[1e" + b"9" * 2**20 + b"]]", 0.1, id="1 MiB of exponent"),
        pytest.param(lambda: b"[" + b"[1]," * 2**18 + b"[1]]", HANGS_S, id="column of 2**18"),
        pytest.param(lambda: b"[" + b"[]," * 2**18 + b"[]]", HANGS_S, id="2**18 empty rows"),
        pytest.param(lambda: b"[[" + b"1," * 2**19 + b"1]]", HANGS_S, id="row of 2**19"),
        pytest.param(lambda: b"[[1]" + b"]" * 2**20, 0.1, id="1 MiB of closing brackets"),
        pytest.param(lambda: b"[[1]," + b"[ " * 2**19, 0.1, id="1 MiB of opening brackets"),
        pytest.param(lambda: b'{"re":' + b'"re":' * 2**18, HANGS_S, id="2**18 keys"),
        pytest.param(lambda: b'{"a":"' + b'\\"' * 2**19, HANGS_S, id="2**19 escaped quotes"),
        pytest.param(lambda: b'{"a":"' + b'\\"' * 2**19 + b"\\", HANGS_S, id="and a backslash"),
        pytest.param(lambda: b'{"a":' * 2**18, HANGS_S, id="2**18 objects"),
        pytest.param(lambda: b'{"a":[' + b'"",' * 2**18 + b'""]}', HANGS_S, id="2**18 strings"),
    ],
)
@pytest.mark.deep
def test_hostile_text_takes_linear_time(text: Callable[[], bytes], limit_s: float) -> None:
    content = text()
    seconds = []
    for _ in range(3):  # CPU time, and the machine may be busy
        start_s = time.thread_time()
        with suppress(Refused):
            json_matrix.decode(content)
        seconds.append(time.thread_time() - start_s)

    assert min(seconds) < limit_s


ELEMENTS = st.sampled_from(
    [
        "1",
        "-2.5",
        "1e3",
        "0",
        "null",
        '"1"',
        "{}",
        "[]",
        "[1]",
        "[1,2]",
        "[[1]]",
        "1e999",
        "NaN",
        "",
    ]
)
LISTS = st.recursive(
    ELEMENTS,
    lambda inner: st.lists(inner, max_size=3).map(lambda x: f"[{','.join(x)}]"),
    max_leaves=12,
)


@given(
    text=LISTS.map(str.encode)
    | st.binary(max_size=60)
    | st.text('[[[]]]{{}},,"":\\reim0123456789.eE+- \nnulltruefals', max_size=80).map(str.encode),
    piece_bytes=st.sampled_from([1, 20, 2**17]),
)
@examples(400)
def test_any_text_is_refused_or_read_as_numpy_reads_it(text: bytes, piece_bytes: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_rows, "_PIECE_BYTES", piece_bytes)
        try:
            array = json_matrix.decode(text)
        except Refused:
            return
    if not np.iscomplexobj(array):
        assert np.array_equal(array, np.array(json.loads(text), float))


@given(data=st.data())
@examples(150)
def test_the_size_of_pieces_changes_no_verdict(data: st.DataObject) -> None:
    text = data.draw(LISTS).encode()

    def verdict(piece_bytes: int) -> object:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(json_rows, "_PIECE_BYTES", piece_bytes)
            try:
                return json_matrix.decode(text).tolist()
            except Refused:
                return "refused"

    assert verdict(1) == verdict(2**17)
