"""Other ways to invert a matrix that the first one does not vouch for, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from matinv.linalg import ball, doubled, scaling
from matinv.linalg.bounds import REGULAR, UNIT, Scaled
from matinv.linalg.budget import Budget
from matinv.linalg.certificate import Checked, Side
from matinv.linalg.gates import RESIDUAL_LIMIT, Flaw, Gates, How, Measurements
from matinv.linalg.kernels import Kernels
from matinv.linalg.types import Matrix

# Above this reciprocal condition number, in units of n * u, QR leaves a small residual: if it did
# not, the machine computes wrongly.
_BENIGN: Final = 20.0


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to an inverse: a scaling, and a routine."""

    scaling: Callable[[Matrix], tuple[scaling.Shifts, scaling.Shifts]]
    by_qr: bool = False
    transposed: bool = False


def _columns_first(a: Matrix) -> tuple[scaling.Shifts, scaling.Shifts]:
    cols, rows = scaling.equilibrate(a.T)
    return rows, cols


def _as_given(a: Matrix) -> tuple[scaling.Shifts, scaling.Shifts]:
    rows, cols = scaling.level(a[None], a.dtype)
    return rows[0], cols[0]


# QR comes first where elimination lost what it had, and last where scaling did.
_QR: Final = _Way(scaling.equilibrate, by_qr=True)
_ELIMINATIONS: Final = (
    _Way(_as_given),
    _Way(_as_given, transposed=True),
    _Way(_columns_first),
    _Way(scaling.geometric),
)

# Of one way: an inverse by QR takes about 8 n**3 operations, the residual 2, at 10 GFLOP/s; and so
# many matrices are live.
_FLOPS: Final = 10.0
_RATE: Final = 1e10
_COPIES: Final = 7

# And of one that is refined: 36 more products of 2 n**3 operations, and slices of both factors.
_REFINED: Final = 5.0
_SLICES: Final = 10


@dataclass(frozen=True, slots=True)
class _Attempt:
    """An inverse by some way, in the dtype and the scale of the matrix, with its figures."""

    x: Matrix
    found: Measurements


def by_other_ways(
    given: Matrix,
    first: Matrix | None,
    findings: Measurements,
    kernels: Kernels,
    budget: Budget,
) -> Matrix:
    """Return the inverse of a large matrix by the best of some ways, and write its figures.

    Parameters
    ----------
    given : ndarray, shape (n, n)
        The matrix, finite.
    first : ndarray or None
        Its inverse by the first way, if that may be published.
    findings : Measurements
        Of this one slice, by the first way; what is found replaces them.
    kernels : Kernels
        The routines that eliminate.
    budget : Budget
        Bounds the time and the memory.
    """
    a = given.astype(np.promote_types(given.dtype, np.float64), order="C")
    n, gates = len(a), Gates.of(len(a), given.dtype)
    cost_s = _FLOPS * n**3 / _RATE * (4 if np.iscomplexobj(a) else 1)
    best = _Attempt(np.full_like(given, np.nan) if first is None else first, findings)
    least = findings.bound[0] if first is not None else np.inf
    spoilt_by_scaling = first is not None and findings.scaled[0]
    ways = (*_ELIMINATIONS, _QR) if spoilt_by_scaling else (_QR, *_ELIMINATIONS)
    broke_down: bool | None = None
    best_way = ways[0]
    for way in ways:
        if not budget.allows(cost_s, _COPIES * a.nbytes):
            break
        attempt = _attempt(a, way, gates, kernels)
        if attempt is None:
            continue
        found = attempt.found
        if found.flaw[0]:
            findings.mark(Flaw.OVERFLOW, where=True)
            return attempt.x
        broke_down = not found.residual[0] < RESIDUAL_LIMIT if way is _QR else broke_down
        good = found.fine(gates)[0] and found.rcond[0] >= gates.ill_conditioned
        if good or found.bound[0] < least:
            best, least, best_way = attempt, found.bound[0], way
        if good:
            break
    memory_bytes = (_COPIES + _SLICES) * a.nbytes
    poor = np.isfinite(least) and not best.found.fine(gates)[0]
    if poor and budget.allows(_REFINED * cost_s, memory_bytes):
        refined = _attempt(a, best_way, gates, kernels, refine=True)
        if refined and (refined.found.bound[0] < least or not best.found.regular[0]):
            best = refined
    findings.replace(np.ones(1, dtype=np.bool_), best.found)
    if best.found.fine(gates)[0]:
        return best.x
    return by_balls(given, best.x, findings, budget, broke_down=broke_down)


