"""A matrix that is inverted in its own memory, wherever that is: here, or spread over processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from matinv.linalg import definite, hermitian, lapack, scaling
from matinv.linalg.bounds import Row
from matinv.linalg.budget import Budget
from matinv.linalg.determinant import Determinants
from matinv.linalg.kernels import Kernels
from matinv.linalg.types import Matrix


@dataclass(frozen=True, slots=True)
class Survey:
    """Sums of sizes by row and by column, of squares by column, and products with vectors."""

    rows: NDArray[np.float64]
    cols: NDArray[np.float64]
    squares: NDArray[np.float64]
    image: NDArray[Any]


class Held(Protocol):
    """A matrix, and later its inverse, of which a judge sees only vectors.

    A Fortran-ordered matrix is worked on as its transpose: rows and columns, and so left and
    right, change places, and ``flipped`` says so. All vectors have n elements.
    """

    n: int
    dtype: np.dtype[Any]
    flipped: bool

    def first_row(self) -> NDArray[Any]:
        """Return the first row."""
        ...

    def diagonal(self) -> NDArray[Any]:
        """Return a copy of the diagonal."""
        ...

    def survey(
        self, vectors: NDArray[Any], *, by_rows: bool, by_cols: bool, squares: bool = False
    ) -> Survey:
        """Read the matrix once; sums that are not asked for may stay zero."""
        ...

    def finite(self) -> bool:
        """Whether all elements are finite."""
        ...

    def is_hermitian(self) -> bool:
        """Whether the matrix equals its conjugate transpose, exactly."""
        ...

    def may_be_definite(self) -> bool:
        """As `scaling.may_be_definite`."""
        ...

    def equilibrated(self, *, columns_first: bool) -> tuple[scaling.Shifts, scaling.Shifts]:
        """Return the shifts of `scaling.equilibrate`, or those that begin with the columns."""
        ...

    def scale(self, rows: scaling.Shifts, cols: scaling.Shifts) -> None:
        """As `scaling.scale`."""
        ...

    def underflows(self, rows: scaling.Shifts, cols: scaling.Shifts, dtype: np.dtype[Any]) -> bool:
        """As `scaling.underflows`."""
        ...

    def invert(self, *, definite: bool) -> tuple[str, Determinants]:
        """Replace the matrix by its inverse; return the routine's name and the determinant.

        A definite one may have but one triangle inverted; if it has no inverse, the other one is
        as it was.
        """
        ...

    def complete(self) -> None:
        """Make the matrix Hermitian from the triangle that `invert` writes."""
        ...

    def restore(self, diagonal: NDArray[Any]) -> None:
        """Make the matrix Hermitian from the other triangle and a saved diagonal."""
        ...

    def is_definite(self) -> bool | None:
        """Whether a Hermitian matrix is positive definite; None if that is not proven."""
        ...

    def through(self, row: Row, *, transposed: bool = False) -> Row:
        """Return the product of a row with the sizes of the elements."""
        ...

    def round_to(self, dtype: np.dtype[Any]) -> float:
        """Round all elements; return how much that changes, relative to the 1-norm."""
        ...


class InMemory:
    """A matrix in the memory of this process; see `Held`.

    Parameters
    ----------
    work : ndarray, shape (n, n)
        C-contiguous or Fortran-contiguous.
    kernels : Kernels
        The routines that invert.
    budget : Budget
        For proofs.
    """

    def __init__(self, work: Matrix, kernels: Kernels, budget: Budget) -> None:
        self.n, self.dtype = len(work), work.dtype
        self.flipped = not work.flags.c_contiguous
        self.x = work  # in the end the inverse
        self._a = work.T if self.flipped else work
        self._kernels, self._budget = kernels, budget

    def first_row(self) -> NDArray[Any]:
        """Return the first row."""
        return np.asarray(self._a[0])

    def diagonal(self) -> NDArray[Any]:
        """Return a copy of the diagonal."""
        return np.diagonal(self._a).copy()

    def survey(
        self, vectors: NDArray[Any], *, by_rows: bool, by_cols: bool, squares: bool = False
    ) -> Survey:
        """Read the matrix once, by blocks of rows."""
        return survey(self._a, vectors, by_rows=by_rows, by_cols=by_cols, squares=squares)

    def finite(self) -> bool:
        """Whether all elements are finite."""
        rows = self.x.T if self.flipped else self.x
        return all(bool(np.isfinite(block).all()) for block in scaling.row_blocks(rows))

    def is_hermitian(self) -> bool:
        """Whether the matrix equals its conjugate transpose."""
        return hermitian.is_hermitian(self._a)

    def may_be_definite(self) -> bool:
        """As `scaling.may_be_definite`."""
        return bool(scaling.may_be_definite(self._a))

    def equilibrated(self, *, columns_first: bool) -> tuple[scaling.Shifts, scaling.Shifts]:
        """Return shifts of rows and columns."""
        shifts = scaling.equilibrate(self._a.T if columns_first else self._a)
        return (shifts[1], shifts[0]) if columns_first else shifts

    def scale(self, rows: scaling.Shifts, cols: scaling.Shifts) -> None:
        """Scale in place."""
        scaling.scale(self._a, rows, cols)

    def underflows(self, rows: scaling.Shifts, cols: scaling.Shifts, dtype: np.dtype[Any]) -> bool:
        """Whether elements would be no normal numbers of a dtype."""
        return bool(scaling.underflows(self._a, rows, cols, dtype))

    def invert(self, *, definite: bool) -> tuple[str, Determinants]:
        """Replace the matrix by its inverse."""
        choose = self._kernels.for_hermitian if definite else self._kernels.for_general
        kernel = choose(self.n)
        return kernel.routine, kernel.invert(self._a)

    def complete(self) -> None:
        """Make the matrix Hermitian from its upper triangle."""
        hermitian.complete(self._a)

    def restore(self, diagonal: NDArray[Any]) -> None:
        """Make the matrix Hermitian from its lower triangle and a diagonal."""
        hermitian.restore(self._a, diagonal)

    def is_definite(self) -> bool | None:
        """Whether the matrix is positive definite, as `matinv.linalg.definite.prove` finds it."""
        return definite.prove(self._a, self._budget, overwrite=True)

    def through(self, row: Row, *, transposed: bool = False) -> Row:
        """Return the product of a row with the sizes of the elements."""
        return row.through(self._a.T if transposed else self._a)

    def round_to(self, dtype: np.dtype[Any]) -> float:
        """Round all elements into other memory."""
        exact, self.x = self.x, self.x.astype(dtype)
        lost, norm = np.zeros(self.n), np.zeros(self.n)
        for rounded, wide in zip(
            scaling.row_blocks(self.x), scaling.row_blocks(exact), strict=True
        ):
            lost += np.abs(rounded - wide).sum(axis=0)
            norm += np.abs(wide).sum(axis=0)
        return float(lost.max() / norm.max())


def survey(
    a: Matrix,
    vectors: NDArray[Any],
    *,
    by_rows: bool,
    by_cols: bool,
    squares: bool = False,
) -> Survey:
    """Read `a`, shape (m, n), once, by blocks of rows; sums not asked for stay zero.

    `vectors` have shape (n, p), what becomes of them (m, p). Products are those of `lapack`, on
    this thread: numpy's would start threads that spin for as long as a block takes.
    """
    ones, rows = np.ones(max(a.shape)), np.zeros(len(a))
    cols, squared = np.zeros((2, a.shape[1]))
    image = np.empty((len(a), vectors.shape[1]), dtype=vectors.dtype)
    sizes = None
    begin = 0
    for block in scaling.row_blocks(a):
        wide = block.astype(vectors.dtype, copy=False)
        if sizes is None:
            sizes = np.empty(wide.shape)
        size = np.abs(wide, out=sizes[: len(block)])
        span = slice(begin, begin := begin + len(block))
        if by_rows:
            lapack.gemv(size, ones, rows[span])
        if by_cols:
            lapack.gemv(size, ones, cols, transposed=True)
        if squares:
            np.multiply(size, size, out=size)
            lapack.gemv(size, ones, squared, transposed=True)
        lapack.gemm(1.0, wide, vectors, 0.0, image[span])
    return Survey(rows, cols, squared, image)
