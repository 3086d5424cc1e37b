"""A matrix spread block-cyclically over processes, as `matinv.linalg.held.Held`.

ScaLAPACK reads by columns, so that to it the matrix of rows is the transpose, and the inverse of
that, read back by rows, is the inverse. Whatever is measured is measured of the share and added up
over the processes as vectors of n elements; all of them see the same sums, and decide alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from matinv.grid.scalapack import Grid, Spread
from matinv.linalg import definite, held, scaling
from matinv.linalg.bounds import Row
from matinv.linalg.determinant import Determinants
from matinv.linalg.kernels import of_cholesky
from matinv.linalg.types import Matrix

if TYPE_CHECKING:
    import ctypes

    from mpi4py.MPI import Comm

BLOCK: Final = 64  # as wide as ScaLAPACK's own tests; wider ones leave processes idle longer


@dataclass(frozen=True, slots=True)
class _Share:
    """Some rows and columns of a matrix."""

    a: Matrix
    rows: NDArray[np.intp]
    cols: NDArray[np.intp]


class BlockCyclic:
    """A matrix whose shares are in the memory of the processes of `comm`.

    Parameters
    ----------
    comm : Comm
        All processes of MPI.
    library : CDLL
        ScaLAPACK.
    n : int
        The order.
    dtype : dtype
        In which it is computed.
    flipped : bool
        Whether the rows are those of the transpose of the matrix that was given.
    """

    def __init__(
        self,
        comm: Comm,
        library: ctypes.CDLL,
        n: int,
        dtype: np.dtype[Any],
        *,
        flipped: bool,
    ) -> None:
        self.n, self.dtype, self.flipped = n, dtype, flipped
        rows = max(d for d in range(1, int(comm.size**0.5) + 1) if comm.size % d == 0)
        cols = comm.size // rows
        # A process without elements would be a special case everywhere.
        block = max(1, min(BLOCK, n // max(rows, cols)))
        self._comm = comm
        self.spread = Spread.empty(Grid.of(library, rows, cols), (n, n), (block, block), dtype)
        across, along = self.spread.indices()
        self._share = _Share(self.spread.local.T, along, across)

    def first_row(self) -> NDArray[Any]:
        """Return the first row."""
        own = self._share.a[self._share.rows == 0]
        return self._sum(own.sum(axis=0), self._share.cols)

    def diagonal(self) -> NDArray[Any]:
        """Return a copy of the diagonal."""
        where, i, j = np.intersect1d(self._share.rows, self._share.cols, return_indices=True)
        return self._sum(self._share.a[i, j], where)

    def survey(
        self,
        vectors: NDArray[Any],
        *,
        by_rows: bool,
        by_cols: bool,
        squares: bool = False,
    ) -> held.Survey:
        """Read the matrix once."""
        own, share = np.ascontiguousarray(vectors[self._share.cols]), self._share
        found = held.survey(share.a, own, by_rows=by_rows, by_cols=by_cols, squares=squares)
        return held.Survey(
            self._sum(found.rows, share.rows),
            self._sum(found.cols, share.cols),
            self._sum(found.squares, share.cols),
            self._sum(found.image, share.rows),
        )

    def finite(self) -> bool:
        """Whether all elements are finite."""
        return self._all(all(np.isfinite(b).all() for b in scaling.row_blocks(self._share.a)))

    def is_hermitian(self) -> bool:
        """Whether the matrix equals its conjugate transpose."""
        for rows, turned in self._strips():
            if not self._all(bool((self.spread.local[rows] == turned).all())):
                return False
        return True

    def may_be_definite(self) -> bool:
        """As `scaling.may_be_definite`."""
        own, share = np.frexp(self.diagonal().real)[1], self._share
        return self._all(bool(scaling.below_diagonal(share.a, own[share.rows], own[share.cols])))

    def equilibrated(self, *, columns_first: bool) -> tuple[scaling.Shifts, scaling.Shifts]:
        """Return shifts of rows and columns."""
        share = self._share
        if columns_first:
            share = _Share(share.a.T, share.cols, share.rows)

        def sizes(top: scaling.Shifts) -> tuple[Any, Any]:
            by_row, by_col = scaling.sums(share.a, top)
            return self._sum(by_row, share.rows), self._sum(by_col, share.cols)

        shifts = scaling.equilibrate_by(
            lambda: self._max(scaling.tops(share.a), share.rows),
            lambda rows: self._max(scaling.tops_below(share.a, rows[share.rows]), share.cols),
            sizes,
        )
        return (shifts[1], shifts[0]) if columns_first else shifts

    def scale(self, rows: scaling.Shifts, cols: scaling.Shifts) -> None:
        """Scale in place."""
        scaling.scale(self._share.a, rows[self._share.rows], cols[self._share.cols])

    def underflows(self, rows: scaling.Shifts, cols: scaling.Shifts, dtype: np.dtype[Any]) -> bool:
        """Whether elements would be no normal numbers of a dtype."""
        share = self._share
        found = scaling.underflows(share.a, rows[share.rows], cols[share.cols], dtype)
        return not self._all(not found)

    def invert(self, *, definite: bool) -> tuple[str, Determinants]:
        """Replace the matrix by its inverse."""
        return self._by_cholesky() if definite else self._by_lu()

    def complete(self) -> None:
        """Make the matrix Hermitian from the triangle that Cholesky has inverted."""
        self._mirror(np.greater)

    def restore(self, diagonal: NDArray[Any]) -> None:
        """Make the matrix Hermitian from the other triangle and a saved diagonal."""
        self._mirror(np.less)
        self._set_diagonal(diagonal)

    def is_definite(self) -> bool | None:
        """Whether the matrix is positive definite, as far as shifted Cholesky proves it."""
        diagonal = self.diagonal()
        if not ((diagonal.real > 0).all() and self.may_be_definite()):
            return False
        moved_by = definite.margin(self.dtype, diagonal.real)
        for sign in (-1, 1):
            self._set_diagonal(diagonal + sign * moved_by)
            succeeds = self.spread.factor_definite() == 0
            self.restore(diagonal)
            if succeeds == (sign < 0):
                return succeeds
        return None  # integers would decide, in one process

    def through(self, row: Row, *, transposed: bool = False) -> Row:
        """Return the product of a row with the sizes of the elements."""
        share = self._share
        if transposed:
            share = _Share(share.a.T, share.cols, share.rows)
        own = Row(row.value[share.rows], row.exponent[share.rows]).through(share.a)
        top = self._max(own.exponent, share.cols)
        return Row.of(self._sum(own.below(top[share.cols]), share.cols), top)

    def round_to(self, dtype: np.dtype[Any]) -> float:
        """Round all elements, where they are."""
        lost, norm = np.zeros((2, len(self._share.cols)))
        for block in scaling.row_blocks(self._share.a):
            rounded = block.astype(dtype)
            lost += np.abs(rounded - block).sum(axis=0)
            norm += np.abs(block).sum(axis=0)
            block[...] = rounded
        whole = [self._sum(found, self._share.cols).max() for found in (lost, norm)]
        return float(whole[0] / whole[1])

    def _by_lu(self) -> tuple[str, Determinants]:
        zero, pivots = self.spread.factor()
        diagonal = self.diagonal()
        if zero:
            diagonal[:] = 0
        else:
            rows = self._share.cols
            moved = np.count_nonzero(pivots[: len(rows)] != rows + 1)
            own = moved if self.spread.grid.col == 0 else 0
            if self._comm.allreduce(own) % 2:
                diagonal[0] = -diagonal[0]
            self.spread.invert_factored(pivots)
        return "pgetrf+pgetri", Determinants.of_pivots(diagonal[None])

    def _by_cholesky(self) -> tuple[str, Determinants]:
        # One process may hold an even first element and another an odd one: it is the matrix's.
        factor = scaling.evening_out(self.diagonal()[:1, None])
        local = self.spread.local
        if factor != 1:
            local *= factor
        broken = self.spread.factor_definite() != 0
        diagonal = self.diagonal()
        if not broken:
            self.spread.invert_definite()
        if factor != 1:
            local *= 1 / factor if broken else factor
        return "ppotrf+ppotri", of_cholesky(diagonal[None], factor, np.array([broken]))

    def _set_diagonal(self, diagonal: NDArray[Any]) -> None:
        where, i, j = np.intersect1d(self._share.rows, self._share.cols, return_indices=True)
        self._share.a[i, j] = diagonal[where]

    def _mirror(self, chosen: Callable[[Any, Any], Any]) -> None:
        """Copy the conjugate transpose into the places whose column is `chosen` over the row."""
        across, along = self._share.cols, self._share.rows
        for rows, turned in self._strips():
            where = chosen(along, across[rows, None])
            np.copyto(self.spread.local[rows], turned, where=where)

    def _strips(self) -> Iterator[tuple[slice, Matrix]]:
        """Yield shares of the conjugate transpose, and the rows of the own share that they are of.

        A strip is one block of rows of each process, so that both lie alike.
        """
        spread, grid = self.spread, self.spread.grid
        block = spread.blocks[0]
        high = block * grid.rows
        for number, begin in enumerate(range(0, self.n, high)):
            shape = (min(high, self.n - begin), self.n)
            strip = Spread.empty(grid, shape, spread.blocks, self.dtype)
            spread.transpose_to(strip, begin)
            first = number * block
            yield slice(first, first + strip.local.shape[0]), strip.local

    def _all(self, own: bool) -> bool:  # noqa: FBT001 - a predicate's value
        return bool(self._comm.allreduce(int(own)) == self._comm.size)

    def _sum(self, own: NDArray[Any], where: NDArray[np.intp]) -> NDArray[Any]:
        from mpi4py.MPI import SUM  # noqa: PLC0415 - starts MPI, which is for ranks alone

        whole = np.zeros((self.n, *own.shape[1:]), own.dtype)
        whole[where] = own
        joined = np.empty_like(whole)
        self._comm.Allreduce(whole, joined, SUM)
        return joined

    def _max(self, own: NDArray[np.int32], where: NDArray[np.intp]) -> NDArray[np.int32]:
        from mpi4py.MPI import MAX  # noqa: PLC0415 - likewise

        whole = np.full(self.n, np.iinfo(np.int32).min // 2, np.int32)
        whole[where] = own
        joined = np.empty_like(whole)
        self._comm.Allreduce(whole, joined, MAX)
        return joined
