from __future__ import annotations

import io
import pickle
import struct
import tracemalloc
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from matinv.errors import Code, Refused, Transient
from matinv.formats import npy
from matinv.formats.npy_header import HEADER_LIMIT_BYTES, parse
from support.examples import examples

SQUARE = np.arange(16.0).reshape(4, 4)


def saved(array: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def with_header(text: str | bytes, body: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    content = text if isinstance(text, bytes) else text.encode()
    length = struct.pack("<H" if version == (1, 0) else "<I", len(content))
    return b"\x93NUMPY" + bytes(version) + length + content + body


def dict_text(
    descr: str = "'<f8'", fortran_order: str = "False", shape: str = "(4, 4)", tail: str = ", }\n"
) -> str:
    return f"{{'descr': {descr}, 'fortran_order': {fortran_order}, 'shape': {shape}{tail}"


class CountingReader(io.BytesIO):
    """A file that knows how much of it was read."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data

    def readinto(self, buffer: Any, /) -> int:
        got = super().readinto(buffer)
        self.taken += got
        return got


def refusal(data: bytes, size_bytes: int | None = None) -> tuple[Refused, int]:
    reader = CountingReader(data)
    with pytest.raises(Refused) as caught:
        npy.read_header(reader, len(data) if size_bytes is None else size_bytes)
    return caught.value, reader.taken


@pytest.mark.parametrize(("change", "word"), [(-1, "shorter"), (1, "longer"), (128, "longer")])
def test_the_error_says_whether_the_file_is_too_short_or_too_long(change: int, word: str) -> None:
    data = saved(SQUARE)
    error, _ = refusal(data, len(data) + change)
    assert error.code is Code.BAD_LENGTH
    assert word in error.info.message
    assert ("cut short" in error.info.hint) == (word == "shorter")


OBJECTS = np.array([[{}, {}], [{}, {}]], dtype=object)
STRUCTURED = np.zeros((2, 2), dtype=[("a", "<f8"), ("b", "<i4")])


@pytest.mark.parametrize(
    ("code", "data"),
    [
        pytest.param(Code.BAD_FORMAT, b"", id="0 bytes"),
        pytest.param(Code.BAD_FORMAT, b"\x93NUMPY", id="magic only"),
        pytest.param(Code.BAD_FORMAT, b"\x93NUMPY\x01\x00", id="no header length"),
        pytest.param(Code.BAD_FORMAT, b"\x93NUMPY\x01\x00\x76", id="half a header length"),
        pytest.param(Code.BAD_FORMAT, b"\x93NUMPY\x01\x00\x00\x00", id="empty header"),
        pytest.param(Code.BAD_FORMAT, with_header(dict_text(), version=(9, 9)), id="version 9.9"),
        pytest.param(Code.BAD_FORMAT, with_header(dict_text(), version=(0, 0)), id="version 0.0"),
        pytest.param(Code.BAD_FORMAT, saved(SQUARE)[:50], id="cut in the header"),
        pytest.param(Code.BAD_FORMAT, b"[[1, 2], [3, 4]]", id="JSON named .npy"),
        pytest.param(Code.BAD_FORMAT, pickle.dumps(SQUARE), id="a pickle"),
        pytest.param(Code.BAD_FORMAT, b"PK\x03\x04" + bytes(100), id="a zip"),
        pytest.param(Code.BAD_FORMAT, b"\x1f\x8b\x08" + bytes(100), id="a gzip"),
        pytest.param(Code.BAD_FORMAT, with_header("-" * 4000), id="4,000 minus signs"),
        pytest.param(Code.BAD_FORMAT, with_header("-" * 9000), id="9,000 minus signs"),
        pytest.param(Code.BAD_FORMAT, with_header("1+" * 4000), id="4,000 sums"),
        pytest.param(Code.BAD_FORMAT, with_header("(" * 4900), id="4,900 brackets"),
        pytest.param(Code.BAD_FORMAT, with_header("(" * 4000), id="4,000 brackets"),
        pytest.param(
            Code.BAD_FORMAT, with_header(dict_text(tail=" " * 19_900 + "}")), id="20,000 characters"
        ),
        pytest.param(
            Code.BAD_FORMAT,
            b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(9000),
            id="v2 length 4 GiB-1",
        ),
        pytest.param(
            Code.BAD_FORMAT,
            b"\x93NUMPY\x02\x00" + struct.pack("<I", 4085),
            id="v2, 1 byte too long",
        ),
        *(
            pytest.param(Code.BAD_FORMAT, with_header(text, bytes(128)), id=f"header {text!r}")
            for text in (
                dict_text(shape="(4LL, 4)"),
                dict_text(shape="(L, 4)"),
                dict_text(shape="(4 4)"),
                dict_text(shape="(-1, 4)"),
                dict_text(shape="(True, True)"),
                dict_text(shape="(2.0, 2)"),
                dict_text(shape="(04, 4)"),
                dict_text(shape="(4,, 4)"),
                dict_text(shape="(,)"),
                dict_text(shape="(4)"),
                dict_text(shape="[4, 4]"),
                dict_text(shape="(4, 4"),
                dict_text(shape="(4_0, 4)"),
                dict_text(shape="(0x4, 4)"),
                dict_text(shape="(٤, 4)"),
                dict_text(shape=f"({10**30}, 4)"),
                dict_text(shape="'(4, 4)'"),
                dict_text(descr="<f8"),
                dict_text(descr="b'<f8'"),
                dict_text(descr="'<f8' 'x'"),
                dict_text(fortran_order="0"),
                dict_text(fortran_order="None"),
                dict_text(fortran_order="'False'"),
                dict_text(tail=", 'x': True}"),
                dict_text(tail=", 'shape': (4, 4)}"),
                dict_text(tail="} + 1"),
                dict_text(tail=",,}"),
                dict_text(tail=""),
                "x" + dict_text(),
                dict_text().replace("descr", "Descr"),
                "{'descr': '<f8', 'fortran_order': False}",
                "{}",
                "__import__('os').system('false')",
                "\x00" * 64,
            )
        ),
        *(
            pytest.param(Code.UNSUPPORTED_DTYPE, data, id=f"dtype {name}")
            for name, data in {
                "object": saved(OBJECTS),
                "structured": saved(STRUCTURED),
                "V0": with_header(dict_text("'|V0'")),
                "S8": saved(np.zeros((2, 2), "S8")),
                "U4": saved(np.zeros((2, 2), "U4")),
                "datetime": saved(np.zeros((2, 2), "M8[ns]")),
                "timedelta": saved(np.zeros((2, 2), "m8[s]")),
                "float16": saved(np.zeros((2, 2), np.float16)),
                "longdouble": saved(np.zeros((2, 2), np.longdouble)),
                "clongdouble": saved(np.zeros((2, 2), np.clongdouble)),
                "bool": saved(np.zeros((2, 2), bool)),
                "f3": with_header(dict_text("'<f3'")),
                "i16": with_header(dict_text("'<i16'")),
                "nonsense": with_header(dict_text("'hello'")),
                "empty": with_header(dict_text("''")),
                "subarray": with_header(dict_text("('<f8', (2,))")),
            }.items()
        ),
        *(
            pytest.param(code, saved(np.zeros(shape)), id=f"shape {shape}")
            for code, shape in (
                (Code.NOT_SQUARE, ()),
                (Code.NOT_SQUARE, (4,)),
                (Code.NOT_SQUARE, (2, 3)),
                (Code.NOT_SQUARE, (3, 2, 3)),
                (Code.NOT_SQUARE, (1, 1, 1, 1)),
                (Code.EMPTY, (0,)),
                (Code.EMPTY, (0, 0)),
                (Code.EMPTY, (3, 0)),
                (Code.EMPTY, (0, 3, 3)),
            )
        ),
        *(
            pytest.param(Code.TOO_LARGE, with_header(dict_text(shape=shape), bytes(64)), id=shape)
            for shape in (f"({10**6}, {10**6})", f"({2**33}, {2**33})", f"({2**62}, 4, 4)")
        ),
        pytest.param(Code.BAD_LENGTH, saved(SQUARE)[:-1], id="one byte short"),
        pytest.param(Code.BAD_LENGTH, saved(SQUARE) + b"\0", id="one byte long"),
        pytest.param(Code.BAD_LENGTH, saved(SQUARE)[:128], id="no body"),
        pytest.param(Code.BAD_LENGTH, saved(SQUARE) * 2, id="two files"),
    ],
)
def test_a_bad_file_is_refused_before_its_body_is_read_or_memory_taken(
    code: Code, data: bytes
) -> None:
    tracemalloc.start()
    try:
        error, taken = refusal(data)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert error.code is code
    assert taken <= HEADER_LIMIT_BYTES
    assert peak_bytes < 100_000
    assert error.info.hint


def test_no_byte_of_the_body_is_read_for_a_header() -> None:
    data = saved(SQUARE)
    reader = CountingReader(data)

    npy.read_header(reader, len(data))

    assert reader.taken == len(data) - SQUARE.nbytes


def test_a_pickle_is_not_executed(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, tuple[Path]]:
            return Path.touch, (tmp_path / "executed",)

    bombs = np.array([[Bomb()]], dtype=object)
    for data in (pickle.dumps(Bomb()), saved(bombs)):
        with pytest.raises(Refused):
            npy.decode(data)

    assert not (tmp_path / "executed").exists()


def test_the_refusal_of_a_large_file_is_told_from_its_size_alone() -> None:
    error, _ = refusal(with_header(dict_text(shape="(30000, 30000)")), size_bytes=7)

    assert error.code is Code.BAD_LENGTH
    assert error.info.observed == "7 bytes"


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize(
    "text",
    [
        dict_text(),
        dict_text(tail="}"),
        dict_text(tail="}" + " " * 3000 + "\n"),
        dict_text(shape="(4,4,)"),
        dict_text(shape="( 4 , 4 )"),
        dict_text(descr="'f8'"),
        dict_text(descr="'=f8'"),
        dict_text().replace("'", '"'),
        "{'shape': (4, 4), 'fortran_order': False, 'descr': '<f8'}",
        "{\n  'shape': (4,\n 4),\r\n'fortran_order':\nFalse , 'descr' : '<f8' ,\n}\n",
        dict_text(descr="'d'"),
        dict_text(descr="'<d'"),
        dict_text(descr="'float64'"),
        dict_text(descr="'double'"),
        dict_text(descr="u'<f8'").replace("'shape'", "u'shape'"),
    ],
)
def test_what_other_writers_make_is_read_like_numpy_does(
    text: str, version: tuple[int, int]
) -> None:
    data = with_header(text, SQUARE.tobytes(), version)

    assert np.array_equal(npy.decode(data), SQUARE)
    assert np.array_equal(npy.decode(data), np.load(io.BytesIO(data)))


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
@pytest.mark.parametrize("shape", ["(4L, 4L)", "(1L, 4L, 4)", "(4L,4)", "( 4L , 4 L )"])
def test_a_header_that_numpy_wrote_under_python_2_is_read_like_numpy_does(
    shape: str, version: tuple[int, int]
) -> None:
    data = with_header(dict_text(shape=shape), SQUARE.tobytes(), version)
    with pytest.warns(UserWarning, match="Python 2"):
        expected = np.load(io.BytesIO(data))
    assert np.array_equal(npy.decode(data), expected)


@pytest.mark.parametrize("shape", ["(4L, 4L)", "( 4L , 4 L )"])
def test_python_2_never_wrote_version_3_and_numpy_reads_no_number_of_its_there(shape: str) -> None:
    data = with_header(dict_text(shape=shape), SQUARE.tobytes(), (3, 0))
    with pytest.raises(ValueError, match="header"):
        np.load(io.BytesIO(data))
    assert refusal(data)[0].code is Code.BAD_FORMAT


@pytest.mark.parametrize("name", ["py2-long.npy", "py2-long-v2.npy", "descr-d.npy"])
def test_files_from_the_field_are_read(name: str) -> None:
    data = (Path(__file__).parent / "field" / name).read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert np.array_equal(npy.decode(data), np.load(io.BytesIO(data)))


BLANK = st.sampled_from(["", "", " ", "\t", "\n", "\r\n", "  \n "])
QUOTE = st.sampled_from(["'", '"', "u'"])
CHARACTERS = "dfFDlLqQiIhHbBegG?OSUV"
SIZED = ("f8", "f4", "f2", "i4", "u2", "c16", "b1")
DESCR = st.sampled_from(
    [
        *(order + kind for order in ("", "<", ">", "=", "|") for kind in CHARACTERS),
        *(order + kind for order in "<>" for kind in SIZED),
        *("float64", "double", "single", "complex128", "int32", "uint8", "longdouble", "half"),
        *("bool", "object", "str", "void", "int", "uint", "float", "complex", "intp", "text"),
    ]
)
# Numbers that no writer writes so; numpy, which evaluates Python, takes them.
ODD_NUMBERS = ("+2", "True", "0x2", "2_0")
LENGTH = st.sampled_from(["2", "2L", "2 L", "02", "2.0", "-2", "L", *ODD_NUMBERS])


@st.composite
def headers(draw: st.DrawFn) -> str:
    """Draw a header as some writer, some day, may have put it."""

    def quoted(text: str) -> str:
        mark = draw(QUOTE)
        return f"{mark}{text}{mark[-1]}"

    lengths = draw(st.lists(LENGTH, max_size=3))
    comma = "," if len(lengths) == 1 or draw(st.booleans()) else ""
    shape = f"({','.join(draw(BLANK) + n + draw(BLANK) for n in lengths)}{comma}{draw(BLANK)})"
    fields = draw(
        st.permutations(
            [
                ("descr", quoted(draw(DESCR))),
                ("fortran_order", draw(st.sampled_from(["True", "False", "False", "0", "None"]))),
                ("shape", shape),
            ]
        )
    )
    pairs = [f"{draw(BLANK)}{quoted(k)}{draw(BLANK)}:{draw(BLANK)}{v}" for k, v in fields]
    end = draw(st.sampled_from([",", ", ", "", " "]))
    return f"{{{','.join(pairs)}{end}{draw(BLANK)}}}{draw(st.sampled_from(['', ' ', chr(10)]))}"


@given(headers(), st.sampled_from([(1, 0), (2, 0)]))
@examples(600)
def test_a_header_is_taken_if_and_only_if_numpy_takes_it(
    text: str, version: tuple[int, int]
) -> None:
    data = with_header(text, bytes(range(256)), version)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            loaded = np.load(io.BytesIO(data), allow_pickle=False)
        except (ValueError, TypeError, SyntaxError):
            loaded = None
    ours = loaded is not None and loaded.dtype.kind in "fciu" and loaded.dtype.char not in "egG"
    if any(number in text[text.index("(") :] for number in ODD_NUMBERS):
        return
    if not ours:
        with pytest.raises(Refused):
            parse(text)
        return
    header = parse(text)
    assert loaded is not None
    assert (header.shape, header.dtype) == (loaded.shape, loaded.dtype)
    assert loaded.ndim < 2 or loaded.flags.f_contiguous or not header.fortran_order


REAL = ["<f4", ">f4", "<f8", ">f8"]
COMPLEX = ["<c8", ">c8", "<c16", ">c16"]
INTEGER = [f"{order}{kind}{size}" for order in "<>" for kind in "iu" for size in (1, 2, 4, 8)]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (3, 2, 2)])
@pytest.mark.parametrize("dtype", REAL + COMPLEX + INTEGER)
def test_every_dtype_and_order_that_numpy_saves_is_read(
    dtype: str, shape: tuple[int, ...], order: Any
) -> None:
    written = np.arange(np.prod(shape)).reshape(shape).astype(dtype, order=order)
    read = npy.decode(saved(written))
    loaded = np.load(io.BytesIO(saved(written)))

    assert np.array_equal(read, loaded)
    assert read.dtype.isnative
    assert read.dtype == (
        np.float64 if loaded.dtype.kind in "iu" else loaded.dtype.newbyteorder("=")
    )
    assert read.flags.writeable
    assert read.flags.aligned
    assert read.flags.c_contiguous or read.flags.f_contiguous


def test_the_header_says_what_is_coming() -> None:
    data = saved(np.zeros((5, 3, 3), ">i4", order="F"))
    header = npy.read_header(io.BytesIO(data), len(data))

    assert (header.count, header.n, header.body_bytes) == (5, 3, 180)
    assert header.fortran_order
    assert header.dtype == np.dtype(">i4")
    assert header.dtype.name == "int32"
    assert header.working_dtype == np.dtype(np.float64)
    assert npy.read_header(io.BytesIO(saved(SQUARE)), len(saved(SQUARE))).count == 1


def test_infinities_and_nan_pass_for_the_gates_to_judge_slice_by_slice() -> None:
    stack = np.array([[[1.0, 2.0], [3.0, np.nan]], [[np.inf, 0.0], [0.0, 1.0]]])

    assert np.array_equal(npy.decode(saved(stack)), stack, equal_nan=True)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("kind", "value", "exact"),
    [
        ("i8", 2**53, True),
        ("i8", 2**53 + 1, False),
        ("i8", 2**53 + 2, True),
        ("i8", -(2**53), True),
        ("i8", -(2**53) - 1, False),
        ("i8", 2**62, True),
        ("i8", 2**63 - 1, False),
        ("i8", -(2**63), True),
        ("i8", -(2**63) + 1, False),
        ("u8", 2**63, True),
        ("u8", 2**64 - 1, False),
        ("u8", 2**64 - 1024, False),
        ("u8", 2**64 - 2048, True),
    ],
)
def test_an_integer_that_float64_cannot_hold_is_refused(
    order: str, kind: str, value: int, *, exact: bool
) -> None:
    matrix = np.ones((300, 300), order + kind)
    matrix[-1, -1] = value
    if exact:
        assert int(npy.decode(saved(matrix))[-1, -1]) == value
    else:
        with pytest.raises(Refused, match="PRECISION"):
            npy.decode(saved(matrix))


@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<c8"])
def test_reading_takes_the_memory_of_one_matrix(dtype: str) -> None:
    matrix = np.ones((500, 500), dtype)
    reader = io.BytesIO(saved(matrix))
    header = npy.read_header(reader, len(reader.getvalue()))
    tracemalloc.start()
    npy.read_body(reader, header)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 1.01 * matrix.nbytes


@pytest.mark.parametrize("dtype", ["<i8", ">u2", "|i1"])
def test_reading_integers_takes_the_memory_of_one_matrix_and_a_block(dtype: str) -> None:
    matrix = np.ones((1000, 1000), dtype)
    reader = io.BytesIO(saved(matrix))
    header = npy.read_header(reader, len(reader.getvalue()))
    tracemalloc.start()
    npy.read_body(reader, header)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 1.2 * 8 * matrix.size


def test_a_reader_that_gives_little_at_a_time_is_read_to_the_end() -> None:
    class Trickle(io.BytesIO):
        def readinto(self, buffer: Any, /) -> int:
            return super().readinto(buffer[:7])

    for matrix in (SQUARE, SQUARE.astype(np.int16)):
        data = saved(matrix)
        reader = Trickle(data)
        assert np.array_equal(npy.read_body(reader, npy.read_header(reader, len(data))), SQUARE)


def test_a_body_that_ends_early_is_the_connection_s_fault() -> None:
    data = saved(SQUARE)
    reader = io.BytesIO(data[:-1])
    header = npy.read_header(reader, len(data))

    with pytest.raises(Transient, match="STORAGE"):
        npy.read_body(reader, header)


@given(
    array=hnp.arrays(
        st.sampled_from([np.dtype(d) for d in ("f4", "f8", "c8", "c16")]),
        st.sampled_from([(1, 1), (3, 3), (2, 3, 3), (4, 1, 1)]),
    ),
    order=st.sampled_from("CF"),
)
@examples(60)
def test_numpy_reads_what_parts_writes_and_so_do_we(array: Any, order: Any) -> None:
    array = np.asarray(array, order=order)
    data = b"".join(npy.parts(array))

    assert data == saved(array)
    assert npy.decode(data).tobytes() == array.tobytes()


def test_parts_share_the_memory_of_a_contiguous_array() -> None:
    for array in (SQUARE, np.asfortranarray(SQUARE), np.zeros((3, 2, 2), np.complex64)):
        body = npy.parts(array)[1]
        assert np.shares_memory(np.frombuffer(body, np.uint8), array)


def test_parts_of_a_view_are_those_of_its_copy() -> None:
    view = np.arange(64.0).reshape(8, 8)[::2, ::2]

    assert b"".join(npy.parts(view)) == saved(view)


@given(
    data=st.binary(max_size=300)
    | st.builds(lambda tail: b"\x93NUMPY\x01\x00" + tail, st.binary(max_size=300))
    | st.text("{}(),:' descrshapfotn_L0123456789<f8TrueFalse[]\n", max_size=120).map(with_header)
)
@examples(200)
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    with suppress(Refused):
        npy.decode(data)


@given(
    position=st.integers(0, 255),
    value=st.integers(0, 255),
    cut=st.integers(0, 256) | st.none(),
)
@examples(200)
def test_a_damaged_file_is_refused_or_read_as_numpy_reads_it(
    position: int, value: int, cut: int | None
) -> None:
    data = bytearray(saved(SQUARE))
    data[position] = value
    damaged = bytes(data[:cut])
    try:
        read = npy.decode(damaged)
    except Refused:
        return
    assert np.array_equal(read, np.load(io.BytesIO(damaged)), equal_nan=True)


@pytest.mark.parametrize("shape", ["({n}, {n})", "({n},{n},)", "(3, {n}, {n})", "( {n} , {n} )"])
def test_headers_of_all_orders_are_read(shape: str) -> None:
    # Python 3.11.0 to 3.11.4 lost those with a 0 in second place: 100, 200, 500, 1000, 1024, ...
    orders = [*range(1, 2100), *(10**k for k in range(4, 18)), 2**40, 2**62]
    for n in orders:
        text = dict_text(shape=shape.format(n=n))
        assert parse(text).shape[-2:] == (n, n)