def _attempt(
    a: Matrix, way: _Way, gates: Gates, kernels: Kernels, *, refine: bool = False
) -> _Attempt | None:
    """Invert by one way and measure the full residual; None where it meets a zero pivot.

    To refine is to take a step of Newton's iteration, both its residual and the one that proves the
    matrix regular as if in twice the precision: elimination may have lost what kappa does not take,
    and at a large order ``n * u * kappa`` alone may leave no proof.
    """
    n = len(a)
    rows, cols = way.scaling(a)
    b = a.copy()
    scaling.scale(b, rows, cols)
    side = Side.RIGHT if way.by_qr or way.transposed else Side.LEFT
    if way.by_qr:
        kernel: Any = kernels.plain
        inverses, determinant = kernel.invert(b[None])
        y = inverses[0]
    else:
        kernel = kernels.for_general(n)
        y = b.T.copy() if way.transposed else b.copy()
        determinant = kernel.invert(y)
        y = y.T if way.transposed else y
    if determinant.zero[0]:
        return None
    if refine:
        one = np.eye(n, dtype=b.dtype)
        error = _doubled(b, y, one, side)
        sign, log = np.linalg.slogdet(one + error)  # so far the pivots are off
        determinant = determinant.times(sign * np.exp(log), 0)
        y = y - (y @ error if side is Side.RIGHT else error @ y)
        error = _doubled(b, y, one, side)
    else:
        error = b @ y if side is Side.RIGHT else y @ b
        error.reshape(-1)[:: n + 1] -= 1
    unit = doubled.UNIT if refine else UNIT
    pair = Scaled(b, y, error, rows, cols, side, unit)
    found = Measurements.blank(1, How("general", kernel.routine, side, Checked.FULL), a.dtype)
    found.determinants[:] = determinant.times(1, -int(rows.sum() + cols.sum()))
    product = _norm(b) * _norm(y)
    found.rcond[0] = min(1 / product, 1)
    found.residual[0] = gates.ratio(_norm(error), product)
    found.scaled[0] = bool(rows.any() or cols.any())
    found.regular[0] = _norm(error) + (n + 2) * unit * product < REGULAR
    found.underflow[0] = scaling.underflows(y, cols, rows, gates.dtype)
    x = y.copy()
    scaling.scale(x, cols, rows)
    x = x.astype(gates.dtype)
    if not np.isfinite(x).all():
        found.mark(Flaw.OVERFLOW, found.regular)
    else:
        back = x.astype(y.dtype)
        scaling.scale(back, -cols, -rows)
        found.bound[0] = pair.relative() + pair.changed(back)
    return _Attempt(x, found)


def _doubled(b: Matrix, y: Matrix, one: Matrix, side: Side) -> Matrix:
    return doubled.residual(b, y, one) if side is Side.RIGHT else doubled.residual(y, b, one)


def by_balls(
    given: Matrix, x: Matrix, findings: Measurements, budget: Budget, *, broke_down: bool | None
) -> Matrix:
    """Return the inverse of a matrix by ball arithmetic, or `x` if there is no time for it.

    Parameters
    ----------
    given : ndarray, shape (n, n)
        The matrix.
    x : ndarray, shape (n, n)
        The best inverse so far, of which `findings` tell.
    findings : Measurements
        Of this one slice; what is found replaces them.
    budget : Budget
        Bounds the time and the memory.
    broke_down : bool or None
        Whether QR left a residual above its limit; None if there was no time for QR, without which
        no residual shows a fault of the machine.
    """
    if not np.isfinite(given).all():
        findings.mark(Flaw.NON_FINITE, where=True)
        return x
    if has_zeros(given):
        findings.mark(Flaw.SINGULAR, where=True)
        return x
    suspect = not findings.rcond[0] >= len(given) * UNIT
    found = ball.invert(given, given.dtype, budget, suspect=suspect)
    if isinstance(found, ball.Deficient):
        findings.rank[0], findings.rcond[0] = found.rank, 0
        findings.mark(Flaw.SINGULAR, where=True)
        return x
    if found is not None and not np.isfinite(found.x).all():
        findings.mark(Flaw.OVERFLOW, where=True)
        return x
    if found is None or not found.bound < np.nan_to_num(findings.bound[0], nan=np.inf):
        findings.mark(Flaw.OVERFLOW, findings.regular & np.isinf(x).any())
        if broke_down is None and not findings.residual[0] < RESIDUAL_LIMIT:
            untold = not findings.rcond[0] >= Gates.of(len(given), given.dtype).singular
            findings.mark(Flaw.PERHAPS_SINGULAR if untold else Flaw.INACCURATE, where=True)
        return x
    in_range = not findings.scaled[0]  # else QR may have met the ends of float64
    write_enclosed(given, found, findings)
    if broke_down and in_range and findings.rcond[0] > _BENIGN * len(given) * UNIT:
        findings.mark(Flaw.RESIDUAL, where=True)
        return x
    checked = Checked.VERIFIED if found.rounded else Checked.FULL
    findings.how[0] = How("general", "arb", Side.RIGHT, checked)
    return found.x


def has_zeros(a: Matrix) -> bool:
    """Whether a matrix has a row or a column of zeros."""
    filled = a != 0
    return not (filled.any(axis=0).all() and filled.any(axis=1).all())


def write_enclosed(given: Matrix, found: ball.Enclosed, findings: Measurements) -> None:
    """Write the figures of an inverse by balls.

    The residual is that of the scaled inverse before it was rounded to the dtype and the scale of
    the matrix: at the ends of the range that loses any number of bits, of which the bound knows.
    """
    findings.bound[0], findings.regular[0] = found.bound, True
    findings.determinants[:] = found.determinant
    rows, cols, power = found.rows, found.cols, found.power
    b = given.astype(found.y.dtype)
    if rows.any() or cols.any():
        scaling.scale(b, rows, cols)
        findings.scaled[0] = True
    least: Any = np.finfo(given.dtype.char).smallest_normal
    if scaling.magnitude(found.x).min() < least:
        findings.underflow[0] = scaling.underflows(found.y, cols + power, rows, given.dtype)
    one, n = np.ldexp(1.0, -power), len(b)
    error = b @ found.y
    error.reshape(-1)[:: n + 1] -= one
    product = _norm(b) * _norm(found.y)
    findings.residual[0] = Gates.of(n, given.dtype).ratio(_norm(error), product)
    findings.rcond[0] = min(one / product, 1)


def _norm(a: Matrix) -> Any:
    return np.abs(a).sum(axis=0).max()
