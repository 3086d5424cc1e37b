"""Archives: numpy and zipfile are the oracles of what is read and what is written."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flint
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinv.errors import Code, Refused, Transient
from matinv.formats import npz
from matinv.formats.codecs import CODECS, Format, open_file
from matinv.formats.opened import OpenedFile
from matinv.formats.result import Result
from matinv.linalg.inverse import invert
from matinv.linalg.types import Accuracy
from support.examples import examples

SQUARE = np.arange(16.0).reshape(4, 4)
STACK = np.stack([np.eye(2), np.ones((2, 2)), np.diag([2.0, 4.0])])
FIGURES = ("rcond", "residual", "digits", "log_abs_det", "sign")
SAVERS: list[Callable[..., None]] = [np.savez, np.savez_compressed]


def saved(saver: Callable[..., None] = np.savez, **arrays: Any) -> bytes:
    file = io.BytesIO()
    saver(file, **arrays)
    return file.getvalue()


def zipped(*members: tuple[str, bytes], **options: Any) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **options) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def npy_bytes(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def read(data: bytes, form: Format = Format.NPZ) -> Any:
    opened = open_file(form, io.BytesIO(data), len(data))
    assert isinstance(opened, OpenedFile)
    return opened.read()


def refusal(data: bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        read(data)
    return caught.value


# In


@pytest.mark.parametrize("saver", SAVERS)
@pytest.mark.parametrize(
    "array",
    [
        SQUARE,
        STACK,
        np.asfortranarray(SQUARE),
        SQUARE.astype(">f4"),
        SQUARE.astype(np.int32),
        SQUARE + 1j,
        np.zeros((700, 700)),
        np.random.default_rng(0).random((300, 300)),
    ],
)
def test_the_only_array_is_read_as_numpy_reads_it(saver: Callable[..., None], array: Any) -> None:
    data = saved(saver, a=array)
    expected = np.load(io.BytesIO(data), allow_pickle=False)["a"]
    assert np.array_equal(read(data), expected)


def test_a_writer_that_cannot_seek_puts_the_lengths_behind_the_data() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: Any) -> int:
            raise OSError

        def tell(self) -> int:
            raise OSError

    for saver in SAVERS:
        pipe = Pipe()
        with zipfile.ZipFile(
            pipe, "w", zipfile.ZIP_STORED if saver is np.savez else zipfile.ZIP_DEFLATED
        ) as archive:
            archive.writestr("a.npy", npy_bytes(SQUARE))
        assert np.array_equal(read(pipe.getvalue()), SQUARE)


@pytest.mark.parametrize("form", [Format.NPZ, Format.NPY])
@pytest.mark.parametrize("saver", SAVERS)
def test_an_archive_under_the_name_of_an_array_is_taken(
    form: Format, saver: Callable[..., None]
) -> None:
    assert np.array_equal(read(saved(saver, a=SQUARE), form), SQUARE)


@pytest.mark.parametrize("saver", SAVERS)
@pytest.mark.parametrize("first", [SQUARE, np.ones(4), np.array(["text"]), np.zeros((0, 0))])
def test_several_arrays_are_named_whatever_the_first_is(
    saver: Callable[..., None], first: Any
) -> None:
    data = saved(saver, w=first, vectors=SQUARE)
    error = refusal(data)
    assert error.code is Code.BAD_FORMAT
    assert error.info.observed == "2: w, vectors"
    file = np.load(io.BytesIO(data))
    again = io.BytesIO()
    exec(
        error.info.hint.removeprefix("keep one of them: ").replace('"NAME"', '"vectors"'),
        {"numpy": type("", (), {"save": lambda _, a: np.save(again, a), "load": lambda _: file})},
    )
    assert np.array_equal(np.load(io.BytesIO(again.getvalue())), SQUARE)


def test_of_many_arrays_the_first_are_named() -> None:
    error = refusal(saved(**{f"a{i}": SQUARE for i in range(5000)}))
    assert error.code is Code.BAD_FORMAT
    assert error.info.observed
    assert error.info.observed.startswith("5000: ")
    assert len(error.info.observed) < 200


STORED = saved(a=SQUARE)
DEFLATED = saved(np.savez_compressed, a=SQUARE)


def flagged(data: bytes, bit: int) -> bytes:
    """Set a flag of the member, in both places."""
    changed = bytearray(data)
    directory = data.rindex(b"PK\1\2")
    for place in (6, directory + 8):
        (flags,) = struct.unpack_from("<H", changed, place)
        struct.pack_into("<H", changed, place, flags | 1 << bit)
    return bytes(changed)


def with_end(**fields: int) -> bytes:
    """Change fields of the end of the directory."""
    places = {"disk": (4, "<H"), "count": (10, "<H"), "length": (12, "<L"), "offset": (16, "<L")}
    changed = bytearray(STORED)
    for name, value in fields.items():
        place, kind = places[name]
        struct.pack_into(kind, changed, STORED.rindex(b"PK\5\6") + place, value)
        if name == "count":
            struct.pack_into(kind, changed, STORED.rindex(b"PK\5\6") + 8, value)
    return bytes(changed)


def with_crc(data: bytes) -> bytes:
    changed = bytearray(data)
    changed[data.rindex(b"PK\1\2") + 16] ^= 1
    return bytes(changed)


@pytest.mark.parametrize(
    ("code", "data"),
    [
        pytest.param(Code.BAD_FORMAT, saved(), id="no array"),
        pytest.param(Code.BAD_FORMAT, b"PK", id="magic only"),
        pytest.param(Code.BAD_FORMAT, b"PK\3\4" + bytes(26), id="a header of zeros"),
        pytest.param(Code.BAD_FORMAT, STORED[:-1], id="cut in the end"),
        pytest.param(Code.BAD_FORMAT, STORED[: STORED.rindex(b"PK\1\2")], id="no directory"),
        pytest.param(Code.BAD_LENGTH, STORED[:200], id="cut in the array"),
        pytest.param(Code.BAD_FORMAT, STORED + b"0", id="something behind it"),
        pytest.param(Code.BAD_FORMAT, b"0" + STORED, id="something before it"),
        pytest.param(Code.BAD_FORMAT, flagged(STORED, 0), id="encrypted"),
        pytest.param(Code.BAD_FORMAT, flagged(STORED, 6), id="strongly encrypted"),
        pytest.param(Code.BAD_FORMAT, flagged(STORED, 13), id="names hidden"),
        pytest.param(Code.BAD_FORMAT, flagged(STORED, 5), id="patched data"),
        pytest.param(Code.BAD_FORMAT, with_end(count=0xFFFF), id="zip64"),
        pytest.param(Code.BAD_FORMAT, with_end(offset=0xFFFFFFFF), id="zip64 by offset"),
        pytest.param(Code.BAD_FORMAT, with_end(count=0), id="none listed"),
        pytest.param(Code.BAD_FORMAT, with_end(count=2), id="more listed than there are"),
        pytest.param(Code.BAD_FORMAT, with_end(disk=1), id="of several disks"),
        pytest.param(Code.BAD_FORMAT, with_end(offset=0), id="directory elsewhere"),
        pytest.param(Code.BAD_FORMAT, with_end(length=4), id="directory too short"),
        pytest.param(Code.BAD_FORMAT, with_crc(STORED), id="checksum"),
        pytest.param(Code.BAD_FORMAT, with_crc(DEFLATED), id="checksum, deflated"),
        pytest.param(
            Code.BAD_FORMAT,
            zipped(("a.npy", npy_bytes(SQUARE)), compression=zipfile.ZIP_BZIP2),
            id="bzip2",
        ),
        pytest.param(
            Code.BAD_FORMAT,
            zipped(("a.npy", npy_bytes(SQUARE)), compression=zipfile.ZIP_LZMA),
            id="lzma",
        ),
        pytest.param(Code.BAD_FORMAT, zipped(("a.npy", b"[[1]]")), id="JSON inside"),
        pytest.param(Code.BAD_FORMAT, zipped(("a.npy", b"")), id="nothing inside"),
        pytest.param(Code.BAD_FORMAT, zipped(("a.npz", STORED)), id="an archive inside"),
        pytest.param(Code.BAD_FORMAT, zipped(("n" * 600, npy_bytes(SQUARE))), id="a long name"),
        pytest.param(Code.BAD_LENGTH, zipped(("a", npy_bytes(SQUARE)[:-8])), id="short inside"),
        pytest.param(Code.BAD_LENGTH, zipped(("a", npy_bytes(SQUARE) + b"0")), id="long inside"),
        pytest.param(
            Code.BAD_LENGTH,
            zipped(("a", npy_bytes(SQUARE)[:-8]), compression=zipfile.ZIP_DEFLATED),
            id="short inside, deflated",
        ),
        pytest.param(
            Code.BAD_LENGTH,
            zipped(("a", npy_bytes(SQUARE) + b"0"), compression=zipfile.ZIP_DEFLATED),
            id="long inside, deflated",
        ),
        pytest.param(
            Code.UNSUPPORTED_DTYPE, saved(a=np.array([[None]], object)), id="objects: no pickle"
        ),
        pytest.param(Code.NOT_SQUARE, saved(a=np.ones((2, 3))), id="not square"),
        pytest.param(Code.EMPTY, saved(np.savez_compressed, a=np.ones((0, 0))), id="empty"),
    ],
)
def test_an_archive_that_is_not_one_array_is_refused(code: Code, data: bytes) -> None:
    assert refusal(data).code is code


def huge(shape: str) -> bytes:
    """Return the start of a .npy file that announces more than it has."""
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text.encode()


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("shape", ["(40000, 40000)", "(10000000, 100, 100)", "(9999999, 9999999)"])
def test_an_array_that_the_archive_cannot_hold_takes_no_memory(kind: int, shape: str) -> None:
    data = zipped(("a.npy", huge(shape)), compression=kind)
    tracemalloc.start()
    assert refusal(data).code in {Code.BAD_LENGTH, Code.TOO_LARGE}
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 400_000


def test_a_bomb_inflates_no_further_than_its_header_says() -> None:
    bomb = npy_bytes(SQUARE) + bytes(2**27)
    data = zipped(("a.npy", bomb), compression=zipfile.ZIP_DEFLATED)
    del bomb
    tracemalloc.start()
    assert refusal(data).code is Code.BAD_LENGTH
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 2**20 + len(data)


@pytest.mark.parametrize("saver", SAVERS)
def test_reading_takes_hardly_more_memory_than_the_matrix(saver: Callable[..., None]) -> None:
    data = saved(saver, a=np.random.default_rng(0).random((1000, 1000)))
    tracemalloc.start()
    read(data)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 8_000_000 + 2**20


@pytest.mark.parametrize("saver", SAVERS)
def test_the_header_is_known_before_the_body_is_read(saver: Callable[..., None]) -> None:
    data = saved(saver, a=np.random.default_rng(0).random((500, 500)))
    reader = io.BytesIO(data)
    opened = npz.opened(reader, len(data))
    assert opened.header.shape == (500, 500)
    assert reader.tell() <= 2**17


@pytest.mark.parametrize("cut", [300, 200_000])
def test_bytes_that_do_not_come_are_no_fault_of_the_archive(cut: int) -> None:
    data = saved(a=np.random.default_rng(0).random((200, 200)))
    with pytest.raises(Transient, match="STORAGE"):
        npz.opened(io.BytesIO(data[:cut]), len(data)).read()


@given(
    st.sampled_from([STORED, DEFLATED, saved(a=SQUARE, b=SQUARE)]),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=4),
)
@examples(400)
def test_a_damaged_archive_is_refused_unless_its_array_is_whole(
    data: bytes, changes: list[tuple[int, int]]
) -> None:
    changed = bytearray(data)
    for place, value in changes:
        changed[place % len(changed)] = value
    try:
        found = read(bytes(changed))
    except Refused:
        return
    assert np.array_equal(found, SQUARE)


# Out


def result_of(matrix: Any) -> Result:
    inverses = invert(matrix)
    return Result(inverses.x, inverses.failures.keys(), {"job_id": "a"}, inverses)


def written(result: Result) -> bytes:
    return b"".join(npz.parts(result))


def test_a_stack_s_result_has_a_figure_of_each_slice_that_numpy_loads() -> None:
    data = written(result_of(STACK))
    found = np.load(io.BytesIO(data), allow_pickle=False)
    assert found.files == ["inverse", *FIGURES, "error_code"]
    np.testing.assert_array_equal(found["inverse"][2], np.diag([0.5, 0.25]))
    assert np.isnan(found["inverse"][1]).all()
    assert found["error_code"].tolist() == ["", "SINGULAR", ""]
    for name in FIGURES:
        assert found[name].shape == (3,)
        assert np.isnan(found[name]).tolist() == [False, True, False]
    assert found["rcond"][2] == 0.5


def test_a_single_matrix_has_figures_without_an_axis() -> None:
    found = np.load(io.BytesIO(written(result_of(SQUARE + np.eye(4)))), allow_pickle=False)
    assert found["rcond"].shape == found["error_code"].shape == ()
    assert float(found["rcond"]) > 0


def test_each_slice_has_the_code_of_its_own_error() -> None:
    stack = np.stack([np.ones((2, 2)), np.eye(2), np.full((2, 2), np.nan), np.zeros((2, 2))])
    inverses = invert(stack)
    found = np.load(io.BytesIO(written(result_of(stack))))["error_code"].tolist()
    codes = {index: str(error.code) for index, error in inverses.failures.items()}
    assert found == [codes.get(index, "") for index in range(4)]
    assert set(found) == {"SINGULAR", "NON_FINITE", ""}


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_a_verified_result_has_the_radius_of_each_element(dtype: str) -> None:
    """Two by two, so that fractions have the inverse."""
    rng = np.random.default_rng(3)
    stack = rng.standard_normal((40, 2, 2)) + (1j * rng.standard_normal((40, 2, 2)))
    stack = (stack if "complex" in dtype else stack.real).astype(dtype)
    stack[0], stack[1] = np.diag([3.0, 7.0]), 0
    inverses = invert(stack, accuracy=Accuracy.VERIFIED)
    result = Result(inverses.x, inverses.failures.keys(), {"job_id": "a"}, inverses)
    found = np.load(io.BytesIO(written(result)))
    assert found["radius"].dtype == stack.real.dtype
    assert np.isnan(found["radius"][1]).all()
    for a, x, radius in zip(stack[2:], found["inverse"][2:], found["radius"][2:], strict=True):
        (p, q), (r, s) = (
            [flint.fmpq_poly([exact(v.real), exact(v.imag)]) for v in row] for row in a
        )
        unit = flint.fmpq_poly([1, 0, 1])  # i**2 + 1
        det = (p * s - q * r) % unit
        over = flint.fmpq_poly([det[0], -det[1]]) / (det[0] ** 2 + det[1] ** 2)
        for i, j, adjugate in [(0, 0, s), (0, 1, -q), (1, 0, -r), (1, 1, p)]:
            true = (adjugate * over) % unit
            off = [exact(v) - true[k] for k, v in enumerate((x[i, j].real, x[i, j].imag))]
            assert off[0] ** 2 + off[1] ** 2 <= exact(radius[i, j]) ** 2
    assert (found["radius"][2:] < 1e-6 * np.abs(found["inverse"][2:]).max()).all()
    assert "radius" not in np.load(io.BytesIO(written(result_of(stack)))).files


def exact(value: Any) -> Any:
    return flint.fmpq(*float(value).as_integer_ratio())


def test_zipfile_finds_nothing_wrong_and_the_bytes_are_always_the_same() -> None:
    data = written(result_of(STACK))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert written(result_of(STACK)) == data


def test_large_arrays_are_not_copied() -> None:
    result = result_of(np.random.default_rng(0).random((600, 600)))
    tracemalloc.start()
    pieces = npz.parts(result)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 2**20
    assert any(np.shares_memory(np.frombuffer(one, np.uint8), result.inverse) for one in pieces)


@pytest.mark.parametrize("k", [1000, 20_000])
def test_writing_a_stack_takes_no_more_than_was_predicted(k: int) -> None:
    result = result_of(np.zeros((k, 2, 2)))
    tracemalloc.start()
    npz.parts(result)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    predicted = CODECS[Format.NPZ].output.memory_bytes((k, 2, 2), np.dtype(np.float64))
    assert peak_bytes < predicted + 2**20


def test_a_result_that_was_stored_otherwise_becomes_an_archive_of_its_inverse() -> None:
    data = written(Result(SQUARE, (), {"job_id": "a"}))
    assert np.load(io.BytesIO(data)).files == ["inverse"]
    assert np.array_equal(read(data), SQUARE)  # and may be an input again


@pytest.mark.parametrize("name", ["cov.npz", "savez.npz.npy"])
def test_archives_from_the_field_are_read(name: str) -> None:
    data = (Path(__file__).parent / "field" / name).read_bytes()
    with np.load(io.BytesIO(data)) as archive:
        (only,) = archive.files
        assert np.array_equal(read(data, Format.NPY), archive[only])
