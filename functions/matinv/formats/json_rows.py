"""The numbers of JSON lists: rows of a matrix, or of a stack of them, from text to memory.

orjson reads the numbers. It gets the text in pieces of whole rows, so that the Python objects of a
piece stay in the cache (1.6 times faster at n = 1000) and that hardly any memory is used beyond the
text and the matrix, also when the text turns out not to be one.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from matinv.errors import Code, Refused
from matinv.formats.foreign import advice_on_elements
from matinv.formats.json_text import Unread, non_finite, not_json
from matinv.formats.shape import check_shape

# A piece of text: its floats take about as much memory as an L2 cache has.
_PIECE_BYTES: Final = 64 * 1024
# From here on float64 skips integers: a value may be a rounded one.
_EXACT: Final = 2.0**53
# Deeper lists are a mistake or an attack, not an array; numpy ends at 64 dimensions.
_DEPTH_LIMIT: Final = 32

_OPENING: Final = re.compile(rb"(?:[ \t\r\n]*+\[)*+")
_TOO_DEEP: Final = re.compile(rb"(?:\[[ \t\r\n]*+){%d}" % (_DEPTH_LIMIT + 1))
_EMPTY_LIST: Final = re.compile(rb"\[[ \t\r\n]*+\]")
_AFTER_ROW: Final = re.compile(
    rb"[ \t\r\n]*+(?:(?=\])|,[ \t\r\n]*+(?:(?=\[)|(?P<other>[-0-9tfn\"{])))"
)
_NUMBER: Final = re.compile(
    rb"-?(?:0|[1-9][0-9]*+)(?P<real>(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?)(?![0-9.eE+-])"
)
_LONG_INTEGER: Final = re.compile(rb"(?<![0-9.eE+-])-?[0-9]{16,}+(?![.eE])")

# What JSON calls the types that are no numbers.
KINDS: Final = {
    type(None): "null",
    bool: "true or false",
    str: "text",
    list: "a list",
    dict: "an object",
}

Real = NDArray[np.float64]


def read(unread: Unread, syntax: Code) -> Real:
    """Return the square matrix or stack that a list spells.

    Parameters
    ----------
    unread : Unread
        The list.
    syntax : Code
        The code to raise when it is not JSON.

    Raises
    ------
    Refused
        `syntax`, BAD_FORMAT, EMPTY, NOT_SQUARE, RAGGED, NON_FINITE or PRECISION.
    """
    opening = _OPENING.match(unread.text, unread.start, unread.end)
    depth = unread.text.count(b"[", unread.start, opening.end() if opening else unread.start)
    if depth > _DEPTH_LIMIT:
        raise _too_deep(syntax)
    if depth not in {2, 3}:
        shape: tuple[int, ...] = ()
        array: Any = _load(unread, syntax)
        while isinstance(array, list):
            shape += (len(array),)
            kinds = set(map(type, array)) - {int, float}
            if kinds - {list} or (kinds and len(set(map(type, array))) > 1):
                raise _bad_element({KINDS[kind] for kind in kinds})
            array = array[0] if array else None
        check_shape(shape)
    reading = _Reading(unread, depth, syntax)
    for piece, value in _pieces(unread, depth, syntax):
        reading.add(piece, value)
    return reading.finish()


def _pieces(unread: Unread, depth: int, syntax: Code) -> Iterator[tuple[Unread, list[Any]]]:
    """Yield the text in pieces that end with a row, and the lists that they hold.

    Every piece but the first is inside ``depth - 1`` lists, and every piece but the last ends
    there; their brackets are put around it.
    """
    text, start = unread.text, unread.start
    before, after = b"", b"]" * (depth - 1)
    while (row := text.find(b"[", start + _PIECE_BYTES, unread.end)) >= 0:
        end = text.find(b"]", row, unread.end) + 1
        if not end:
            break
        if _EMPTY_LIST.match(text, text.rfind(b"[", row, end)):
            # Whether a row or a matrix without rows: no place to stop. The error depends on the
            # first row.
            first = text.rfind(b"[", unread.start, text.find(b"]", unread.start, unread.end))
            if _EMPTY_LIST.match(text, first):
                check_shape((0, 0))
            raise _ragged("rows", {0, 1})
        piece = Unread(text, start, end)
        yield piece, _load(piece, syntax, before, after)
        # On to the next row, or to the end of the list.
        following = _AFTER_ROW.match(text, end, unread.end)
        if not following:
            raise not_json("there is no comma and no bracket after a row", end, syntax)
        if following["other"]:
            raise _bad_element({"a list", "something else"})
        start, before = following.end(), b"[" * (depth - 1)
    piece = Unread(text, start, unread.end)
    yield piece, _load(piece, syntax, before)


def _load(piece: Unread, syntax: Code, before: bytes = b"", after: bytes = b"") -> list[Any]:
    whole = b"".join((before, memoryview(piece.text)[piece.start : piece.end], after))
    try:
        value: list[Any] = orjson.loads(whole)
    except orjson.JSONDecodeError as error:
        deeper = whole.count(b"[") - whole.count(b"]") if after else 0
        if deeper > 0:  # the piece was cut behind a list that is an element
            return _load(piece, syntax, before, after + b"]" * deeper)
        number = _NUMBER.match(whole, error.pos)
        if number and math.isinf(float(number[0])):
            raise _beyond_float64(number) from None
        if literal := non_finite(whole, error.pos, syntax):
            raise literal from None
        raise not_json(error.msg, error.pos + piece.start - len(before), syntax) from None
    return value


class _Reading:
    """A matrix on its way from text to memory: piece by piece, the verdict on its shape last."""

    def __init__(self, unread: Unread, depth: int, syntax: Code) -> None:
        self._unread = unread
        self._depth = depth
        self._syntax = syntax
        self._lengths: list[int] = []  # rows of each slice of a stack
        self._rows: Real = np.empty((0, 0))  # room for all rows, unless the shape must be wrong
        self._done = 0  # rows that came
        self._n = 0  # elements in each of them

    def add(self, piece: Unread, value: list[Any]) -> None:
        """Take the lists that the next piece holds."""
        rows = value
        if self._depth == 3:
            if not all(type(part) is list for part in value):
                raise _bad_element({"a list", "something else"})
            lengths = list(map(len, value))
            if self._lengths:
                self._lengths[-1] += lengths.pop(0)
            self._lengths += lengths
            rows = list(chain.from_iterable(value))
        if not rows:
            return
        block = self._block(rows, piece)
        if not self._done:
            self._n = n = block.shape[1]
            if piece.end == self._unread.end:
                self._rows = block
            else:
                # Room for all rows; none if the text is too short for square matrices: a number
                # takes a digit, and a comma or bracket after it.
                slices = (self._unread.count(b"]") - 1) // (n + 1) if self._depth == 3 else 1
                fits = 2 * slices * n * n <= self._unread.size_bytes
                self._rows = np.empty((slices * n if fits else 0, n))
        elif block.shape[1] != self._n:
            raise _ragged("rows", {self._n, block.shape[1]})
        done = self._done + len(block)
        if done <= len(self._rows) and self._rows is not block:
            self._rows[self._done : done] = block
        self._done = done

    def finish(self) -> Real:
        """Return the matrix or stack."""
        shape: tuple[int, ...] = (self._done, self._n)
        if self._depth == 3:
            if len(set(self._lengths)) != 1:
                raise _ragged("matrices", set(self._lengths))
            shape = (len(self._lengths), self._lengths[0], self._n)
        check_shape(shape)
        return self._rows.reshape(shape)

    def _block(self, rows: list[Any], piece: Unread) -> Real:
        # Numbers and brackets have none of these; null, true and false have one at least.
        if any(piece.find(mark) >= 0 for mark in (b"u", b"s", b'"', b"{")):
            self._check_elements(rows, piece)
        try:
            n = len(rows[0])
            pack = struct.Struct(f"{n}d").pack  # 3 times faster than numpy.array
            packed = bytearray().join([pack(*row) for row in rows])
        except (TypeError, struct.error):
            self._check_elements(rows, piece)
            raise _ragged("rows", set(map(len, rows))) from None
        block = np.frombuffer(packed, np.float64).reshape(len(rows), n)
        if packed and np.abs(block).max() >= _EXACT:
            for match in _LONG_INTEGER.finditer(piece.text, piece.start, piece.end):
                if int(float(match[0])) != int(match[0]):
                    raise Refused(
                        Code.PRECISION,
                        "float64 cannot hold one of the integers exactly",
                        "write it with a decimal point if rounding is what you want, or scale "
                        "the matrix",
                        observed=f"an integer of {len(match[0].lstrip(b'-'))} digits",
                        limit="every integer up to 2**53, and above it those with enough zero bits",
                    )
        return block

    def _check_elements(self, rows: list[Any], piece: Unread) -> None:
        if _TOO_DEEP.search(piece.text, piece.start, piece.end):
            raise _too_deep(self._syntax)
        if not all(type(row) is list for row in rows):
            raise _bad_element({"a list", "something else"})
        kinds = set(map(type, chain.from_iterable(rows))) - {int, float}
        if kinds:
            raise _bad_element({KINDS[kind] for kind in kinds})


def _beyond_float64(number: re.Match[bytes]) -> Refused:
    if number["real"]:
        return Refused(
            Code.NON_FINITE,
            "a number is too large for float64",
            "scale the matrix",
            limit="1.797e308",
        )
    return Refused(
        Code.BAD_FORMAT,
        "an integer is too long to be an element of a matrix",
        "write it with an exponent, or scale the matrix",
        observed=f"{len(number[0].lstrip(b'-'))} digits",
        limit="308 digits",
    )


def refusal(value: list[Any], syntax: Code) -> Refused:
    """Return why a list is no matrix that holds text or an object, or is nested in an odd way."""
    kinds: set[type] = set()
    for _ in range(_DEPTH_LIMIT):
        kinds |= set(map(type, value)) - {int, float}
        value = list(chain.from_iterable(item for item in value if type(item) is list))
        if not value:
            return _bad_element({KINDS[kind] for kind in kinds - {list}} or {KINDS[list]})
    return _too_deep(syntax)


def _bad_element(kinds: set[str]) -> Refused:
    return Refused(
        Code.BAD_FORMAT,
        "the matrix contains elements that are not numbers",
        advice_on_elements(kinds),
        observed=", ".join(sorted(kinds)),
    )


def _ragged(of: str, lengths: set[int]) -> Refused:
    few = sorted(lengths)
    return Refused(
        Code.RAGGED,
        f"the {of} are not all of the same size",
        "give every row the same number of elements and every matrix the same number of rows",
        observed=f"sizes {few[0]} to {few[-1]}",
    )


def _too_deep(syntax: Code) -> Refused:
    return Refused(
        syntax,
        "lists are nested too deeply",
        "write a matrix as [[…]], a stack of matrices as [[[…]]]",
        limit=f"{_DEPTH_LIMIT} levels",
    )
