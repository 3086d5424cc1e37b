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

import numpy as np
from numpy.typing import NDArray

from matinv.linalg import hermitian, scaling
from matinv.linalg.certificate import Checked, Side
from matinv.linalg.gates import RESIDUAL_LIMIT, Flaw, Gates, How, Measurements
from matinv.linalg.kernels import Kernels
from matinv.linalg.types import Matrix, Method

# Twice as many as two cost 1 % of an inversion at n = 65, and less above: A is read once for all.
PROBES: Final = 4


def solve(a: Matrix, x: Matrix, method: Method, kernels: Kernels) -> Measurements:
    """Invert each slice of `a` into that of `x`, which may be the same memory.

    The slices of `x` must be C-contiguous or Fortran-contiguous.
    """
    findings = Measurements.blank(len(a), How("", "", Side.LEFT, Checked.PROBE))
    for index, (source, target) in enumerate(zip(a, x, strict=True)):
        kept = None if np.may_share_memory(source, target) else source
        if kept is not None:
            np.copyto(target, source)
        span = slice(index, index + 1)
        _Inversion(target, kept, kernels, findings.part(span)).run(method)
    return findings


@dataclass(frozen=True, slots=True)
class _Survey:
    """Sums of the sizes of elements by row and by column, and products with vectors."""

    rows: NDArray[np.float64]
    cols: NDArray[np.float64]
    image: NDArray[Any]


