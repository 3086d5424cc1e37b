"""What must hold of any input: read as Python reads it, or refused for a reason that is true."""

from __future__ import annotations

import io
import json
import math
import struct
import tokenize
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn

import numpy as np
from numpy.lib import format as numpy_format

from matinv.errors import PERMANENT, Code, MatinvError, Refused
from matinv.formats import json_rows
from matinv.formats.npy_header import HEADER_LIMIT_BYTES

# What reading may take beside input and result: an error's texts, a header's regular expressions.
_SPARE_BYTES: Final = 256 * 1024

# Lists of numbers are read by pieces of this size, so that small inputs are cut as well.
_PIECES_BYTES: Final = (1, 30, 64 * 1024)

# What reading by Python and numpy ends with where the input is not what it should be.
_INVALID: Final = (
    ValueError,
    TypeError,
    SyntaxError,
    EOFError,
    OverflowError,
    RecursionError,
    tokenize.TokenError,
    SystemError,  # of the tokenizer since Python 3.12, for bytes that are no UTF-8
)


class CountingReader(io.BytesIO):
    """A file that knows how much of it was read."""

    taken_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.taken_bytes += len(data)
        return data

    def readinto(self, buffer: Any, /) -> int:
        got = super().readinto(buffer)
        self.taken_bytes += got
        return got


@contextmanager
def memory_traced() -> Iterator[None]:
    """Let `peak_bytes` measure; it makes an input ten times as slow, and leaks 600 bytes."""
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def peak_bytes(call: Callable[[], Any]) -> tuple[Any, int]:
    """Return what `call` returns, and the most memory that it held if memory is traced, else 0."""
    if not tracemalloc.is_tracing():
        return call(), 0
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    found = call()
    return found, tracemalloc.get_traced_memory()[1] - before


def verdict(call: Callable[[], Any], codes: frozenset[Code] = PERMANENT) -> Any:
    """Return what `call` returns, or its refusal, which must be one of `codes` and say what."""
    try:
        return call()
    except Refused as error:
        check_refusal(error, codes)
        return error


def check_refusal(error: MatinvError, codes: frozenset[Code] = PERMANENT) -> None:
    """An error has a code of the documented set, and texts for one line each."""
    info = error.info
    assert info.code in codes, info
    for text in (info.message, info.hint, info.observed, info.limit):
        assert text is None or (text.isprintable() and len(text) < 4000), info


def check_memory(used_bytes: int, input_bytes: int, result_bytes: int) -> None:
    """Reading takes the input once more at most, and what it returns."""
    assert used_bytes <= 1.2 * input_bytes + 2 * result_bytes + _SPARE_BYTES, used_bytes


@contextmanager
def pieces(selector: int) -> Iterator[None]:
    """Read lists of numbers by smaller pieces."""
    whole = json_rows._PIECE_BYTES
    json_rows._PIECE_BYTES = _PIECES_BYTES[selector % len(_PIECES_BYTES)]  # type: ignore[misc]
    try:
        yield
    finally:
        json_rows._PIECE_BYTES = whole  # type: ignore[misc]


# JSON as Python's own parser reads it


class NotJsonError(Exception):
    """The text is not strict JSON, or Python cannot tell."""


def strict_json(text: bytes) -> Any:
    """Parse JSON without Python's extensions: no NaN, no key twice, no lone surrogates."""
    try:
        tree = json.loads(text.decode(), parse_constant=_refuse, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise NotJsonError from error
    if "\\u" in text.decode() and _has_surrogates(tree):
        raise NotJsonError
    return tree


def _refuse(name: str) -> NoReturn:
    raise NotJsonError(name)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NotJsonError
    return found


def _has_surrogates(tree: Any) -> bool:
    try:
        json.dumps(tree, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        return True
    return False


def matrix_of_tree(tree: Any) -> Any:
    """Return the matrix that a parsed JSON value is, or None if it is none that must be read."""
    if isinstance(tree, dict) and tree.keys() == {"re", "im"}:
        parts = [matrix_of_tree(tree["re"]), matrix_of_tree(tree["im"])]
        if any(part is None for part in parts) or parts[0].shape != parts[1].shape:
            return None
        array = np.empty(parts[0].shape, complex)
        array.real, array.imag = parts
        return array
    try:
        array = np.array(tree, object)
        floats = np.array([_float(element) for element in array.ravel().tolist()]).reshape(
            array.shape
        )
    except (ValueError, OverflowError):
        return None
    square = array.ndim in {2, 3} and array.shape[-1] == array.shape[-2] and array.size
    return floats if square and np.isfinite(floats).all() else None


def _float(element: Any) -> float:
    if type(element) not in {int, float} or int_changes(element):
        raise ValueError
    return float(element)


def int_changes(element: float) -> bool:
    """Whether float64 cannot hold an integer exactly."""
    return isinstance(element, int) and int(float(element)) != element


# .npy as numpy reads it


def numpy_array(data: bytes) -> np.ndarray[Any, Any] | None:
    """Return the array that numpy reads, None if it refuses or the body is not as long."""
    file = io.BytesIO(data)
    try:
        version = numpy_format.read_magic(file)
        read = {(1, 0): numpy_format.read_array_header_1_0}.get(
            version, numpy_format.read_array_header_2_0
        )
        shape, _, dtype = read(file, max_header_size=HEADER_LIMIT_BYTES)
        if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(data) - file.tell():
            return None
        loaded: np.ndarray[Any, Any] = np.load(io.BytesIO(data), allow_pickle=False)
    except (*_INVALID, struct.error, MemoryError):
        return None
    return loaded


def same_bits(ours: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]) -> bool:
    """Whether two arrays hold the same bits in the same dtype, integers as float64."""
    kept = theirs.dtype.newbyteorder("=") if theirs.dtype.kind in "fc" else np.dtype(float)
    return (
        ours.dtype == kept
        and ours.shape == theirs.shape
        and ours.flags.f_contiguous == theirs.flags.f_contiguous
        and ours.tobytes() == theirs.astype(kept).tobytes()
    )
