"""Matrices as JSON text: ``[[…]]``, a stack ``[[[…]]]``, or ``{"re": …, "im": …}`` of these."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from matinv.errors import Code, Refused
from matinv.formats.foreign import check_layout, unwrapped
from matinv.formats.json_rows import KINDS, Real, read, refusal
from matinv.formats.json_text import Unread, loads, parse
from matinv.formats.result import Result
from matinv.linalg.types import Matrix


def decode(text: bytes, syntax: Code = Code.BAD_FORMAT) -> Matrix:
    """Return the matrix or stack that `text` spells, as float64 or complex128.

    Parameters
    ----------
    text : bytes
        JSON in UTF-8.
    syntax : Code
        The code to raise when the text is not JSON.

    Raises
    ------
    Refused
        BAD_FORMAT, BAD_MESSAGE, EMPTY, NOT_SQUARE, RAGGED, NON_FINITE or PRECISION.

    Examples
    --------
    >>> decode(b"[[1, 2], [3, 4]]")
    array([[1., 2.],
           [3., 4.]])
    """
    return matrix_of(parse(text, syntax), syntax)


def matrix_of(value: object, syntax: Code) -> Matrix:
    """Return the matrix that a parsed JSON value (of `matinv.formats.json_text`) stands for.

    Raises
    ------
    Refused
        As `decode`.
    """
    value = unwrapped(value)
    if not isinstance(value, dict):
        return _real_of(value, syntax)
    check_layout(value)
    if value.keys() != {"re", "im"}:
        raise Refused(
            Code.BAD_MESSAGE,
            "a complex matrix has the wrong fields",
            'write {"re": [[…]], "im": [[…]]}',
            observed=", ".join(map(str, value)),
            limit="re, im",
        )
    real = _real_of(value["re"], syntax)
    imaginary = _real_of(value["im"], syntax)
    if real.shape != imaginary.shape:
        raise Refused(
            Code.RAGGED,
            '"re" and "im" are of different shapes',
            "give both parts of every element, zeros too",
            observed=f"{real.shape} and {imaginary.shape}",
        )
    return _complex(real, imaginary)


def encode(array: Matrix, failed: Collection[int] = ()) -> bytes:
    """Return `array` as JSON text that reads back to the same numbers, to the last bit.

    Parameters
    ----------
    array : ndarray, shape (n, n) or (k, n, n)
        float32 is written with as few digits as float32 needs.
    failed : collection of int
        Slices of a stack that have no inverse: each is written as ``null``.
    """
    if np.iscomplexobj(array):
        real, imaginary = _encode_real(array.real, failed), _encode_real(array.imag, failed)
        return b'{"re":%b,"im":%b}' % (real, imaginary)
    return _encode_real(array, failed)


def decode_result(text: bytes) -> Matrix:
    """Return the matrix or stack that `encode` wrote; slices that are ``null`` become NaN."""
    if b"null" not in text:
        return decode(text)
    value = loads(text, Code.BAD_FORMAT)
    if isinstance(value, dict):
        return _complex(_with_nan(value["re"]), _with_nan(value["im"]))
    return _with_nan(value)


def document(result: Result) -> bytes:
    """Return a result as a JSON document: its facts, and ``inverse`` as `encode` writes it."""
    inverse = encode(result.inverse, result.failed)
    return b'%b,"inverse":%b}' % (orjson.dumps(result.facts)[:-1], inverse)


def decode_document(content: bytes) -> Matrix:
    """Return the inverse of a document that `document` wrote."""
    # No string of the document contains this: quotes inside a JSON string are escaped.
    _, _, rest = content.partition(b'"inverse":')
    return decode_result(rest.rstrip()[:-1])


def may_be_json(content: bytes) -> bool:
    """Whether a file begins as a matrix or a message does in JSON."""
    return content.lstrip(b" \t\r\n")[:1] in {b"[", b"{"}


def _complex(real: Real, imaginary: Real) -> Matrix:
    array = np.empty(real.shape, np.complex128)
    array.real = real
    array.imag = imaginary
    return array


def _encode_real(array: NDArray[Any], failed: Collection[int]) -> bytes:
    if not failed:
        return orjson.dumps(np.ascontiguousarray(array), option=orjson.OPT_SERIALIZE_NUMPY)
    slices = (b"null" if i in failed else _encode_real(a, ()) for i, a in enumerate(array))
    return b"[%b]" % b",".join(slices)


def _with_nan(slices: list[Any]) -> Real:
    n = max((len(rows) for rows in slices if rows is not None), default=0)
    array = np.full((len(slices), n, n), np.nan)
    for i, rows in enumerate(slices):
        if rows is not None:
            array[i] = rows
    return array


def _real_of(value: object, syntax: Code) -> Real:
    if isinstance(value, Unread):
        return read(value, syntax)
    if not isinstance(value, list):
        raise Refused(
            syntax,
            "a matrix is a list of rows",
            "write [[1, 2], [3, 4]]",
            observed=KINDS.get(type(value), "a number"),
        )
    raise refusal(value, syntax)  # not taken out of its text: it holds what no matrix holds
