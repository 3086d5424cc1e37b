"""Matrices as .npz archives: one array in; an inverse and the figures of its slices out.

The .npy header inside says how much memory the array takes, before a byte of its body is read.

References
----------
.. [1] numpy/lib/_npyio_impl.py, ``savez`` and ``savez_compressed``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from matinv.errors import Code, Refused
from matinv.formats import npy
from matinv.formats.npy_header import HEADER_LIMIT_BYTES, Reader
from matinv.formats.npz_archive import SKIP_LIMIT_BYTES, Archive, Member, only_entry
from matinv.formats.opened import OpenedFile
from matinv.formats.result import Result
from matinv.linalg.certificate import Checked
from matinv.linalg.inverse import Inverses
from matinv.linalg.types import Matrix

if TYPE_CHECKING:
    from typing import IO

MAGIC: Final = b"PK"

# Bytes a second on one Graviton2 vCPU, which has half the speed of a machine on which zlib inflated
# and summed 120 MB/s of random doubles, and summed 1.9 GB/s of stored ones.
_INFLATED_BYTES_PER_S: Final = 6e7
_SUMMED_BYTES_PER_S: Final = 1e9


def _error_codes(inverses: Inverses) -> NDArray[np.str_]:
    """Return the code of each slice's error as text, empty where there is none."""
    failures = inverses.failures
    flaws = failures.findings.flaw[failures.indices()]
    codes = np.zeros(len(inverses.rcond_1), f"U{max(map(len, Code))}")
    for flaw in np.unique(flaws):  # of a million slices, a few kinds
        of_kind = failures.indices()[flaws == flaw]
        codes[of_kind] = failures[int(of_kind[0])].code
    return codes


# What a result says of each slice beside its inverse; NaN, or empty, where there is nothing.
COLUMNS: Final[Mapping[str, Callable[[Inverses], NDArray[Any]]]] = {
    "rcond": lambda inverses: inverses.rcond_1,
    "residual": lambda inverses: inverses.residual,
    "digits": lambda inverses: inverses.digits,
    "log_abs_det": lambda inverses: inverses.log_abs_det,
    "sign": lambda inverses: inverses.sign,
    "error_code": _error_codes,
}


def _radius(x: Matrix) -> NDArray[np.floating[Any]]:
    """Return how far each element, proven to be correctly rounded, may be from the true one.

    At most half of its last place; of a complex one in both parts, and of zero the least number.
    """
    halves = [np.spacing(np.abs(part)) / 2 for part in (x.real, x.imag)[: 1 + np.iscomplexobj(x)]]
    whole = halves[0] if len(halves) == 1 else np.nextafter(np.hypot(*halves), np.inf)
    return np.asarray(np.maximum(whole, np.finfo(whole.dtype).smallest_subnormal))


def opened(reader: Reader, size_bytes: int) -> OpenedFile:
    """Read the header of the only array in an archive of `size_bytes` bytes.

    Raises
    ------
    Refused
        BAD_FORMAT for an archive that is damaged, encrypted or of another kind, or that holds
        several arrays; else as `matinv.formats.npy.read_header`. Reading the body raises BAD_FORMAT
        and BAD_LENGTH too.
    """
    archive = Archive(reader, size_bytes)
    member = Member(archive)
    try:
        header = npy.read_header(member, None)
        member.check_fits(header.body_bytes)
    except Refused:
        if archive.rest_bytes <= SKIP_LIMIT_BYTES:
            only_entry(archive.rest(member.pending), size_bytes)  # is it one of several arrays?
        raise

    def read() -> Matrix:
        matrix = npy.read_body(member, header)
        member.finish()
        return matrix

    bytes_per_s = _INFLATED_BYTES_PER_S if member.deflated else _SUMMED_BYTES_PER_S
    return OpenedFile(header, read, header.body_bytes / bytes_per_s)


def read_inverse(reader: Reader, size_bytes: int) -> Matrix:
    """Return the inverse of an archive that `parts` wrote."""
    member = Member(Archive(reader, size_bytes))
    return npy.read_body(member, npy.read_header(member, None))


def parts(result: Result) -> list[bytes | memoryview]:
    """Return a result as an archive, the inverse first; the same result is always the same bytes.

    The figures of each slice are there if `result` knows them. Arrays are stored as they are:
    the digits of an inverse do not compress, and nothing is copied.
    """
    from zipfile import ZipFile, ZipInfo  # noqa: PLC0415 - 10 ms of a cold start that few need

    arrays: dict[str, NDArray[Any]] = {"inverse": result.inverse}
    if result.inverses:
        for name, column in COLUMNS.items():
            values = column(result.inverses)
            if values.dtype.kind == "f":
                values = values.copy()
                values[result.inverses.failures.indices()] = np.nan
            arrays[name] = values.reshape(result.inverse.shape[:-2])
        ways = result.inverses.how[result.inverses.failures.findings.flaw == 0]
        if len(ways) and all(how.checked is Checked.VERIFIED for how in ways):
            arrays["radius"] = _radius(result.inverse)
    pieces = _Pieces()
    with ZipFile(cast("IO[bytes]", pieces), "w") as archive:
        for name, array in arrays.items():
            info = ZipInfo(f"{name}.npy")  # of 1980
            info.create_system = 3
            info.file_size = array.nbytes + HEADER_LIMIT_BYTES
            with archive.open(info, "w") as member:
                for piece in npy.parts(array):
                    member.write(piece)
    return pieces.pieces


def memory_bytes(shape: tuple[int, ...], _dtype: np.dtype[Any]) -> int:
    """Return the figures for `parts` beside the inverse: for each slice, six numbers and a code."""
    return 152 * prod(shape[:-2])


class _Pieces:
    """A target for `ZipFile`: the pieces themselves, not a copy of them."""

    def __init__(self) -> None:
        self.pieces: list[bytes | memoryview] = []

    def write(self, piece: bytes | memoryview) -> int:
        self.pieces.append(piece)
        return memoryview(piece).nbytes

    def flush(self) -> None:
        """Do nothing: all of it is there."""
