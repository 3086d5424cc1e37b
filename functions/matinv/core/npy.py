"""Matrices as .npy files: the header is judged before a byte of the body is read.

The parser is our own. ``numpy.load`` evaluates the header as Python and can run pickles; this one
knows a single grammar, reads at most 4 KB for it, and allocates nothing before it has checked the
dtype, the shape and the exact length of the file.

References
----------
.. [1] numpy/lib/_format_impl.py, "The .npy format".
"""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.lib import format as numpy_format
from numpy.typing import NDArray

from matinv.core.errors import Code, Refused, Transient
from matinv.core.job import Matrix

# numpy pads the header of a plain array to 128 bytes; 4 KB leaves room for other writers.
HEADER_LIMIT_BYTES: Final = 4096
# A hundred times what Lambda's 10 GB hold: such a header is refused as too large, whatever the
# length of the file. What fits a worker is decided later.
MEMORY_LIMIT_BYTES: Final = 2**40
# Integers are converted in blocks: 1 MiB stays in the cache of every machine that we know.
_BLOCK_BYTES: Final = 2**20

_MAGIC: Final = b"\x93NUMPY"
_LENGTH_BYTES: Final = {(1, 0): 2, (2, 0): 4, (3, 0): 4}

_OTHERS: Final = {
    _MAGIC: "a .npy file that was cut short",
    b"PK": "a zip archive, perhaps .npz",
    b"\x1f\x8b": "a gzip file",
    b"\x80": "a pickle",
    b"\x89HDF": "an HDF5 or MATLAB 7.3 file",
    b"[": "JSON",
    b"{": "JSON",
}

_SPACE: Final = r"[ \t]*+"
_INTEGER: Final = r"(?:0|[1-9][0-9]{0,18})"
_SHAPE: Final = rf"\({_SPACE}(?:{_INTEGER}{_SPACE},{_SPACE})*+(?:{_INTEGER}{_SPACE})?+\)"
_ENTRY: Final = re.compile(
    rf"""{_SPACE}(?P<quote>['"])(?P<key>[a-z_]{{1,16}})(?P=quote){_SPACE}:{_SPACE}"""
    rf"""(?:(?P<bool>True|False)|(?P<shape>{_SHAPE})|(?P<mark>['"])(?P<text>[^'"\\]{{0,64}})(?P=mark))"""
    rf"""{_SPACE}(?P<end>,{_SPACE}\}}|,|\}})"""
)
_COMPOUND: Final = re.compile(rf"""{_SPACE}\{{{_SPACE}['"]descr['"]{_SPACE}:{_SPACE}[\[(]""")
_DTYPE: Final = re.compile(r"[<>|=]?(?:f[48]|c8|c16|[iu][1248])")

_DTYPES_ALLOWED: Final = "float32/64, complex64/128, or integers of 8 to 64 bits"
_SAVE_AGAIN: Final = "write the file with numpy.save(path, array)"


