"""ScaLAPACK by ctypes: matrices that lie block-cyclically on a grid of processes.

Integers are of 32 bits (LP64), which is enough while a process holds fewer than 2**31 elements:
`ELEMENTS`. Whatever is here must be called by all processes of a grid at once.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matinv.grid.mpi import INSTALL
from matinv.linalg.types import Matrix

ELEMENTS: Final = 2**31 - 1  # of a process, which addresses them by integers of 32 bits

_LETTERS: Final = {"f": "s", "d": "d", "F": "c", "D": "z"}  # numpy's and LAPACK's type letters
_LENGTH: Final = ctypes.c_size_t(1)  # of a letter: Fortran's hidden argument
_ONE: Final = ctypes.byref(ctypes.c_int32(1))

_Int = ctypes.c_int32


class NoScalapackError(Exception):
    """ScaLAPACK cannot be loaded."""


@cache
def load(names: Sequence[str]) -> ctypes.CDLL:
    """Return the library, by the first of its names that leads to one.

    Raises
    ------
    NoScalapackError
        If none does.
    """
    reasons = []
    for name in names:
        try:
            # Its symbols are needed by what it loads itself: BLACS and BLAS in the same process.
            library = ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            reasons.append(f"{name} ({error})")
            continue
        library.numroc_.restype = _Int
        return library
    message = f"ScaLAPACK cannot be loaded; tried {', '.join(reasons)}; {INSTALL}"
    raise NoScalapackError(message)


@dataclass(frozen=True, slots=True)
class Grid:
    """Processes as a rectangle: `rows` times `cols` of them, this one at (`row`, `col`)."""

    library: ctypes.CDLL = field(repr=False)
    context: int
    rows: int
    cols: int
    row: int
    col: int

    @classmethod
    def of(cls, library: ctypes.CDLL, rows: int, cols: int) -> Grid:
        """Arrange the first ``rows * cols`` processes."""
        context = _Int()
        library.Cblacs_get(-1, 0, ctypes.byref(context))
        library.Cblacs_gridinit(ctypes.byref(context), b"Row", rows, cols)
        p, q, row, col = _Int(), _Int(), _Int(), _Int()
        library.Cblacs_gridinfo(context, *map(ctypes.byref, (p, q, row, col)))
        return cls(library, context.value, rows, cols, row.value, col.value)

    @classmethod
    @cache
    def of_line(cls, library: ctypes.CDLL, size: int) -> Grid:
        """Arrange all `size` processes side by side, once."""
        return cls.of(library, 1, size)


@dataclass(frozen=True, slots=True)
class Spread:
    """A matrix in blocks over a grid, and this process's share of it.

    Parameters
    ----------
    grid : Grid
        The grid of processes that hold it.
    shape : tuple of int
        Of the whole matrix.
    blocks : tuple of int
        Of one block; the first one is at process (0, 0).
    local : ndarray, Fortran-contiguous
        The share.
    """

    grid: Grid
    shape: tuple[int, int]
    blocks: tuple[int, int]
    local: Matrix = field(repr=False)
    descriptor: Any = field(repr=False)

    @classmethod
    def empty(
        cls, grid: Grid, shape: tuple[int, int], blocks: tuple[int, int], dtype: np.dtype[Any]
    ) -> Spread:
        """Return one whose elements may be anything."""
        places = ((grid.row, grid.rows), (grid.col, grid.cols))
        share = [
            int(grid.library.numroc_(_ref(n), _ref(b), _ref(at), _ref(0), _ref(count)))
            for n, b, (at, count) in zip(shape, blocks, places, strict=True)
        ]
        local: Matrix = np.empty(share, dtype, order="F")
        descriptor = (_Int * 9)(1, grid.context, *shape, *blocks, 0, 0, max(1, share[0]))
        return cls(grid, shape, blocks, local, descriptor)

    def indices(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return which rows and which columns of the whole matrix the share has."""
        places = ((self.grid.row, self.grid.rows), (self.grid.col, self.grid.cols))
        found = []
        for n, b, (at, count) in zip(self.shape, self.blocks, places, strict=True):
            every = np.arange(n)
            found.append(every[every // b % count == at])
        return found[0], found[1]

    def copy_to(
        self, target: Spread, size: tuple[int, int], begin: int = 0, target_begin: int = 0
    ) -> None:
        """Copy so many rows and columns, from a column of this matrix to one of another."""
        copy = getattr(self.grid.library, f"Cp{self._letter}gemr2d")
        places = (
            (_address(self.local), 1, begin + 1, self.descriptor),
            (_address(target.local), 1, target_begin + 1, target.descriptor),
        )
        copy(*size, *places[0], *places[1], self.grid.context)

    def transpose_to(self, target: Spread, begin: int) -> None:
        """Write the conjugate transpose of some columns, from `begin` on, to all of `target`."""
        kind = "tranc" if np.iscomplexobj(self.local) else "tran"
        numbers = np.array([1, 0], self.local.dtype)
        one, zero = (numbers[i:].ctypes.data_as(ctypes.c_void_p) for i in (0, 1))
        getattr(self.grid.library, f"p{self._letter}{kind}_")(
            *map(_ref, target.shape),
            one,
            *(_address(self.local), _ONE, _ref(begin + 1), self.descriptor),
            zero,
            *(_address(target.local), _ONE, _ONE, target.descriptor),
        )

    def factor(self) -> tuple[int, NDArray[np.int32]]:
        """Replace the matrix by its factors L and U: ``pxgetrf``, partial pivoting.

        Returns
        -------
        zero : int
            0, or the 1-based position of an exactly zero pivot.
        pivots : ndarray of int32
            The interchanges of the rows that this process has: with which row, from 1 on.
        """
        pivots = np.zeros(self.local.shape[0] + self.blocks[0], np.int32)
        info = self._call("getrf", _ref(self.shape[0]), *self._whole, _address(pivots))
        return info, pivots

    def invert_factored(self, pivots: NDArray[np.int32]) -> int:
        """Replace factors by the inverse: ``pxgetri``; return 0, or where U has a zero."""
        work, whole = np.empty(1, self.local.dtype), np.empty(1, np.int32)
        asked = (_ref(-1), _ref(-1))
        for _ in range(2):  # it says how much room it wants, then it works
            info = self._call(
                "getri",
                *self._whole,
                _address(pivots),
                *(_address(work), asked[0], _address(whole), asked[1]),
            )
            if asked[0]._obj.value >= 0:
                break
            work = np.empty(max(1, int(work[0].real)), self.local.dtype)
            whole = np.empty(max(1, int(whole[0])), np.int32)
            asked = _ref(work.size), _ref(whole.size)
        return info

    def factor_definite(self) -> int:
        """Replace the lower triangle by L: ``pxpotrf``; return 0, or a minor not positive."""
        return self._call("potrf", *self._whole, before=b"L")

    def invert_definite(self) -> int:
        """Replace L by the lower triangle of the inverse: ``pxpotri``."""
        return self._call("potri", *self._whole, before=b"L")

    @property
    def _letter(self) -> str:
        return _LETTERS[self.local.dtype.char]

    @property
    def _whole(self) -> tuple[Any, ...]:
        """Order, address, first row and column, descriptor: what LAPACK calls N and A."""
        return _ref(self.shape[1]), _address(self.local), _ONE, _ONE, self.descriptor

    def _call(self, name: str, *arguments: Any, before: bytes = b"") -> int:
        """Call a routine and return INFO; a letter comes first and its length last."""
        info = _Int()
        routine = getattr(self.grid.library, f"p{self._letter}{name}_")
        letter = [before] if before else []
        routine(*letter, *arguments, ctypes.byref(info), *([_LENGTH] if before else []))
        return info.value


def _ref(value: int) -> Any:
    return ctypes.byref(_Int(value))


def _address(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
