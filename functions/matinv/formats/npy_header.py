"""The header of a .npy file: one grammar, no evaluation, at most 4 KB read.

``numpy.load`` evaluates the header as Python and can run pickles. This parser knows the one dict
that numpy has written since 2006, also under Python 2, with its keys in any order and with blanks
and line ends wherever Python takes them. Dtypes may have any of numpy's names.

References
----------
.. [1] numpy/lib/_format_impl.py, "The .npy format".
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from matinv.errors import Code, Refused

# numpy pads the header of a plain array to 128 bytes; 4 KB leaves room for other writers.
HEADER_LIMIT_BYTES: Final = 4096

MAGIC: Final = b"\x93NUMPY"
_LENGTH_BYTES: Final = {(1, 0): 2, (2, 0): 4, (3, 0): 4}
_OTHERS: Final = {
    MAGIC: "a .npy file that was cut short",
    b"PK": "a zip archive, perhaps .npz",
    b"\x1f\x8b": "a gzip file",
    b"\x80": "a pickle",
    b"\x89HDF": "an HDF5 or MATLAB 7.3 file",
    b"[": "JSON",
    b"{": "JSON",
}

_SPACE: Final = r"[ \t\r\n]*+"
# Only single characters repeat possessively: Python 3.11.0 to 3.11.4 lose matches of groups that do
# (CPython gh-106052).
_TUPLE: Final = r"\([0-9L, \t\r\n]*+\)"
_LENGTH: Final = re.compile(rf"{_SPACE}(0|[1-9][0-9]{{0,18}}+)[ \t]*+L?{_SPACE}(?:,|\Z)")
_LONG: Final = re.compile(rb"[0-9][ \t]*+L")  # an integer as only Python 2 writes it
_ENTRY: Final = re.compile(
    rf"""{_SPACE}[uU]?(?P<quote>['"])(?P<key>[a-z_]{{1,16}})(?P=quote){_SPACE}:{_SPACE}(?:"""
    rf"""(?P<bool>True|False)|(?P<tuple>{_TUPLE})|[uU]?(?P<mark>['"])(?P<text>[^'"\\]{{0,64}})(?P=mark)"""
    rf"""){_SPACE}(?P<end>,{_SPACE}\}}|,|\}})"""
)
_OPENING: Final = re.compile(r"[ \t]*+\{")
_PADDING: Final = re.compile(r"(?:[ \t]*+\r?+\n)+|[ \t]*+")  # as numpy takes it on any Python
_COMPOUND: Final = re.compile(rf"""{_SPACE}\{{{_SPACE}['"]descr['"]{_SPACE}:{_SPACE}[\[(]""")
_DTYPE: Final = re.compile(
    r"[<>|=]?(?:f[48]|c8|c16|[iu][1248]|[bBhHiIlLqQfdFD])|[a-z]{3,10}[0-9]{0,3}"
)

_SAVE_AGAIN: Final = "write the file with numpy.save(path, array)"


class Reader(Protocol):
    """A source of a file's bytes: `matinv.ports.Blob` and `io.BytesIO` are two."""

    def read(self, size: int, /) -> bytes:
        """Return the next `size` bytes, fewer only at the end."""
        ...

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill `buffer` with the next bytes and return how many came, 0 at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a .npy file.

    Parameters
    ----------
    shape : tuple of int
        (n, n) or (k, n, n), nothing else.
    dtype : dtype
        As written: integers and either byte order.
    fortran_order : bool
        Whether the first index varies fastest.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran_order: bool

    @property
    def n(self) -> int:
        """The order of the matrix, or of each matrix of the stack."""
        return self.shape[-1]

    @property
    def count(self) -> int:
        """How many matrices there are: 1 unless it is a stack."""
        return self.shape[0] if len(self.shape) == 3 else 1

    @property
    def body_bytes(self) -> int:
        """Length of the body."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def working_dtype(self) -> np.dtype[Any]:
        """The dtype of the matrix in memory: native byte order, float64 for integers."""
        if self.dtype.kind in "iu":
            return np.dtype(np.float64)
        return self.dtype.newbyteorder("=")


def read_text(reader: Reader) -> tuple[str, int]:
    """Return a header's text, and the length of everything before the body.

    Raises
    ------
    Refused
        BAD_FORMAT.
    """
    start = reader.read(8)
    if start[:6] != MAGIC or len(start) < 8:
        kind = next((kind for magic, kind in _OTHERS.items() if start.startswith(magic)), "unknown")
        found = kind if start else "an empty file"
        raise _bad_format("the content does not begin like a .npy file", found)
    width = _LENGTH_BYTES.get((start[6], start[7]))
    if width is None:
        raise _bad_format("the .npy version is unknown", f"{start[6]}.{start[7]}", "1.0, 2.0, 3.0")
    length = reader.read(width)
    text_bytes = int.from_bytes(length, "little")
    header_bytes = 8 + width + text_bytes
    if header_bytes > HEADER_LIMIT_BYTES:
        raise _bad_format("the .npy header is too long", header_bytes, HEADER_LIMIT_BYTES)
    text = reader.read(text_bytes)
    if len(length) < width or len(text) < text_bytes:
        raise _bad_format("the file ends inside its .npy header", f"{len(text)} bytes", text_bytes)
    if start[6] == 3 and _LONG.search(text):  # numpy reads none there: Python 2 never wrote it
        raise _not_the_dict()
    return text.decode("latin-1"), header_bytes


def parse(text: str) -> Header:
    """Parse the dict that a header is; shapes of any length pass.

    Raises
    ------
    Refused
        BAD_FORMAT or UNSUPPORTED_DTYPE.
    """
    if _COMPOUND.match(text):
        raise _unsupported("a structured dtype")
    fields: dict[str, re.Match[str]] = {}
    opening = _OPENING.match(text)
    position = opening.end() if opening else len(text)
    end = ","
    while end == "," and (entry := _ENTRY.match(text, position)) and entry["key"] not in fields:
        fields[entry["key"]] = entry
        position, end = entry.end(), entry["end"]
    whole = end != "," and _PADDING.fullmatch(text, position)
    if not whole or fields.keys() != {"descr", "fortran_order", "shape"}:
        raise _not_the_dict()
    match fields["descr"]["text"], fields["fortran_order"]["bool"], fields["shape"]["tuple"]:
        case str(descr), str(fortran_order), str(shape):
            return Header(_lengths(shape[1:-1]), _dtype(descr), fortran_order == "True")
        case _:
            raise _not_the_dict()


def _lengths(inside: str) -> tuple[int, ...]:
    lengths, position = [], 0
    while match := _LENGTH.match(inside, position):  # one at a time: split, they would take 80 KB
        lengths.append(int(match[1]))
        position = match.end()
    alone = len(lengths) == 1 and "," not in inside  # (3) is a number, (3,) a tuple
    if inside[position:].strip(" \t\r\n") or alone:
        raise _not_the_dict()
    return tuple(lengths)


def _dtype(descr: str) -> np.dtype[Any]:
    if not _DTYPE.fullmatch(descr):
        raise _unsupported(descr)
    try:
        dtype = np.dtype(descr)
    except TypeError:
        raise _unsupported(descr) from None
    if dtype.kind not in "fciu" or dtype.itemsize > 16 or dtype.char in "egG":
        raise _unsupported(descr)
    return dtype


def _not_the_dict() -> Refused:
    return _bad_format("the .npy header is not the dict that numpy writes")


def _bad_format(message: str, observed: object = None, limit: object = None) -> Refused:
    return Refused(Code.BAD_FORMAT, message, _SAVE_AGAIN, observed=observed, limit=limit)


def _unsupported(descr: str) -> Refused:
    return Refused(
        Code.UNSUPPORTED_DTYPE,
        "matrices of this dtype cannot be inverted",
        "convert it with array.astype(numpy.float64) before saving",
        observed=descr,
        limit="float32/64, complex64/128, or integers of 8 to 64 bits",
    )
