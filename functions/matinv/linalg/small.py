"""Small matrices: a whole stack at once, with full residuals.

A stack is worked off in chunks that fit a core's cache, in float64 or complex128 whatever the
input's precision. The certificate's bound includes what the last rounding to it has changed. Slices
that no routine here vouches for are inverted by ball arithmetic, one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matinv.linalg import scaling, step_up
from matinv.linalg.bounds import NEAR, REGULAR, UNIT, Scaled
from matinv.linalg.budget import Budget
from matinv.linalg.certificate import Checked, Side
from matinv.linalg.gates import RESIDUAL_LIMIT, Flaw, Gates, How, Measurements, Vector
from matinv.linalg.kernels import Kernels, StackKernel
from matinv.linalg.layout import interleaved
from matinv.linalg.types import Matrix, Method

# A chunk has at most so many elements and slices: about five arrays of its size are live at a
# time (5 * 2**16 * 8 = 2.6 MB), and vectors of one number per slice stay in the first cache.
_CHUNK_ELEMENTS: Final = 2**16
_CHUNK_SLICES: Final = 2**12

# Up to these orders sums and products run across the slices, element by element: on rows as short
# as these, numpy and BLAS spend their time on getting started.
_SUMS_N: Final = 4
_PRODUCTS_N: Final = 3

# Pivots may be so many times n less right than the inverse before others find the determinant, 6 %
# of random matrices of order 32. Their logarithms were off by 8 n times the bound at most.
_VAGUE: Final = 30.0


def solve(a: Matrix, x: Matrix, method: Method, kernels: Kernels, budget: Budget) -> Measurements:
    """Invert each slice of `a` into `x`, which may be the same memory.

    ``auto`` takes LU as ``general`` does: Cholesky of small matrices saves nothing.
    """
    n = a.shape[-1]
    spd = method is Method.SPD
    chain = (kernels.stacked_hermitian, kernels.plain) if spd else kernels.for_stack(n)
    findings = Measurements.blank(len(a), _how(chain[0]), a.dtype)
    step = min(_CHUNK_SLICES, _CHUNK_ELEMENTS // n**2)
    for begin in range(0, len(a), step):
        span = slice(begin, begin + step)
        x[span] = _solve_chunk(a[span], chain, findings.part(span), budget)
    return findings


def _how(kernel: StackKernel) -> How:
    return How(kernel.method, kernel.routine, kernel.side, Checked.FULL)


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A few slices as they are inverted: widened, scaled.

    Parameters
    ----------
    a : ndarray of float64 or complex128, shape (k, n, n)
        The slices.
    norm : ndarray, shape (k,)
        Their 1-norms.
    gates : Gates
        Of the precision that computes.
    """

    a: Matrix
    norm: Vector
    gates: Gates

    def where(self, chosen: NDArray[np.bool_]) -> _Chunk:
        """Return some of the slices."""
        return _Chunk(self.a[chosen], self.norm[chosen], self.gates)

    def invert(
        self, chain: Sequence[StackKernel], findings: Measurements
    ) -> tuple[Matrix, NDArray[np.bool_]]:
        """Return the inverses, by each of a chain of kernels what the one before it left.

        And which of them have the right residual measured.

        Whatever its rcond: the inverse of a matrix that is almost singular passes the check, and of
        one that does not, rcond says nothing. No zero pivot is believed before the last kernel,
        which needs none, has met it as well: elimination may absorb a pivot.
        """
        first, *others = chain
        x = self._inverted(first, findings)
        limit = first.limit
        right = np.full(len(x), first.side is Side.RIGHT)
        for kernel in others:
            failed = ~(findings.residual < limit) | ~(
                findings.bound * findings.rcond <= self.gates.slack
            )
            failed &= findings.flaw == Flaw.NONE
            if not failed.any():
                break
            part = self.where(failed)
            found = Measurements.blank(len(part.a), _how(kernel), part.a.dtype)
            x[failed] = part._inverted(kernel, found)
            findings.replace(failed, found)
            limit = kernel.limit
            right[failed] = kernel.side is Side.RIGHT
        for kernel in others:  # pivots may grow in one elimination after the other, but not in QR
            vague = np.isnan(findings.determinants.value) & (findings.flaw == Flaw.NONE)
            if not vague.any():
                break
            part = self.where(vague)
            found = Measurements.blank(len(part.a), _how(kernel), part.a.dtype)
            part._inverted(kernel, found)
            worse = ~(found.bound <= _VAGUE * len(self.a[0]) * findings.bound[vague])
            if kernel is not others[-1]:
                found.determinants.value[worse] = np.nan
            findings.determinants[vague] = found.determinants
        return x, right

    def _inverted(self, kernel: StackKernel, findings: Measurements) -> Matrix:
        """Return inverses, and write how good they are."""
        x, determinants = kernel.invert(self.a)
        broken = determinants.zero
        product = self.norm * _norm(x)
        distance = _distance(self.a, x) if kernel.side is Side.RIGHT else _distance(x, self.a)
        findings.rcond[:] = np.minimum(1 / product, 1)
        findings.residual[:] = self.gates.ratio(distance, product)
        distance += UNIT * (product + x.shape[-1] / 2)
        findings.bound[:] = distance
        findings.regular[:] = distance * (x.shape[-1] + 2) < REGULAR
        findings.determinants[:] = determinants
        if determinants.doubt is not None:
            findings.determinants.value[
                ~(determinants.doubt <= _VAGUE * x.shape[-1] * distance)
            ] = np.nan
        if broken.any():
            if kernel.method == "spd":
                findings.mark(Flaw.NOT_POSITIVE, broken)
            findings.rcond[broken] = 0
            findings.regular[broken] = False
            findings.bound[broken] = findings.residual[broken] = np.nan
        return x


