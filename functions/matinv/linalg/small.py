"""Small matrices: a whole stack at once, with full residuals.

A stack is worked off in chunks that fit a core's cache, in float64 or complex128 whatever the
input's precision. The certificate's bound includes what the last rounding to it has changed. Slices
that no routine here vouches for are inverted by ball arithmetic, one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matinv.linalg import definite, lapack, scaling, step_up
from matinv.linalg.bounds import NEAR, REGULAR, UNIT, Scaled
from matinv.linalg.budget import Budget
from matinv.linalg.certificate import Checked, Side
from matinv.linalg.determinant import Determinants, parity
from matinv.linalg.gates import RESIDUAL_LIMIT, Flaw, Gates, How, Measurements, Vector
from matinv.linalg.kernels import SMALL_N, Kernels, StackKernel
from matinv.linalg.layout import ACROSS_N, interleaved, product, stacked
from matinv.linalg.types import Matrix, Method

# A chunk has at most so many elements and slices: about five arrays of its size are live at a
# time (5 * 2**16 * 8 = 2.6 MB), and vectors of one number per slice stay in the first cache. Twice
# as many took 3 to 9 % less time at n = 8 to 64, and 3 MB more, which `matinv.jobs.limits` does not
# count with. Up to ACROSS_N arrays stay below what malloc gives back to the system and takes again.
_CHUNK_ELEMENTS: Final = 2**16
_CHUNK_ELEMENTS_ACROSS: Final = 2**15
_CHUNK_SLICES: Final = 2**12

# Pivots may be so many times n less right than the inverse before others find the determinant, 16 %
# of random matrices of order 32. Their logarithms are then right to 10 n times the bound, as the
# certificate says; at 30 those of scaled stacks were off by 20.
_VAGUE: Final = 10.0

# The factors of LU may be so many times as large as the matrix before QR finds the determinant.
_GROWTH: Final = 30.0

# From this share on the slices of a chunk that need no scaling wait as well, instead of being
# inverted among others.
_MANY_UNEVEN: Final = 0.25

Places = NDArray[np.int64]
"""Where slices stand in the stack."""


def solve(a: Matrix, x: Matrix, method: Method, kernels: Kernels, budget: Budget) -> Measurements:
    """Invert each slice of `a` into `x`, which may be the same memory.

    ``auto`` takes LU as ``general`` does: Cholesky of small matrices saves nothing.
    """
    n = a.shape[-1]
    spd = method is Method.SPD
    chain = (kernels.stacked_hermitian, kernels.plain) if spd else kernels.for_stack(n)
    findings = Measurements.blank(len(a), _how(chain[0]), a.dtype)
    elements = _CHUNK_ELEMENTS_ACROSS if n <= ACROSS_N else _CHUNK_ELEMENTS
    step = min(_CHUNK_SLICES, elements // n**2)
    work = _Work(x, findings, chain, budget, {})
    for begin in range(0, len(a), step):
        span = slice(begin, begin + step)
        places = np.arange(begin, min(begin + step, len(a)))
        own = findings if step >= len(a) else findings.part(span)
        x[span] = work.begin(a[span], places, own)
        if work.waiting:
            work.go_on(step)
    if work.waiting:
        work.go_on(1)
    if np.count_nonzero(findings.flaw):
        # Whether a slice that is not finite is measured depends on its neighbours.
        findings.residual[findings.having(Flaw.NON_FINITE)] = np.nan
    return findings


def _how(kernel: StackKernel) -> How:
    return How(kernel.method, kernel.routine, kernel.side, Checked.FULL)


@dataclass(frozen=True, slots=True, order=True)
class _Stage:
    """The operations on slices: which kernel of the chain, and whether they are scaled before."""

    kernel: int
    scaled: bool = False


_DETERMINANT: Final = _Stage(2**8)  # after all others: only the determinant is missing


@dataclass(frozen=True, slots=True)
class _Work:
    """A stack that is inverted, chunk by chunk.

    The first kernel does most slices, as they are. The others wait until they fill a chunk: a few
    at a time cost as much as a hundred.

    Parameters
    ----------
    x : ndarray, shape (k, n, n)
        Receives the inverses.
    findings : Measurements
        Of the whole stack.
    chain : sequence of StackKernel
        Each takes over what the one before it left, whatever its rcond: the inverse of a matrix
        that is almost singular passes the check, and of one that does not, rcond says nothing. No
        zero pivot is believed before the last kernel, which needs none, has met it as well:
        elimination may absorb a pivot.
    budget : Budget
        For ball arithmetic.
    waiting : dict
        Places and copies of the slices that wait for a stage.
    """

    x: Matrix
    findings: Measurements
    chain: Sequence[StackKernel]
    budget: Budget
    waiting: dict[_Stage, list[tuple[Places, Matrix]]]

    def begin(self, given: Matrix, places: Places, findings: Measurements) -> Matrix:
        """Return the inverses of slices that need no scaling, rubbish for those that wait."""
        dtype = given.dtype
        spd = self.chain[0].method == "spd"
        a = np.ascontiguousarray(given, dtype=np.promote_types(dtype, np.float64))
        if a.shape[-1] <= ACROSS_N:
            a = stacked(interleaved(a))
        rows, cols = _sums(a)
        if spd:
            _mark_not_hermitian(a, findings)
        uneven = _uneven_hermitian(a, dtype) if spd else scaling.uneven(rows, cols, dtype)
        if np.count_nonzero(uneven):
            refused = uneven.copy()
            refused[uneven] = ~np.isfinite(a[uneven]).all(axis=(1, 2))
            findings.mark(Flaw.NON_FINITE, refused)
            uneven &= findings.having(Flaw.NONE)
            if spd:
                refused = uneven.copy()
                refused[uneven] = ~scaling.may_be_definite(a[uneven])
                findings.mark(Flaw.NOT_POSITIVE, refused)
                uneven &= ~refused
            self._postpone(_Stage(0, scaled=True), uneven, places, given)
            if np.count_nonzero(uneven) > _MANY_UNEVEN * len(a):
                even = ~uneven & findings.having(Flaw.NONE)
                self._postpone(_Stage(0), even, places, given)
                return given
        return self._invert(_Stage(0), given, a, cols.max(axis=0), places, uneven, findings)

    def go_on(self, least: int) -> None:
        """Do the stages that at least so many slices wait for."""
        while ready := [
            stage
            for stage, queue in self.waiting.items()
            if sum(len(places) for places, _ in queue) >= least
        ]:
            stage = min(ready)
            queue = self.waiting.pop(stage)
            places = np.concatenate([places for places, _ in queue])
            given = np.concatenate([slices for _, slices in queue])
            if stage == _DETERMINANT:
                found = _determinants(given, self.chain[-1])
                self.findings.determinants.value[places] = found.value
                self.findings.determinants.exponent[places] += found.exponent
                continue
            findings = Measurements.blank(len(given), _how(self.chain[stage.kernel]), given.dtype)
            a = given.astype(np.promote_types(given.dtype, np.float64), order="C")
            norm, none = _norm(a), np.zeros(len(a), dtype=np.bool_)
            self.x[places] = self._invert(stage, given, a, norm, places, none, findings)
            self.findings.replace(places, findings)

    def _postpone(
        self, stage: _Stage, where: NDArray[np.bool_], places: Places, slices: Matrix
    ) -> None:
        if np.count_nonzero(where):
            self.waiting.setdefault(stage, []).append((places[where], slices[where]))

    def _invert(  # noqa: PLR0913, PLR0917 - a chunk, on its way through a stage
        self,
        stage: _Stage,
        given: Matrix,
        a: Matrix,
        norm: Vector,
        places: Places,
        waits: NDArray[np.bool_],
        findings: Measurements,
    ) -> Matrix:
        """Return the inverses of a few slices, rubbish where they wait or `findings` has a flaw.

        Parameters
        ----------
        stage : _Stage
            The stage to run.
        given : ndarray, shape (k, n, n)
            The slices.
        a : ndarray of float64 or complex128
            The same, widened; to be scaled, in a copy of its own.
        norm : ndarray, shape (k,)
            Their 1-norms.
        places : ndarray of int64
            Their indices in the stack.
        waits : ndarray of bool
            Which of them wait for another stage.
        findings : Measurements
            Of these slices; written.
        """
        n = given.shape[-1]
        gates = Gates.of(n, given.dtype)
        kernel = self.chain[stage.kernel]
        shifts = None
        if stage.scaled:
            spd = self.chain[0].method == "spd"
            diagonals = np.diagonal(a, axis1=-2, axis2=-1).real
            shifts = scaling.equilibrate_hermitian(diagonals) if spd else scaling.equilibrate(a)
            scaling.scale(a, *shifts)
            norm = _norm(a)
            findings.scaled[:] = True
        y, doubt = _measured(kernel, a, norm, findings)
        if kernel.method == "spd":
            self._check_definite(given, ~findings.regular & ~waits, findings)
        unrounded = None if doubt is None else findings.bound.copy()
        if kernel is not self.chain[-1]:
            slack = Gates.of(n, a.dtype).slack
            good = findings.bound * findings.rcond <= slack
            good &= findings.residual < kernel.limit
            failed = ~(good | waits) & findings.having(Flaw.NONE)
            self._postpone(_Stage(stage.kernel + 1, stage.scaled), failed, places, given)
            waits |= failed
        measured = findings.residual.copy()
        if shifts:
            findings.determinants.exponent[:] -= shifts[0].sum(axis=1) + shifts[1].sum(axis=1)
        x = _published(y, shifts, gates, findings)
        if shifts:
            _bound_scaled(a, y, x, kernel.side, shifts, findings)
        if doubt is not None and unrounded is not None:
            least = np.fmin(unrounded, findings.bound)
            findings.determinants.value[~(doubt <= _VAGUE * n * least)] = np.nan
        fine = findings.fine(gates)
        if shifts or np.count_nonzero(fine) < len(fine):
            over = ~np.isfinite(x).all(axis=(1, 2)) & findings.regular & ~waits
            fine &= ~_mark_overflow(y, over, shifts, gates, findings)
            for i in np.flatnonzero(~fine & ~waits & findings.having(Flaw.NONE)).tolist():
                own, broke_down = findings.part(slice(i, i + 1)), not measured[i] < RESIDUAL_LIMIT
                x[i] = step_up.by_balls(given[i], x[i], own, self.budget, broke_down=broke_down)
        vague = np.isnan(findings.determinants.value)
        if np.count_nonzero(vague):
            vague &= ~waits & findings.having(Flaw.NONE)
            moved = shifts[0].sum(axis=1) + shifts[1].sum(axis=1) if shifts else np.zeros(len(a))
            findings.determinants.exponent[vague] = -moved[vague]
            self._postpone(_DETERMINANT, vague, places, a)
        return x

    def _check_definite(
        self, given: Matrix, doubtful: NDArray[np.bool_], findings: Measurements
    ) -> None:
        """Refuse slices that are not proven definite: Cholesky proves those it shows regular."""
        for i in np.flatnonzero(doubtful & findings.having(Flaw.NONE)).tolist():
            proven = definite.prove(given[i], self.budget)
            findings.part(slice(i, i + 1)).demand_definite(proven)


def _measured(
    kernel: StackKernel, a: Matrix, norm: Vector, findings: Measurements
) -> tuple[Matrix, Vector | None]:
    """Return inverses and the doubt in their determinants, and write how good they are."""
    x, determinants = kernel.invert(a)
    n = x.shape[-1]
    gates = Gates.of(n, a.dtype)
    broken = determinants.zero
    product = norm * _norm(x)
    distance = _distance(a, x) if kernel.side is Side.RIGHT else _distance(x, a)
    np.minimum(1 / product, 1, out=findings.rcond)
    findings.residual[:] = gates.ratio(distance, product)
    np.add(distance, UNIT * (product + n / 2), out=findings.bound)
    np.less(findings.bound * (n + 2), REGULAR, out=findings.regular)
    findings.determinants[:] = determinants
    if np.count_nonzero(broken):
        findings.rcond[broken] = 0
        findings.regular[broken] = False
        findings.bound[broken] = findings.residual[broken] = np.nan
    return x, determinants.doubt


def _determinants(a: Matrix, plain: StackKernel) -> Determinants:
    """Return determinants by LU with interchanges, or by the last kernel where its factors grow.

    With ``P A = L U + dA``, ``|dA| <= n u |L| |U|`` (Higham, "Accuracy and Stability of Numerical
    Algorithms", 2nd ed., SIAM 2002, theorem 9.3), and about u in practice. Where ``|L| |U|`` is not
    much larger than A, a product of pivots is as right as the inverse.
    """
    n = a.shape[-1]
    factors = a.copy()
    pivots, zeros = lapack.getrf_stack(factors)
    size = np.abs(factors)  # of the transposes: L^T above the diagonal, U^T on it and below
    upper = np.tril(size)
    row_sums = np.ones((1, n)) @ upper
    grown = (row_sums @ np.triu(size, 1) + row_sums).max(axis=(1, 2))
    diagonal = np.array(factors.reshape(-1, n * n)[:, :: n + 1])
    diagonal[:, 0] *= parity(pivots)
    found = Determinants.of_pivots(diagonal)
    poor = (zeros > 0) | ~(grown <= _GROWTH * _norm(a))
    if poor.any():
        found[poor] = plain.invert(a[poor])[1]
    return found


def _published(
    y: Matrix,
    shifts: tuple[scaling.Shifts, scaling.Shifts] | None,
    gates: Gates,
    findings: Measurements,
) -> Matrix:
    """Return inverses in the scale and the dtype given; add what that has changed to the bounds."""
    x = y
    if shifts:
        rows, cols = shifts
        x = np.array(y)
        scaling.scale(x, cols, rows)
        findings.underflow[:] = scaling.underflows(y, cols, rows, gates.dtype)
    if x.dtype != gates.dtype:
        x = x.astype(gates.dtype)
        if not shifts and (np.abs(x) < np.finfo(gates.dtype).smallest_normal).any():
            none = np.zeros(y.shape[:2], dtype=np.int32)
            findings.underflow[:] = scaling.underflows(y, none, none, gates.dtype)
        findings.residual[:] *= UNIT / gates.roundoff
    if x.dtype == y.dtype and (not shifts or _exact(shifts)):
        return x
    back = x.astype(y.dtype)
    if shifts:
        scaling.scale(back, -cols, -rows)
    lost = _norm(back - y) / _norm(y)
    findings.bound[:] += lost
    # ||(Y + D) B - I|| <= ||Y B - I|| + ||D|| ||B||, in the units of the input's precision.
    findings.residual[:] += lost / gates.residual_unit
    return x


def _mark_overflow(
    y: Matrix,
    over: NDArray[np.bool_],
    shifts: tuple[scaling.Shifts, scaling.Shifts] | None,
    gates: Gates,
    findings: Measurements,
) -> NDArray[np.bool_]:
    """Refuse inverses that left the range on their way back; return those that are at its very end.

    Of those a right inverse may fit where this one, with its rounding errors, does not.
    """
    at_end = over.copy()
    if np.count_nonzero(over):
        exponents = scaling.element_exponents(y[over])
        if shifts:
            exponents += shifts[1][over][:, :, None] + shifts[0][over][:, None]
        at_end[over] = exponents.max(axis=(1, 2)) <= np.finfo(gates.dtype).maxexp + 1
        findings.mark(Flaw.OVERFLOW, over & ~at_end)
        findings.bound[at_end] = np.inf
    return at_end


def _exact(shifts: tuple[scaling.Shifts, scaling.Shifts]) -> bool:
    """Whether exponents are so small that no float64 leaves its range."""
    return bool(max(np.abs(s).max() for s in shifts) < NEAR)


def _bound_scaled(  # noqa: PLR0913, PLR0917 - a chunk on both sides of its scaling
    b: Matrix,
    y: Matrix,
    x: Matrix,
    side: Side,
    shifts: tuple[scaling.Shifts, scaling.Shifts],
    findings: Measurements,
) -> None:
    """Write the bounds of slices that were scaled, in the scale of the matrices given."""
    n = b.shape[-1]
    rows, cols = shifts
    # One factor for a whole matrix changes no relative error.
    apart = (np.ptp(rows, axis=1) > 0) | (np.ptp(cols, axis=1) > 0)
    if not apart.any():
        return
    b, y, rows, cols = b[apart], y[apart], rows[apart], cols[apart]
    error = y @ b if side is Side.LEFT else b @ y
    error.reshape(-1, n * n)[:, :: n + 1] -= 1
    pair = Scaled(b, y, error, rows, cols, side)
    bound = pair.relative()
    if x.dtype != y.dtype or not _exact(shifts):
        back = x[apart].astype(y.dtype)
        scaling.scale(back, -cols, -rows)
        bound += pair.changed(back)
    findings.bound[apart] = bound


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
    if n <= ACROSS_N:
        size = interleaved(size)
        return size.sum(axis=1), size.sum(axis=0)
    rows, cols = (size.reshape(-1, n) @ _ones(n)).reshape(k, n), (_ones(n) @ size)
    return (rows.T, cols.T) if k == 1 else (rows.T.copy(), cols.T.copy())


def _norm(a: Matrix) -> Vector:
    """Return the 1-norms of a stack."""
    size = np.abs(a)
    k, n = size.shape[:2]
    if n <= ACROSS_N:
        return np.asarray(np.maximum.reduce(interleaved(size).sum(axis=0), axis=0))
    cols = _ones(n) @ size
    return np.asarray(np.maximum.reduce(cols.T if k == 1 else cols.T.copy(), axis=0))


@lru_cache(maxsize=SMALL_N)
def _ones(n: int) -> Vector:
    return np.ones(n)


def _distance(a: Matrix, x: Matrix) -> Vector:
    """Return the 1-norms of ``a @ x - I``."""
    n = a.shape[-1]
    if n > ACROSS_N:
        error = a @ x
        error.reshape(-1, n * n)[:, :: n + 1] -= 1
        return _norm(error)
    error = product(interleaved(a), interleaved(x))
    error.reshape(n * n, -1)[:: n + 1] -= 1
    return np.asarray(np.maximum.reduce(np.abs(error).sum(axis=0), axis=0))
