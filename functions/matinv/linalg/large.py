"""Large matrices: one at a time, in their own memory, checked by probe vectors.

Before a matrix is overwritten, its products ``Y = A V`` with a few random vectors V are kept.
Afterwards ``X Y`` must be V again: ``E V = X Y - V`` with ``E = X A - I``. Over random v of unit
variance, the mean of ``(e @ v)**2`` is ``norm(e)**2`` for each row e of E (Girard 1989, Hutchinson
1990), which leaves the 1-norm of LAPACK's ratio to be estimated. For the left residual it is by the
Frobenius norm: within a factor sqrt(n), close for errors that are spread out, and no less than the
1-norm where a single row of E is wrong, which is what one wrong element of X makes of it. For the
right one (a Fortran-ordered matrix is worked on as its transpose) it is the largest sum along a
row, which sqrt(n) times the largest norm of a row bounds.

An error of rank one shows by ``e @ v`` alone. Vectors of +-1 are blind to some such errors: to
e = (1, -1), a row of a bidiagonal matrix, every second of them. So elements of V are nearly normal,
and e @ v with them, whatever e. Then the chance that 4 vectors show less than a tenth of an error
is 2e-4, less than a hundredth 2e-8 (2 t**4, from chi-squared with 4 degrees of freedom).

Everything here but the inversion is O(n**2), in blocks of rows.
"""

from __future__ import annotations

import random
from enum import Enum
from functools import lru_cache
from typing import Any, Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from matinv.linalg import definite, scaling, step_up
from matinv.linalg.bounds import REGULAR, UNIT, Row
from matinv.linalg.budget import Budget
from matinv.linalg.certificate import Checked, Side
from matinv.linalg.gates import INACCURATE, RESIDUAL_LIMIT, Flaw, Gates, How, Measurements
from matinv.linalg.held import Held, InMemory, Survey
from matinv.linalg.kernels import Kernels
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
        kept: Matrix | None = source
        if wide != a.dtype and budget.allows(0, wide.itemsize * source.size):
            work: Matrix = np.array(
                source, dtype=wide, order="C" if target.flags.c_contiguous else "F"
            )
        else:
            work = target
            if np.may_share_memory(source, target):
                kept = None
            else:
                np.copyto(target, source)
        held = InMemory(work, kernels, budget)
        need = Inversion(held, a.dtype, own, kept=kept is not None).run(method)
        result = held.x
        if need is not Need.NOTHING and kept is not None and method is Method.SPD:
            # Cholesky that shows a regular matrix proves it definite; other ways prove nothing.
            proven = bool(own.regular[0]) or definite.prove(kept, budget)
            need = need if own.demand_definite(proven) else Need.NOTHING
        if need is not Need.NOTHING and kept is not None:
            best = held.x if need is Need.BETTER else None
            result = step_up.by_other_ways(kept, best, own, kernels, budget)
        elif need is not Need.NOTHING:
            own.mark(Flaw.OVERWRITTEN, where=True)
        if result is not target:
            np.copyto(target, result)
    return findings


class Need(Enum):
    """Which other ways an inversion leaves to try, with the matrix as it was given."""

    NOTHING = 0  # it ended, with an inverse or with a flaw
    BETTER = 1  # the inverse may be published; another way may be better
    ANOTHER = 2  # there is none


