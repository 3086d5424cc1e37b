"""Gauss-Jordan inversion of one large matrix in its own memory, almost all of it GEMM.

A block of w columns at a time is eliminated from all other rows. With the block's pivot rows on
top, ``A = [[D, B], [C, E]]`` becomes ``[[D^-1, D^-1 B], [-C D^-1, E - C D^-1 B]]``: one product of
n * w by w * n elements, so that 2 n**3 of the 2 n**3 + O(n**2 w) operations are GEMM's. LAPACK's
getrf and getri spend theirs on ever narrower blocks and on triangles, and numpy's solve against the
identity does 8/3 n**3.

General matrices choose pivots in their columns, by rows, as LU does. Triangles are kept apart:
``D = L U``, the rows below are eliminated by L alone, those above by ``C U^-1``, as in LU followed
by the inversion of U. Hermitian positive definite matrices need no pivots and half of the work: the
sweep operator [3]_ with ``D = U^H U`` keeps to one triangle.

Errors. With row interchanges each row of the inverse has the small *left* residual that LU gives:
Dekker and Hoffmann [1]_ show it for the mirror image, column interchanges and the right residual,
where Peters and Wilkinson [2]_ had found the other side to fail (Higham [4]_, section 14.4). The
certificate measures the left one. Triangles of order w are inverted explicitly, with an error that
their own condition bounds (section 14.2); L has a unit diagonal and no element above 1. On about 40
kinds of matrices the residual stayed within 3 times the worse one of the two that
`numpy.linalg.inv` leaves. Bientinesi, Gunter and van de Geijn [5]_ derive the sweep among all ways
to invert by Cholesky.

References
----------
.. [1] T. J. Dekker, W. Hoffmann, "Rehabilitation of the Gauss-Jordan algorithm", Numer. Math. 54
   (1989), 591-599.
.. [2] G. Peters, J. H. Wilkinson, "On the stability of Gauss-Jordan elimination with pivoting",
   Comm. ACM 18 (1975), 20-24.
.. [3] J. H. Goodnight, "A tutorial on the SWEEP operator", Amer. Statist. 33 (1979), 149-158.
.. [4] N. J. Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., SIAM 2002.
.. [5] P. Bientinesi, B. Gunter, R. A. van de Geijn, "Families of algorithms related to the
   inversion of a symmetric positive definite matrix", ACM TOMS 35 (2008), 3:1-3:22.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from matinv.linalg import lapack, progress, scaling
from matinv.linalg.crew import Crew
from matinv.linalg.determinant import parity
from matinv.linalg.types import Matrix

# Widths of a block, up to which order: wide enough for GEMM, narrow enough that what is not GEMM
# (about 2 n**2 w operations, at a quarter of its rate) stays small. Measured by scripts/crossovers.
WIDTHS: Final = ((768, 48), (3072, 64))
WIDEST: Final = 128


def width_of(n: int) -> int:
    """Return how many columns are eliminated at a time from a matrix of order `n`."""
    return next((width for limit, width in WIDTHS if n <= limit), WIDEST)


def invert_general(a: Matrix, width: int = 0, pivots_out: Matrix | None = None) -> int:
    """Replace `a` by its inverse.

    Parameters
    ----------
    a : ndarray, shape (n, n), C-contiguous
        float32, float64, complex64 or complex128. Overwritten, by rubbish if it is singular.
    width : int
        Columns to eliminate at a time; 0 takes what was measured to be best.
    pivots_out : ndarray, shape (n,), or None
        Written: the pivots, the first one of each block with the sign of its interchanges.

    Returns
    -------
    int
        0, or the 1-based position of an exactly zero pivot.
    """
    n = len(a)
    width = width or width_of(n)
    pivots = np.empty(n, dtype=np.int64)
    factors, rows, spare = np.empty((3, width, n), dtype=a.dtype)
    triangles = _Triangles(width, a.dtype)
    with Crew(n) as crew:
        for begin in range(0, n, width):
            progress.report(begin / n)
            end = min(begin + width, n)
            count = end - begin
            column, block = factors[:count], slice(begin, end)
            lapack.transpose(a[begin:, block], column[:, begin:])
            zero = lapack.getrf(column[:, begin:], pivots[block])
            if zero:
                return begin + zero
            if pivots_out is not None:
                pivots_out[block] = np.diagonal(column[:, block])
                pivots_out[begin] *= parity(pivots[block])
            lower, upper = triangles.inverted(column[:, block])
            np.negative(upper, out=column[:, block])  # pivot rows become U^-1 times what is in rows
            taken = _take_pivot_rows(a, pivots[block], begin, spare)
            pivots[block] += begin
            lapack.gemm(1.0, lower, taken, 0.0, rows[:count])
            rows[:count, block] = lower
            crew.share(_Eliminated(a, block, column, upper, rows[:count], spare[:count]).update)
    lapack.undo_pivots(a, pivots)
    return 0


@dataclass(frozen=True, slots=True)
class _Eliminated:
    """A block that is about to be eliminated from all rows, a panel of them at a time.

    Parameters
    ----------
    a : ndarray, shape (n, n)
        The matrix.
    block : slice
        The block's rows and columns.
    column : ndarray, shape (w, n)
        The factors of its columns, transposed; those above it are written here.
    upper : ndarray, shape (w, w)
        The transpose of ``U^-1``.
    rows : ndarray, shape (w, n)
        ``L^-1`` times the pivot rows.
    spare : ndarray, shape (w, n)
        Memory.
    """

    a: Matrix
    block: slice
    column: Matrix
    upper: Matrix
    rows: Matrix
    spare: Matrix

    def update(self, panel: slice) -> None:
        """Eliminate the block from the rows of `panel`, whatever becomes of the others."""
        a, block, column = self.a, self.block, self.column
        begin = block.start
        if panel.start < begin:  # the rows above are eliminated by C U^-1
            over = slice(panel.start, min(panel.stop, begin))
            above = self.spare[:, over]
            lapack.transpose(a[over, block], above)
            lapack.gemm(1.0, self.upper, above, 0.0, column[:, over])
        a[max(panel.start, begin) : min(panel.stop, block.stop)] = 0
        a[panel, block] = 0
        lapack.gemm(-1.0, column[:, panel].T, self.rows, 1.0, a[panel])


def invert_hermitian(a: Matrix, width: int = 0, pivots_out: Matrix | None = None) -> int:
    """Replace the upper triangle of `a` by that of its inverse.

    Parameters
    ----------
    a : ndarray, shape (n, n), C-contiguous
        Hermitian. Only its upper triangle and diagonal are read and overwritten, by rubbish if it
        is not positive definite.
    width : int
        As in `invert_general`.
    pivots_out : ndarray, shape (n,), or None
        Written: the diagonal of U with ``evening_out(A) A = U^H U``.

    Returns
    -------
    int
        0, or the 1-based order of the leading minor that is not positive.
    """
    n = len(a)
    width = width or width_of(n)
    rows, products = np.empty((2, width, n), dtype=a.dtype)
    upper = np.tri(width, dtype=np.bool_).T
    factor = scaling.evening_out(a)
    with Crew(n) as crew:
        for begin in range(0, n, width):
            progress.report(begin / n)
            end = min(begin + width, n)
            count, block = end - begin, slice(begin, end)
            corner = a[block, block] * factor
            broken = lapack.potrf(corner)
            if broken:
                return begin + broken
            if pivots_out is not None:
                pivots_out[block] = np.diagonal(corner)
            lapack.trtri(corner, upper=True)
            half = np.ascontiguousarray(np.triu(corner).conj().T)  # D^-1 = factor half^H half
            np.conjugate(a[:begin, block].T, out=rows[:count, :begin])
            rows[:count, block] = 0
            rows[:count, end:] = a[block, end:]
            lapack.gemm(1.0, half, rows[:count], 0.0, products[:count])
            np.negative(half, out=products[:count, block])
            a[:begin, block] = 0
            np.copyto(a[block, block], 0, where=upper[:count, :count])
            a[block, end:] = 0
            np.conjugate(products[:count], out=rows[:count])
            crew.share(partial(_subtract_gram, float(factor), rows[:count], products[:count], a))
    for begin in range(0, n, width):  # the sweep ends with -A^-1
        end = min(begin + width, n)
        corner, right = a[begin:end, begin:end], a[begin:end, end:]
        np.negative(corner, out=corner, where=upper[: end - begin, : end - begin])
        np.negative(right, out=right)
    return 0


def _subtract_gram(factor: float, left: Matrix, x: Matrix, out: Matrix, panel: slice) -> None:
    """Subtract ``factor * x^H @ x`` from a panel of the upper triangle; `left` is the conjugate."""
    lapack.subtract_gram(factor, x[:, panel], out[panel, panel])
    if panel.stop < len(out):
        right = slice(panel.stop, None)
        lapack.gemm(-factor, left[:, panel].T, x[:, right], 1.0, out[panel, right])


class _Triangles:
    """The inverses of the two triangles of a block, in memory that is used again.

    Parameters
    ----------
    width : int
        Order of the largest block.
    dtype : dtype
        The matrix's.
    """

    def __init__(self, width: int, dtype: np.dtype[Any]) -> None:
        self._strictly_below = np.tri(width, k=-1, dtype=np.bool_)
        self._below = np.tri(width, dtype=np.bool_)
        self._lower = np.eye(width, dtype=dtype)
        self._upper = np.zeros((width, width), dtype=dtype)

    def inverted(self, factored: Matrix) -> tuple[Matrix, Matrix]:
        """Return ``L^-1`` and the transpose of ``U^-1``, given L and U by columns, overwritten."""
        n = len(factored)
        lapack.trtri(factored, upper=True, unit=True)
        lapack.trtri(factored, upper=False)
        lower, upper = self._lower[:n, :n], self._upper[:n, :n]
        np.copyto(lower, factored.T, where=self._strictly_below[:n, :n])
        np.copyto(upper, factored, where=self._below[:n, :n])
        return lower, upper


def _take_pivot_rows(a: Matrix, pivots: lapack.Pivots, begin: int, spare: Matrix) -> Matrix:
    """Return copies of the pivot rows; the rows of the block that they displace take their places.

    The interchanges are followed on numbers first: then each row moves once.
    """
    now: dict[int, int] = {}
    for i, pivot in enumerate(pivots.tolist()):
        j = pivot - 1
        now[i], now[j] = now.get(j, j), now.get(i, i)
    count = len(pivots)
    source = [begin + now[i] for i in range(count)]
    taken = a.take(source, axis=0, out=spare[:count], mode="clip")  # checked, it would be copied
    displaced = [j for j in now if j >= count]
    a[[begin + j for j in displaced]] = a[[begin + now[j] for j in displaced]]
    return taken
