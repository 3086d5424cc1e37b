"""Matrices as .npy files: the header is judged before a byte of the body is read."""

from __future__ import annotations

import io
import math
from typing import Any, Final

import numpy as np
from numpy.lib import format as numpy_format
from numpy.typing import NDArray

from matinv.errors import Code, Refused, Transient
from matinv.formats.npy_header import MAGIC, Header, Reader, parse, read_text
from matinv.formats.opened import OpenedFile
from matinv.formats.shape import check_shape
from matinv.linalg.types import Matrix

__all__ = [
    "MAGIC",
    "Header",
    "Reader",
    "as_read",
    "decode",
    "head",
    "opened",
    "parts",
    "read_body",
    "read_header",
]

# A hundred times what Lambda's 10 GB hold: such a header is refused as too large, whatever the
# length of the file. What fits a worker is decided later.
MEMORY_LIMIT_BYTES: Final = 2**40
# Integers are converted in blocks that stay in the cache.
_BLOCK_BYTES: Final = 2**18


def read_header(reader: Reader, size_bytes: int | None) -> Header:
    """Read the header of a .npy file and leave `reader` at the body.

    Parameters
    ----------
    reader : Reader
        At the start of the file; at most 4 KB are read.
    size_bytes : int or None
        Length of the whole file, if it is known.

    Returns
    -------
    Header
        Of a body that has exactly the length, shape and dtype that it needs.

    Raises
    ------
    Refused
        BAD_FORMAT, UNSUPPORTED_DTYPE, EMPTY, NOT_SQUARE, TOO_LARGE or BAD_LENGTH.
    """
    text, header_bytes = read_text(reader)
    header = parse(text)
    check_shape(header.shape)
    memory_bytes = math.prod(header.shape) * header.working_dtype.itemsize
    if memory_bytes > MEMORY_LIMIT_BYTES:
        raise Refused(
            Code.TOO_LARGE,
            f"the header announces an array of shape {header.shape}",
            "split the stack, or use smaller matrices",
            observed=f"{memory_bytes} bytes in memory",
            limit=f"{MEMORY_LIMIT_BYTES} bytes",
        )
    right_bytes = header_bytes + header.body_bytes
    if size_bytes is not None and size_bytes != right_bytes:
        longer = size_bytes > right_bytes
        raise Refused(
            Code.BAD_LENGTH,
            f"the file is {'longer' if longer else 'shorter'} than its header says for shape "
            f"{header.shape}",
            "more bytes follow the array: save it alone, with numpy.save(path, array)"
            if longer
            else "it was cut short: save it again with numpy.save(path, array), and send it again",
            observed=f"{size_bytes} bytes",
            limit=f"exactly {right_bytes} bytes",
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
        step = _BLOCK_BYTES // header.dtype.itemsize
        block = np.empty(min(step, flat.size), header.dtype)
        for start in range(0, flat.size, step):
            integers = block[: flat.size - start]
            _fill(reader, integers)
            floats = flat[start : start + integers.size]
            floats[:] = integers
            if header.dtype.itemsize == 8:
                _check_exact(integers, floats)
    else:
        _fill(reader, flat)
        if not header.dtype.isnative:
            flat.byteswap(inplace=True)
    return flat.reshape(header.shape, order="F" if header.fortran_order else "C")


def opened(reader: Reader, size_bytes: int) -> OpenedFile:
    """Read the header of a .npy file of `size_bytes` bytes; raises as `read_header`."""
    header = read_header(reader, size_bytes)
    begin = size_bytes - header.body_bytes  # the header was found to be just so long
    return OpenedFile(header, lambda: read_body(reader, header), begin=begin)


def decode(data: bytes) -> Matrix:
    """Return the matrix in `data`, the whole content of a .npy file.

    Raises
    ------
    Refused
        As `read_header` and `read_body`.
    """
    reader = io.BytesIO(data)
    return read_body(reader, read_header(reader, len(data)))


def as_read(array: NDArray[Any]) -> Matrix:
    """Return the matrix that a reader of `array`'s .npy file has: `array` itself, if it can be.

    Parameters
    ----------
    array : ndarray
        Of any shape and dtype: it is judged by the header that it would have.

    Raises
    ------
    Refused
        As `decode` of that file.
    """
    header = io.BytesIO()
    numpy_format.write_array_header_1_0(header, numpy_format.header_data_from_array_1_0(array))
    size_bytes = header.tell() + array.nbytes
    header.seek(0)
    matrix = array.astype(read_header(header, size_bytes).working_dtype, copy=False)
    if array.dtype.kind in "iu" and array.itemsize == 8:
        _check_exact(array.astype(array.dtype.newbyteorder("="), copy=False), matrix)
    return matrix


def parts(array: Matrix) -> list[bytes | memoryview]:
    """Return the .npy file of `array` in two pieces: header, and the memory of the array itself.

    Nothing is copied if `array` is contiguous in C or Fortran order.
    """
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        array = np.ascontiguousarray(array)
    known = numpy_format.header_data_from_array_1_0(array)
    begin = head(known["descr"], known["shape"], fortran_order=known["fortran_order"])
    flat = array.reshape(-1) if array.flags.c_contiguous else array.T.reshape(-1)
    return [begin, flat.view(np.uint8).data]


def head(dtype: str, shape: tuple[int, ...], *, fortran_order: bool) -> bytes:
    """Return the header that `numpy.save` writes for an array."""
    header = io.BytesIO()
    fields = {"descr": dtype, "fortran_order": fortran_order, "shape": shape}
    numpy_format.write_array_header_1_0(header, fields)
    return header.getvalue()


def _fill(reader: Reader, flat: NDArray[Any]) -> None:
    """Read as many bytes as `flat` has, into its memory."""
    view = flat.view(np.uint8).data
    done = 0
    while done < len(view):
        got = reader.readinto(view[done:])
        if not got:
            raise ended_early(done, len(view))
        done += got


def ended_early(found_bytes: int, size_bytes: int) -> Transient:
    """Return the error of an object of which not all bytes came, though they are there."""
    return Transient(
        Code.STORAGE,
        "the object ended before all of its bytes came",
        "nothing to do: it is read again",
        observed=f"{found_bytes} bytes",
        limit=f"{size_bytes} bytes",
    )


def _check_exact(integers: NDArray[Any], floats: NDArray[Any]) -> None:
    """Refuse integers that changed; the top of the range rounds to a float out of the range."""
    if np.abs(floats).max() < 2.0**53:
        return
    top = 2.0 ** (64 - (integers.dtype.kind == "i"))
    if floats.max() == top or (floats.astype(integers.dtype) != integers).any():
        raise Refused(
            Code.PRECISION,
            "float64 cannot hold one of the integers exactly",
            "scale the matrix, or convert it to float64 if rounding is what you want",
            limit="every integer up to 2**53, and above it those with enough zero bits",
        )