@dataclass(frozen=True, slots=True)
class _Scaling:
    """Which slices of a chunk are scaled, and the exponents of theirs."""

    uneven: NDArray[np.bool_]
    rows: scaling.Shifts
    cols: scaling.Shifts

    @property
    def exact(self) -> bool:
        """Whether exponents are so small that no float64 leaves its range."""
        return bool(max(np.abs(s).max(initial=0) for s in (self.rows, self.cols)) < NEAR)

    def undo(self, y: Matrix) -> Matrix:
        """Return the inverses of the matrices that were given."""
        return self._moved(y, self.cols, self.rows)

    def redo(self, x: Matrix) -> Matrix:
        """Return inverses scaled again."""
        return self._moved(x, -self.cols, -self.rows)

    def _moved(self, y: Matrix, rows: scaling.Shifts, cols: scaling.Shifts) -> Matrix:
        moved = np.array(y)
        part = moved[self.uneven]
        scaling.scale(part, rows, cols)
        moved[self.uneven] = part
        return moved


def _solve_chunk(
    given: Matrix, chain: Sequence[StackKernel], findings: Measurements, budget: Budget
) -> Matrix:
    """Return the inverses of a few slices, rubbish where `findings` has a flaw."""
    n = given.shape[-1]
    gates = Gates.of(n, given.dtype)
    spd = chain[0].method == "spd"
    a = np.ascontiguousarray(given, dtype=np.promote_types(given.dtype, np.float64))
    rows, cols = _sums(a)
    norm = cols.max(axis=0)
    if spd:
        _mark_not_hermitian(a, findings)
    uneven = _uneven_hermitian(a, gates.dtype) if spd else scaling.uneven(rows, cols, gates.dtype)
    scaled = None
    if uneven.any():
        findings.mark(Flaw.NON_FINITE, ~np.isfinite(a).all(axis=(1, 2)))
        uneven &= findings.flaw == Flaw.NONE
        if spd:
            broken = uneven.copy()
            broken[uneven] = ~scaling.may_be_definite(a[uneven])
            findings.mark(Flaw.NOT_POSITIVE, broken)
            uneven &= ~broken
        part = a[uneven]
        shifts = (scaling.equilibrate_hermitian if spd else scaling.equilibrate)(part)
        scaling.scale(part, *shifts)
        a = np.array(a) if np.may_share_memory(a, given) else a
        a[uneven] = part
        norm[uneven] = _norm(part)
        findings.scaled[uneven] = True
        moved = np.zeros(len(a), dtype=np.int64)
        moved[uneven] = shifts[0].sum(axis=1) + shifts[1].sum(axis=1)
        scaled = _Scaling(uneven, *shifts)

    y, right = _Chunk(a, norm, Gates.of(n, a.dtype)).invert(chain, findings)
    broke_down = ~(findings.residual < RESIDUAL_LIMIT)
    if scaled:
        findings.determinants.exponent[:] -= moved
    x = _published(y, scaled, gates, findings)
    if scaled and uneven.any():
        _bound_scaled(a, y, x, right, scaled, findings)
    fine = findings.fine(gates)
    if scaled or not fine.all():
        finite = np.isfinite(x).all(axis=(1, 2))
        findings.mark(Flaw.OVERFLOW, ~finite & findings.regular)
        for i in np.flatnonzero(~fine & (findings.flaw == Flaw.NONE)).tolist():
            own = findings.part(slice(i, i + 1))
            x[i] = step_up.by_balls(given[i], x[i], own, budget, broke_down=broke_down[i])
    return x