class Inversion:
    """One matrix on its way through the gates, wherever it lies.

    Parameters
    ----------
    held : Held
        The matrix, which its inverse replaces, in the precision that computes.
    dtype : dtype
        Of the matrix as it was given.
    findings : Measurements
        Of this slice alone.
    kept : bool
        Whether there is a copy of the matrix, for other ways.
    """

    def __init__(
        self, held: Held, dtype: np.dtype[Any], findings: Measurements, *, kept: bool
    ) -> None:
        self.held, self.kept, self.findings = held, kept, findings
        self.gates = Gates.of(held.n, dtype)
        self.rows = self.cols = np.zeros(held.n, dtype=np.int32)
        self.probes = _probes(held)
        self.before = held.survey(self.probes, by_rows=True, by_cols=True)

    def run(self, method: Method) -> Need:
        """Invert and write the findings; the inverse is in `held` then."""
        if not (np.isfinite(self.before.cols).all() or self.held.finite()):  # sums may overflow
            self.findings.mark(Flaw.NON_FINITE, where=True)
            return Need.NOTHING
        if method is not Method.GENERAL and self.held.is_hermitian():
            if self._by_cholesky():
                return self._checked()
            if method is Method.SPD and not self.findings.demand_definite(self.held.is_definite()):
                return Need.NOTHING
        elif method is Method.SPD:
            self.findings.mark(Flaw.NOT_HERMITIAN, where=True)
            return Need.NOTHING
        if scaling.uneven(self.before.rows, self.before.cols, self.gates.dtype):
            # Columns first of a transpose: one scaling whatever the memory order.
            self._scale(*self.held.equilibrated(columns_first=self.held.flipped))
        if self._eliminated(definite=False):  # no zero pivot is believed: one may be absorbed
            self.findings.rcond[:] = 0
            return Need.ANOTHER
        return self._checked()

    def _by_cholesky(self) -> bool:
        """Invert by Cholesky, or leave (or restore) the matrix and return False."""
        diagonal = self.held.diagonal()
        positive = bool((diagonal.real > 0).all() and (diagonal.imag == 0).all())
        if not positive or not self._levelled(diagonal.real):
            return False
        diagonal = self.held.diagonal()
        if self._eliminated(definite=True):
            self.held.restore(diagonal)
            return False
        self.held.complete()
        return True

    def _eliminated(self, *, definite: bool) -> bool:
        """Invert, keep the determinant, and return whether there was a zero pivot."""
        side = Side.RIGHT if self.held.flipped else Side.LEFT
        routine, found = self.held.invert(definite=definite)
        self.findings.how[0] = How("spd" if definite else "general", routine, side, Checked.PROBE)
        found = found.times(1, -int(self.rows.sum() + self.cols.sum()))
        self.findings.determinants[:] = found
        return bool(found.zero[0])

    def _levelled(self, diagonal: NDArray[Any]) -> bool:
        """Scale by the diagonal where it helps, unless that shows that it cannot be definite."""
        if not scaling.uneven(np.sqrt(diagonal), diagonal, self.gates.dtype):
            return True
        if not self.held.may_be_definite():
            return False
        self._scale(*scaling.equilibrate_hermitian(diagonal))
        return True

    def _scale(self, rows: scaling.Shifts, cols: scaling.Shifts) -> None:
        self.held.scale(rows, cols)
        self.rows, self.cols = self.rows + rows, self.cols + cols
        self.before = self.held.survey(self.probes, by_rows=True, by_cols=True)
        self.findings.scaled[:] = True

    def _checked(self) -> Need:
        """Measure the inverse, and bring it to the scale and the dtype of the matrix."""
        findings, held = self.findings, self.held
        self._measure()
        fine = findings.fine(self.gates)[0]
        # Without a copy there is no other way, so what shows no regular matrix is read once more.
        if not findings.bound[0] < INACCURATE or not (self.kept or findings.regular[0]):
            return Need.ANOTHER
        single = self.gates.dtype != held.dtype
        if findings.scaled[0] or single:
            findings.underflow[0] = held.underflows(self.cols, self.rows, self.gates.dtype)
        if findings.scaled[0]:
            held.scale(self.cols, self.rows)
        if single:
            lost = held.round_to(self.gates.dtype)
            findings.bound[:] += lost
            findings.residual[:] += lost / self.gates.residual_unit
        if findings.scaled[0] and not held.finite():
            # Only a right inverse overflows on its way back to the matrix's own scale. One that is
            # not finite before is wrong, by a fault of the machine or its BLAS.
            findings.mark(Flaw.OVERFLOW, where=True)
            return Need.NOTHING
        return Need.NOTHING if fine or not self.kept else Need.BETTER

    def _measure(self) -> None:
        """Write the probes' figures of the inverse, for the scaled and for the given problem."""
        findings, n, flipped = self.findings, self.held.n, self.held.flipped
        image = self.before.image
        apart = bool(findings.scaled[0] and (np.ptp(self.rows) or np.ptp(self.cols)))
        by_cols = not flipped or apart
        after = self.held.survey(image, by_rows=flipped, by_cols=by_cols, squares=by_cols)
        product = self._norm(self.before) * self._norm(after)
        squares = np.abs(after.image - self.probes) ** 2
        sums = np.add.reduce(squares, axis=1)
        rows, whole = np.sqrt(sums / PROBES), np.sqrt(np.add.reduce(sums) / PROBES)
        error = n**0.5 * np.maximum.reduce(rows) if flipped else whole
        # Numbers, not arrays of one: each operation on those takes longer than a row of the matrix.
        findings.rcond[0] = min(1 / product, 1)
        unit = self.gates.residual_unit
        findings.residual[0] = error / (product * unit) if product < np.inf else np.inf
        findings.regular[0] = whole < REGULAR / 100
        if apart:
            bound = self._bound_scaled(rows, np.sqrt(after.squares))
        elif flipped:
            bound = _PROBE_FACTOR * error + UNIT * product
        else:
            largest = np.maximum.reduce(after.squares) ** 0.5 / np.maximum.reduce(after.cols)
            bound = _PROBE_FACTOR * np.add.reduce(rows) * largest + UNIT * product
        trusted = whole < REGULAR / 5 and findings.residual[0] < RESIDUAL_LIMIT
        findings.bound[0] = bound if trusted else np.inf

    def _bound_scaled(self, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> Any:
        """Return the bound in the given scale: ``2**(c_i + r_j) rho_i norm(Y[:, j])``."""
        left = Row.of(rows, self.cols)
        right = Row.of(columns, self.rows)
        weights = Row.of(np.ones(len(rows)), self.rows if self.held.flipped else self.cols)
        if self.held.flipped:
            error = left.log2_max() + right.log2_sum()
            norm = self.held.through(weights, transposed=True).shifted(self.cols).log2_max()
        else:
            error = left.log2_sum() + right.log2_max()
            norm = self.held.through(weights).shifted(self.rows).log2_max()
        return _PROBE_FACTOR * np.exp2(np.minimum(error - norm, 0))

    def _norm(self, survey: Survey) -> np.float64:
        return np.float64(np.maximum.reduce(survey.rows if self.held.flipped else survey.cols))


def _probes(held: Held) -> NDArray[Any]:
    """Return vectors of nearly normal numbers, shape (n, PROBES), each row of the same norm.

    A row of norm 0 would make its column of E invisible. Which vectors they are depends on the
    fractions of the first row as well, so no fixed place of an order is the weakest of all
    matrices, and a power of two changes nothing.
    """
    wide = np.promote_types(held.dtype, np.float64)
    seed = crc32(np.frexp(held.first_row().real.astype(np.float64))[0].tobytes())
    vectors = _vectors(held.n, seed % _SEEDS)
    return vectors.astype(wide, copy=False)


@lru_cache(maxsize=64)
def _vectors(n: int, seed: int) -> NDArray[np.float64]:
    """Return vectors whose elements are sums of four uniform numbers (Irwin-Hall) of 16 bits."""
    noise = random.Random(n * _SEEDS + seed).randbytes(n * PROBES * 8)  # noqa: S311
    parts = np.frombuffer(noise, dtype="<i2").reshape(n, PROBES, 4) + 0.5
    normal = parts.sum(axis=2)
    return np.asarray(normal * (PROBES**0.5 / np.linalg.norm(normal, axis=1, keepdims=True)))
