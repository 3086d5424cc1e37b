"""Large matrices: one at a time, in their own memory, checked by probe vectors.

Before a matrix is overwritten, its products ``Y = A V`` with a few random vectors V are kept.
Afterwards ``X Y`` must be V again: ``E V = X Y - V`` with ``E = X A - I``. Over random v of unit
variance, the mean of ``(e @ v)**2`` is ``norm(e)**2`` for each row e of E (Girard 1989, Hutchinson
1990), which leaves the 1-norm of LAPACK's ratio to be estimated. For the left residual it is by the
Frobenius norm: within a factor sqrt(n), close for errors that are spread out, and no less than the
1-norm where a single row of E is wrong, which is what one wrong element of X makes of it. For the
right one (a Fortran-ordered matrix is worked on as its transpose) it is the largest sum along a
row, which sqrt(n) times the largest norm of a row bounds.

What is wrong in rank one shows by ``e @ v`` alone. Vectors of +-1 are blind to some such errors: to
e = (1, -1), a row of a bidiagonal matrix, every second of them. So elements of V are nearly normal,
and e @ v with them, whatever e. Then the chance that 4 vectors show less than a tenth of an error
is 2e-4, less than a hundredth 2e-8 (2 t**4, from chi-squared with 4 degrees of freedom).

Everything here but the inversion is O(n**2), in blocks of rows.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from matinv.linalg import hermitian, scaling, step_up
from matinv.linalg.bounds import REGULAR, UNIT, Row
from matinv.linalg.budget import Budget
from matinv.linalg.certificate import Checked, Side
from matinv.linalg.gates import INACCURATE, RESIDUAL_LIMIT, Flaw, Gates, How, Measurements
from matinv.linalg.kernels import InPlaceKernel, Kernels
from matinv.linalg.types import Matrix, Method

# The rows of the probes may show less than there is: half of it or less once in eleven rows that
# are wrong in one element, and the sum over rows much less often.
_PROBE_FACTOR: Final = 2.0

_SEEDS: Final = 251  # sets of vectors for an order; a prime, so that all bits of a hash count

# Twice as many as two cost 1 % of an inversion at n = 65, and less above: A is read once for all.
PROBES: Final = 4


def solve(a: Matrix, x: Matrix, method: Method, kernels: Kernels, budget: Budget) -> Measurements:
    """Invert each slice of `a` into that of `x`, which may be the same memory.

    The slices of `x` must be C-contiguous or Fortran-contiguous. Single precision is computed in
    double, as numpy does, where there is memory for a copy.
    """
    findings = Measurements.blank(len(a), How("", "", Side.LEFT, Checked.PROBE), a.dtype)
    wide = np.promote_types(a.dtype, np.float64)
    for index, (source, target) in enumerate(zip(a, x, strict=True)):
        own = findings.part(slice(index, index + 1))
        if wide != a.dtype and budget.allows(0, wide.itemsize * source.size):
            work: Matrix = np.array(
                source, dtype=wide, order="C" if target.flags.c_contiguous else "F"
            )
            np.copyto(target, _Inversion(work, source, kernels, own, budget).run(method))
            continue
        kept = None if np.may_share_memory(source, target) else source
        if kept is not None:
            np.copyto(target, source)
        result = _Inversion(target, kept, kernels, own, budget).run(method)
        if result is not target:
            np.copyto(target, result)
    return findings


@dataclass(frozen=True, slots=True)
class _Survey:
    """Sums of sizes by row and by column, of squares by column, and products with vectors."""

    rows: NDArray[np.float64]
    cols: NDArray[np.float64]
    squares: NDArray[np.float64]
    image: NDArray[Any]


class _Inversion:
    """One matrix on its way through the gates.

    A Fortran-ordered matrix is worked on as its transpose: rows and columns, and so left and
    right, change places.

    Parameters
    ----------
    work : ndarray, shape (n, n)
        The matrix, which its inverse replaces, in the precision that computes.
    kept : ndarray or None
        The matrix elsewhere, as it was given, if there is a copy.
    kernels : Kernels
        What inverts.
    findings : Measurements
        Of this slice alone.
    budget : Budget
        For other ways.
    """

    def __init__(
        self,
        work: Matrix,
        kept: Matrix | None,
        kernels: Kernels,
        findings: Measurements,
        budget: Budget,
    ) -> None:
        self.work = work
        self.flipped = not work.flags.c_contiguous
        self.a = work.T if self.flipped else work
        self.kept = kept
        self.kernels, self.findings, self.budget = kernels, findings, budget
        self.gates = Gates.of(len(work), work.dtype if kept is None else kept.dtype)
        self.rows = self.cols = np.zeros(len(work), dtype=np.int32)
        self.probes = _probes(self.a)
        self.before = _survey(self.a, self.probes, by_rows=True, by_cols=True)

    def run(self, method: Method) -> Matrix:
        """Invert, write what was found, and return the inverse."""
        if not _finite(self.a, self.before):
            self.findings.mark(Flaw.NON_FINITE, where=True)
            return self.work
        if method is not Method.GENERAL:
            done = self._by_cholesky(method)
            if done is not None:
                return done
        if scaling.uneven(self.before.rows, self.before.cols, self.gates.dtype):
            # Columns first of a transpose: one scaling whatever the memory order.
            shifts = scaling.equilibrate(self.a.T if self.flipped else self.a)
            self._scale(*(reversed(shifts) if self.flipped else shifts))
        kernel = self.kernels.for_general(len(self.a))
        self._say("general", kernel.routine)
        if self._eliminated(kernel):  # no zero pivot is believed: elimination may absorb one
            self.findings.rcond[:] = 0
            return self._other_ways(None)
        return self._checked()

    def _by_cholesky(self, method: Method) -> Matrix | None:
        """Return the inverse by Cholesky, or None with the matrix left (or restored) for LU."""
        flaw = Flaw.NOT_HERMITIAN
        if hermitian.is_hermitian(self.a):
            flaw = Flaw.NOT_POSITIVE
            diagonal = hermitian.positive_diagonal(self.a)
            if diagonal is not None and self._levelled(diagonal.real):
                diagonal = np.diagonal(self.a).copy()
                kernel = self.kernels.for_hermitian(len(self.a))
                self._say("spd", kernel.routine)
                if not self._eliminated(kernel):
                    hermitian.complete(self.a)
                    return self._checked()
                hermitian.restore(self.a, diagonal)
        if method is Method.SPD:
            self.findings.mark(flaw, where=True)
            return self.work
        return None

    def _eliminated(self, kernel: InPlaceKernel) -> bool:
        """Invert, keep the determinant, and return whether there was a zero pivot."""
        found = kernel.invert(self.a).times(1, -int(self.rows.sum() + self.cols.sum()))
        self.findings.determinants[:] = found
        return bool(found.zero[0])

    def _levelled(self, diagonal: NDArray[Any]) -> bool:
        """Scale by the diagonal where it helps, unless that shows that it cannot be definite."""
        if not scaling.uneven(np.sqrt(diagonal), diagonal, self.gates.dtype):
            return True
        if not scaling.may_be_definite(self.a):
            return False
        self._scale(*scaling.equilibrate_hermitian(self.a))
        return True

    def _say(self, method: str, routine: str) -> None:
        side = Side.RIGHT if self.flipped else Side.LEFT
        self.findings.how[0] = How(method, routine, side, Checked.PROBE)

    def _scale(self, rows: scaling.Shifts, cols: scaling.Shifts) -> None:
        scaling.scale(self.a, rows, cols)
        self.rows, self.cols = self.rows + rows, self.cols + cols
        self.before = _survey(self.a, self.probes, by_rows=True, by_cols=True)
        self.findings.scaled[:] = True

    def _checked(self) -> Matrix:
        """Measure the inverse; publish it, or the best of other ways."""
        findings = self.findings
        self._measure()
        fine = findings.fine(self.gates)[0]
        # Without a copy there is no other way, so what shows no regular matrix is read once more.
        if not findings.bound[0] < INACCURATE or (self.kept is None and not findings.regular[0]):
            return self._other_ways(None)
        if findings.scaled[0] or self.gates.dtype != self.work.dtype:
            shifts = self.cols, self.rows
            findings.underflow[0] = scaling.underflows(self.a, *shifts, self.gates.dtype)
        if findings.scaled[0]:
            scaling.scale(self.a, self.cols, self.rows)
        x = self.work
        if self.gates.dtype != x.dtype:
            x = x.astype(self.gates.dtype)
            lost = self._lost_by_rounding(x)
            findings.bound[:] += lost
            findings.residual[:] += lost / self.gates.residual_unit
        if findings.scaled[0] and not all(
            np.isfinite(block).all() for block in scaling.row_blocks(x)
        ):
            # Only a right inverse overflows on its way back to the matrix's own scale. One that is
            # not finite before is wrong, by a fault of the machine or its BLAS.
            findings.mark(Flaw.OVERFLOW, where=True)
            return x
        return x if fine or self.kept is None else self._other_ways(x)

    def _other_ways(self, best: Matrix | None) -> Matrix:
        """Return the inverse by other ways, if the matrix is still there."""
        if self.kept is None:
            self.findings.mark(Flaw.OVERWRITTEN, where=True)
            return self.work
        return step_up.by_other_ways(self.kept, best, self.findings, self.kernels, self.budget)

    def _measure(self) -> None:
        """Write what the probes say of the inverse, of the scaled problem and of the given one."""
        findings, n = self.findings, len(self.a)
        image = self.before.image
        apart = bool(findings.scaled[0] and (np.ptp(self.rows) or np.ptp(self.cols)))
        by_cols = not self.flipped or apart
        after = _survey(self.a, image, by_rows=self.flipped, by_cols=by_cols, squares=by_cols)
        product = self._norm(self.before) * self._norm(after)
        squares = np.abs(after.image - self.probes) ** 2
        rows = np.sqrt(squares.sum(axis=1) / PROBES)
        whole = np.sqrt(squares.sum() / PROBES)
        error = np.sqrt(n) * rows.max() if self.flipped else whole
        findings.rcond[:] = np.minimum(1 / product, 1)
        unit = Gates.of(n, self.a.dtype).residual_unit
        findings.residual[:] = np.where(product < np.inf, error / (product * unit), np.inf)
        findings.residual[:] *= unit / self.gates.residual_unit
        findings.regular[:] = whole < REGULAR / 100
        columns = np.sqrt(after.squares)
        if apart:
            findings.bound[:] = self._bound_scaled(rows, columns)
        elif self.flipped:
            findings.bound[:] = _PROBE_FACTOR * error + UNIT * product
        else:
            relative = rows.sum() * columns.max() / after.cols.max()
            findings.bound[:] = _PROBE_FACTOR * relative + UNIT * product
        if not whole < REGULAR / 5 or not findings.residual[0] < RESIDUAL_LIMIT:
            findings.bound[:] = np.inf

    def _lost_by_rounding(self, x: Matrix) -> Any:
        """Return how much rounding to single precision has changed, relative to the norm."""
        lost, norm = np.zeros(len(x)), np.zeros(len(x))
        for rounded, exact in zip(
            scaling.row_blocks(x), scaling.row_blocks(self.work), strict=True
        ):
            lost += np.abs(rounded - exact).sum(axis=0)
            norm += np.abs(exact).sum(axis=0)
        return lost.max() / norm.max()

    def _bound_scaled(self, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> Any:
        """Return the bound in the given scale: ``2**(c_i + r_j) rho_i norm(Y[:, j])``."""
        left = Row.of(rows, self.cols)
        right = Row.of(columns, self.rows)
        weights = Row.of(np.ones(len(rows)), self.rows if self.flipped else self.cols)
        if self.flipped:
            error = left.log2_max() + right.log2_sum()
            norm = weights.through(self.a.T).shifted(self.cols).log2_max()
        else:
            error = left.log2_sum() + right.log2_max()
            norm = weights.through(self.a).shifted(self.rows).log2_max()
        return _PROBE_FACTOR * np.exp2(np.minimum(error - norm, 0))

    def _norm(self, survey: _Survey) -> np.float64:
        return np.float64((survey.rows if self.flipped else survey.cols).max())


def _probes(a: Matrix) -> NDArray[Any]:
    """Return vectors of nearly normal numbers, shape (n, PROBES), each row of the same norm.

    A row of norm 0 would make its column of E invisible. Which vectors they are depends on the
    fractions of the first row as well, so no fixed place of an order is the weakest of all
    matrices, and a power of two changes nothing.
    """
    wide = np.promote_types(a.dtype, np.float64)
    seed = crc32(np.frexp(a[0].real.astype(np.float64))[0].tobytes())
    vectors = _vectors(len(a), seed % _SEEDS)
    return vectors.astype(wide, copy=False)


@lru_cache(maxsize=64)
def _vectors(n: int, seed: int) -> NDArray[np.float64]:
    """Return vectors whose elements are sums of four uniform numbers (Irwin-Hall) of 16 bits."""
    noise = random.Random(n * _SEEDS + seed).randbytes(n * PROBES * 8)  # noqa: S311
    parts = np.frombuffer(noise, dtype="<i2").reshape(n, PROBES, 4) + 0.5
    normal = parts.sum(axis=2)
    return np.asarray(normal * (PROBES**0.5 / np.linalg.norm(normal, axis=1, keepdims=True)))


def _survey(
    a: Matrix,
    vectors: NDArray[Any],
    *,
    by_rows: bool,
    by_cols: bool,
    squares: bool = False,
) -> _Survey:
    """Read `a` once, by blocks of rows; sums that are not asked for stay zero."""
    n, ones = len(a), np.ones(len(a))
    rows, cols, squared = np.zeros((3, n))
    image = np.empty(vectors.shape, dtype=vectors.dtype)
    sizes = None
    begin = 0
    for block in scaling.row_blocks(a):
        wide = block.astype(vectors.dtype, copy=False)
        if sizes is None:
            sizes = np.empty(wide.shape)
        size = np.abs(wide, out=sizes[: len(block)])
        span = slice(begin, begin := begin + len(block))
        if by_rows:
            np.dot(size, ones, out=rows[span])
        if by_cols:
            cols += ones[: len(block)] @ size
        if squares:
            squared += ones[: len(block)] @ np.multiply(size, size, out=size)
        np.matmul(wide, vectors, out=image[span])
    return _Survey(rows, cols, squared, image)


def _finite(a: Matrix, survey: _Survey) -> bool:
    """Whether all elements are finite; their sums may still overflow."""
    if np.isfinite(survey.cols).all():
        return True
    return all(bool(np.isfinite(block).all()) for block in scaling.row_blocks(a))