class Reader(Protocol):
    """Where a file comes from: `matinv.ports.Blob` and `io.BytesIO` are two."""

    def read(self, size: int, /) -> bytes:
        """Return the next `size` bytes, fewer only at the end."""
        ...

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill `buffer` with the next bytes and return how many came, 0 at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Header:
    """What a .npy file says of its body.

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


def read_header(reader: Reader, size_bytes: int) -> Header:
    """Read the header of a .npy file of `size_bytes` bytes and leave `reader` at the body.

    Parameters
    ----------
    reader : Reader
        At the start of the file; at most 4 KB are read.
    size_bytes : int
        Length of the whole file.

    Returns
    -------
    Header
        Of a body that has exactly the length, shape and dtype that it needs.

    Raises
    ------
    Refused
        BAD_FORMAT, UNSUPPORTED_DTYPE, EMPTY, NOT_SQUARE, TOO_LARGE or BAD_LENGTH.
    """
    text, header_bytes = _read_text(reader)
    header = _parse(text)
    _check_shape(header.shape)
    memory_bytes = math.prod(header.shape) * header.working_dtype.itemsize
    if memory_bytes > MEMORY_LIMIT_BYTES:
        raise Refused(
            Code.TOO_LARGE,
            f"the header announces an array of shape {header.shape}",
            "split the stack, or use smaller matrices",
            observed=f"{memory_bytes} bytes in memory",
            limit=f"{MEMORY_LIMIT_BYTES} bytes",
        )
    if size_bytes != header_bytes + header.body_bytes:
        raise Refused(
            Code.BAD_LENGTH,
            f"the file is not as long as its header says for shape {header.shape}",
            f"the upload was cut short or the file is damaged: {_SAVE_AGAIN}, and send it again",
            observed=f"{size_bytes} bytes",
            limit=f"exactly {header_bytes + header.body_bytes} bytes",
        )
    return header


def read_body(reader: Reader, header: Header) -> Matrix:
    """Read the body that `header` describes, straight into the memory of the matrix.

    Returns
    -------
    ndarray, shape ``header.shape``
        Of ``header.working_dtype``, in the memory order of the file, writeable. Values may be
        infinite or NaN.

    Raises
    ------
    Refused
        PRECISION, if float64 cannot hold one of the integers exactly.
    Transient
        STORAGE, if the body ends before it should.
    """
    flat = np.empty(math.prod(header.shape), header.working_dtype)
    if header.dtype.kind in "iu":
        _read_integers(reader, flat, header.dtype)
    else:
        _fill(reader, flat)
        if not header.dtype.isnative:
            flat.byteswap(inplace=True)
    return flat.reshape(header.shape, order="F" if header.fortran_order else "C")


def decode(data: bytes) -> Matrix:
    """Return the matrix in `data`, the whole content of a .npy file.

    Raises
    ------
    Refused
        As `read_header` and `read_body`.
    """
    reader = io.BytesIO(data)
    return read_body(reader, read_header(reader, len(data)))


def parts(array: Matrix) -> list[bytes | memoryview]:
    """Return the .npy file of `array` in two pieces: header, and the memory of the array itself.

    Nothing is copied if `array` is contiguous in C or Fortran order.
    """
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        array = np.ascontiguousarray(array)
    header = io.BytesIO()
    numpy_format.write_array_header_1_0(header, numpy_format.header_data_from_array_1_0(array))
    flat = array.reshape(-1) if array.flags.c_contiguous else array.T.reshape(-1)
    return [header.getvalue(), flat.view(np.uint8).data]


def _read_text(reader: Reader) -> tuple[str, int]:
    """Return the header's text and the length of everything before the body."""
    start = reader.read(8)
    if start[:6] != _MAGIC or len(start) < 8:
        raise _bad_format(
            "the content does not begin like a .npy file", observed=_looks_like(start)
        )
    width = _LENGTH_BYTES.get((start[6], start[7]))
    if width is None:
        raise _bad_format(
            "the .npy format version is unknown",
            observed=f"{start[6]}.{start[7]}",
            limit="1.0, 2.0 or 3.0",
        )
    length = reader.read(width)
    header_bytes = 8 + width + int.from_bytes(length, "little")
    if len(length) < width or header_bytes > HEADER_LIMIT_BYTES:
        raise _bad_format(
            "the .npy header is cut short or too long",
            observed=f"{header_bytes} bytes",
            limit=f"{HEADER_LIMIT_BYTES} bytes",
        )
    text = reader.read(header_bytes - 8 - width)
    if len(text) < header_bytes - 8 - width:
        raise _bad_format("the .npy header is cut short")
    return text.decode("latin-1"), header_bytes


def _looks_like(start: bytes) -> str:
    if not start:
        return "an empty file"
    return next((kind for magic, kind in _OTHERS.items() if start.startswith(magic)), "unknown")


def _parse(text: str) -> Header:
    """Parse the one dict that a header is, its three keys in any order."""
    if _COMPOUND.match(text):
        raise _unsupported("a structured dtype")
    fields = _fields(text)
    if fields.keys() != {"descr", "fortran_order", "shape"}:
        raise _bad_header()
    match fields["descr"]["text"], fields["fortran_order"]["bool"], fields["shape"]["shape"]:
        case str(descr), str(fortran_order), str(shape):
            lengths = tuple(int(number) for number in re.findall("[0-9]+", shape))
            if len(lengths) == 1 and "," not in shape:  # (3) is a number, (3,) a tuple
                raise _bad_header()
            return Header(lengths, _dtype(descr), fortran_order == "True")
        case _:
            raise _bad_header()