def _published(y: Matrix, scaled: _Scaling | None, gates: Gates, findings: Measurements) -> Matrix:
    """Return inverses in the scale and the dtype given; add what that has changed to the bounds."""
    x = y
    if scaled:
        x = scaled.undo(y)
        shifts = scaled.cols, scaled.rows
        findings.underflow[scaled.uneven] = scaling.underflows(
            y[scaled.uneven], *shifts, gates.dtype
        )
    if x.dtype != gates.dtype:
        x = x.astype(gates.dtype)
        if not scaled and (np.abs(x) < np.finfo(gates.dtype).smallest_normal).any():
            none = np.zeros(y.shape[:2], dtype=np.int32)
            findings.underflow[:] = scaling.underflows(y, none, none, gates.dtype)
        findings.residual[:] *= UNIT / gates.roundoff
    if x.dtype == y.dtype and (not scaled or scaled.exact):
        return x
    back = x.astype(y.dtype)
    if scaled:
        back = scaled.redo(back)
    lost = _norm(back - y) / _norm(y)
    findings.bound[:] += lost
    # ||(Y + D) B - I|| <= ||Y B - I|| + ||D|| ||B||, in the units of the input's precision.
    findings.residual[:] += lost / gates.residual_unit
    return x


def _bound_scaled(  # noqa: PLR0913, PLR0917 - a chunk on both sides of its scaling
    b: Matrix,
    y: Matrix,
    x: Matrix,
    right: NDArray[np.bool_],
    scaled: _Scaling,
    findings: Measurements,
) -> None:
    """Write the bounds of the slices that were scaled, in the scale of the matrices given."""
    n = b.shape[-1]
    places = np.flatnonzero(scaled.uneven)
    # One factor for a whole matrix changes no relative error.
    apart = (np.ptp(scaled.rows, axis=1) > 0) | (np.ptp(scaled.cols, axis=1) > 0)
    for side in (Side.LEFT, Side.RIGHT):
        chosen = (right[places] == (side is Side.RIGHT)) & apart
        if not chosen.any():
            continue
        where = places[chosen]
        error = y[where] @ b[where] if side is Side.LEFT else b[where] @ y[where]
        error.reshape(-1, n * n)[:, :: n + 1] -= 1
        pair = Scaled(b[where], y[where], error, scaled.rows[chosen], scaled.cols[chosen], side)
        findings.bound[where] = pair.relative()
        if x.dtype != y.dtype or not scaled.exact:
            back = x[where].astype(y.dtype)
            scaling.scale(back, -pair.cols, -pair.rows)
            findings.bound[where] += pair.changed(back)


def _mark_not_hermitian(a: Matrix, findings: Measurements) -> None:
    findings.mark(Flaw.NON_FINITE, ~np.isfinite(a).all(axis=(1, 2)))
    findings.mark(Flaw.NOT_HERMITIAN, (a != a.conj().swapaxes(1, 2)).any(axis=(1, 2)))
    diagonal = np.diagonal(a, axis1=1, axis2=2).real
    findings.mark(Flaw.NOT_POSITIVE, ~(diagonal > 0).all(axis=1))


def _uneven_hermitian(a: Matrix, dtype: np.dtype[Any]) -> NDArray[np.bool_]:
    """Whether slices need scaling; no element of a positive definite one tops its diagonal."""
    diagonal = np.diagonal(a, axis1=1, axis2=2).real.T
    return scaling.uneven(np.sqrt(diagonal), diagonal, dtype)


def _sums(a: Matrix) -> tuple[Vector, Vector]:
    """Return the sums of the sizes of elements by row and by column, shape (n, k)."""
    size = np.abs(a)
    k, n = size.shape[:2]
    if n <= _SUMS_N:
        size = interleaved(size)
        return size.sum(axis=1), size.sum(axis=0)
    rows = size.reshape(-1, n) @ np.ones(n)
    cols = np.ones((1, n)) @ size
    return np.ascontiguousarray(rows.reshape(k, n).T), np.ascontiguousarray(cols[:, 0].T)


def _norm(a: Matrix) -> Vector:
    """Return the 1-norms of a stack."""
    size = np.abs(a)
    n = size.shape[1]
    if n <= _SUMS_N:
        return np.asarray(interleaved(size).sum(axis=0).max(axis=0))
    cols = np.ones((1, n)) @ size
    return np.asarray(np.ascontiguousarray(cols[:, 0].T).max(axis=0))


def _distance(a: Matrix, x: Matrix) -> Vector:
    """Return the 1-norms of ``a @ x - I``."""
    n = a.shape[-1]
    if n > _PRODUCTS_N:
        error = a @ x
        error.reshape(-1, n * n)[:, :: n + 1] -= 1
        return _norm(error)
    a, x = interleaved(a), interleaved(x)
    error = a[:, :1] * x[:1]
    for j in range(1, n):
        error += a[:, j : j + 1] * x[j : j + 1]
    error.reshape(n * n, -1)[:: n + 1] -= 1
    return np.asarray(np.abs(error).sum(axis=0).max(axis=0))