class _Inversion:
    """One matrix on its way through the gates.

    A Fortran-ordered matrix is worked on as its transpose: rows and columns, and so left and
    right, change places.

    Parameters
    ----------
    target : ndarray, shape (n, n)
        The matrix, which its inverse replaces.
    kept : ndarray or None
        The matrix elsewhere, if there is a copy.
    kernels : Kernels
        What inverts.
    findings : Measurements
        Of this slice alone.
    """

    def __init__(
        self, target: Matrix, kept: Matrix | None, kernels: Kernels, findings: Measurements
    ) -> None:
        self.flipped = not target.flags.c_contiguous
        self.a = target.T if self.flipped else target
        self.kept = kept if kept is None or not self.flipped else kept.T
        self.kernels, self.findings = kernels, findings
        self.gates = Gates.of(len(target), target.dtype)
        self.rows = self.cols = np.zeros(len(target), dtype=np.int32)
        self.probes = _probes(len(target), np.promote_types(target.dtype, np.float64))
        self.before = _survey(self.a, self.probes, by_rows=True, by_cols=True)

    def run(self, method: Method) -> None:
        """Invert, and write what was found."""
        if not _finite(self.a, self.before):
            self.findings.mark(Flaw.NON_FINITE, where=True)
            return
        if method is not Method.GENERAL and self._tried_hermitian(method):
            return
        self._equilibrate()
        kernel = self.kernels.for_general(len(self.a))
        self._say("general", kernel.routine)
        if kernel.invert(self.a):
            self.findings.rcond[:] = 0
            self.findings.mark(Flaw.SINGULAR, where=True)
        else:
            self._check()

    def _tried_hermitian(self, method: Method) -> bool:
        """Invert by Cholesky and return True, or leave (or restore) the matrix for LU."""
        flaw = Flaw.NOT_HERMITIAN
        if hermitian.is_hermitian(self.a):
            flaw = Flaw.NOT_POSITIVE
            if hermitian.positive_diagonal(self.a) is not None:
                self._equilibrate_hermitian()
                diagonal = np.diagonal(self.a).copy()
                kernel = self.kernels.for_hermitian(len(self.a))
                self._say("spd", kernel.routine)
                if kernel.invert(self.a) == 0:
                    hermitian.complete(self.a)
                    self._check()
                    return True
                hermitian.restore(self.a, diagonal)
        if method is Method.SPD:
            self.findings.mark(flaw, where=True)
        return method is Method.SPD

    def _say(self, method: str, routine: str) -> None:
        side = Side.RIGHT if self.flipped else Side.LEFT
        self.findings.how[0] = How(method, routine, side, Checked.PROBE)

    def _equilibrate(self) -> None:
        if scaling.uneven(self.before.rows, self.before.cols, self.a.dtype):
            self._scale(*scaling.equilibrate(self.a))

    def _equilibrate_hermitian(self) -> None:
        diagonal = np.diagonal(self.a).real
        if scaling.uneven(np.sqrt(diagonal), diagonal, self.a.dtype):
            self._scale(*scaling.equilibrate_hermitian(self.a))

    def _scale(self, rows: scaling.Shifts, cols: scaling.Shifts) -> None:
        scaling.scale(self.a, rows, cols)
        self.rows, self.cols = self.rows + rows, self.cols + cols
        self.before = _survey(self.a, self.probes, by_rows=True, by_cols=True)
        self.findings.scaled[:] = True

    def _check(self) -> None:
        """Measure the inverse; if its residual fails, compute it once more if that can be done."""
        findings = self.findings
        self._measure()
        if self.kept is not None and not findings.residual[0] < RESIDUAL_LIMIT:
            self._compute_again(self.kept)
        if findings.scaled[0]:
            scaling.scale(self.a, self.cols, self.rows)
            # Only a right inverse overflows on its way back to the matrix's own scale. One that is
            # not finite before is wrong, by a fault of the machine or its BLAS.
            if findings.residual[0] < RESIDUAL_LIMIT:
                finite = all(np.isfinite(block).all() for block in scaling.row_blocks(self.a))
                findings.mark(Flaw.OVERFLOW, where=not finite)
        if self._singular():
            findings.mark(Flaw.SINGULAR, where=True)

    def _compute_again(self, kept: Matrix) -> None:
        np.copyto(self.a, kept)
        scaling.scale(self.a, self.rows, self.cols)
        again, broken = self.kernels.plain.invert(self.a[None])
        np.copyto(self.a, again[0])
        self._say("general", self.kernels.plain.routine)
        self._measure()
        self.findings.rcond[broken] = 0

    def _singular(self) -> bool:
        """Whether rcond is too small; computed once from a wrong inverse, it says nothing."""
        believed = self.kept is not None or self.findings.residual[0] < RESIDUAL_LIMIT
        return bool(believed and not self.findings.rcond[0] >= self.gates.rcond)

    def _measure(self) -> None:
        image = self.before.image
        after = _survey(self.a, image, by_rows=self.flipped, by_cols=not self.flipped)
        product = self._norm(self.before) * self._norm(after)
        squares = np.abs(after.image - self.probes) ** 2
        total = len(squares) * squares.sum(axis=1).max() if self.flipped else squares.sum()
        error = np.sqrt(total / PROBES)
        self.findings.rcond[:] = np.minimum(1 / product, 1)
        self.findings.residual[:] = self.gates.ratio(error, product)

    def _norm(self, survey: _Survey) -> np.float64:
        return np.float64((survey.rows if self.flipped else survey.cols).max())


@lru_cache(maxsize=8)
def _probes(n: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return vectors of nearly normal numbers, shape (n, PROBES), the same for all of an order.

    A number is the sum of four uniform ones (Irwin-Hall), which come from 16 bits each.
    """
    noise = random.Random(n).randbytes(n * PROBES * 8)  # noqa: S311
    parts = np.frombuffer(noise, dtype="<i2").reshape(n, PROBES, 4) + 0.5
    normal: NDArray[Any] = (parts.sum(axis=2) * (3**0.5 / 2**16)).astype(dtype)
    return normal


def _survey(a: Matrix, vectors: NDArray[Any], *, by_rows: bool, by_cols: bool) -> _Survey:
    """Read `a` once, by blocks of rows; sums that are not asked for stay zero."""
    n, ones = len(a), np.ones(len(a))
    rows, cols = np.zeros(n), np.zeros(n)
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
        np.matmul(wide, vectors, out=image[span])
    return _Survey(rows, cols, image)


def _finite(a: Matrix, survey: _Survey) -> bool:
    """Whether all elements are finite; their sums may still overflow."""
    if np.isfinite(survey.cols).all():
        return True
    return all(bool(np.isfinite(block).all()) for block in scaling.row_blocks(a))