def _fields(text: str) -> dict[str, re.Match[str]]:
    fields: dict[str, re.Match[str]] = {}
    start = re.match(rf"{_SPACE}\{{", text)
    position = start.end() if start else len(text)
    while entry := _ENTRY.match(text, position):
        if entry["key"] in fields:
            break
        fields[entry["key"]] = entry
        position = entry.end()
        if entry["end"] != ",":
            if text[position:].strip(" \t\r\n"):
                break
            return fields
    raise _bad_header()


def _dtype(descr: str) -> np.dtype[Any]:
    if not _DTYPE.fullmatch(descr):
        raise _unsupported(descr)
    return np.dtype(descr)


def _check_shape(shape: tuple[int, ...]) -> None:
    if 0 in shape:
        raise empty(shape)
    if len(shape) not in {2, 3} or shape[-1] != shape[-2]:
        raise not_square(shape)


def empty(shape: tuple[int, ...]) -> Refused:
    """Return the refusal of an array that has no elements."""
    return Refused(
        Code.EMPTY,
        "the array has no elements",
        "send at least one matrix of order 1",
        observed=shape,
    )


def not_square(shape: tuple[int, ...]) -> Refused:
    """Return the refusal of an array whose shape is neither (n, n) nor (k, n, n)."""
    return Refused(
        Code.NOT_SQUARE,
        f"an array of shape {shape} is neither a square matrix nor a stack of them",
        "only square matrices have an inverse; for other shapes see numpy.linalg.pinv",
        observed=shape,
        limit="(n, n) or (k, n, n)",
    )


def _bad_header() -> Refused:
    return _bad_format("the .npy header is not the dict that numpy writes")


def _bad_format(message: str, *, observed: object = None, limit: object = None) -> Refused:
    return Refused(Code.BAD_FORMAT, message, _SAVE_AGAIN, observed=observed, limit=limit)


def _unsupported(descr: str) -> Refused:
    return Refused(
        Code.UNSUPPORTED_DTYPE,
        "matrices of this dtype cannot be inverted",
        "convert it with array.astype(numpy.float64) before saving",
        observed=descr,
        limit=_DTYPES_ALLOWED,
    )


def _fill(reader: Reader, flat: NDArray[Any]) -> None:
    """Read as many bytes as `flat` has, into its memory."""
    view = flat.view(np.uint8).data
    done = 0
    while done < len(view):
        got = reader.readinto(view[done:])
        if not got:
            raise Transient(
                Code.STORAGE,
                "the object ended before all of its bytes came",
                "nothing to do: it is read again",
                observed=f"{done} bytes",
                limit=f"{len(view)} bytes",
            )
        done += got


def _read_integers(reader: Reader, flat: NDArray[Any], dtype: np.dtype[Any]) -> None:
    step = _BLOCK_BYTES // dtype.itemsize
    block = np.empty(min(step, flat.size), dtype)
    for start in range(0, flat.size, step):
        integers = block[: flat.size - start]
        _fill(reader, integers)
        floats = flat[start : start + integers.size]
        floats[:] = integers
        if dtype.itemsize == 8:
            _check_exact(integers, floats)


def _check_exact(integers: NDArray[Any], floats: NDArray[Any]) -> None:
    """Refuse integers that changed; the top of the range rounds to a float out of the range."""
    top = 2.0 ** (64 - (integers.dtype.kind == "i"))
    if np.abs(floats).max() < 2.0**53:
        return
    if floats.max() == top or (floats.astype(integers.dtype) != integers).any():
        raise Refused(
            Code.PRECISION,
            "float64 cannot hold one of the integers exactly",
            "scale the matrix, or convert it to float64 if rounding is what you want",
            limit="every integer up to 2**53, and above it those with enough zero bits at the end",
        )
