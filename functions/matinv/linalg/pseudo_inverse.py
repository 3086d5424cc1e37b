"""The Moore-Penrose pseudo-inverse by SVD, for matrices that have no inverse.

Singular values below ``n * eps`` times the largest count as zero, so what is inverted is the
nearest matrix A of rank r. An SVD is right to about 100 u, not to n u, since LAPACK's dbdsqr stops
there; a step of Newton's iteration, ``X (2 I - A X)``, may take that away. Of both results, the one
with the smaller bound is kept.

The bound on the error comes from all four conditions of Penrose. Let ``P = A A^+``, ``Q = A^+ A``,
``E = A - A X A``, ``F = X - X A X``, ``S = A X - (A X)^H``, ``T = X A - (X A)^H``. ``Q X P`` is
``A^+ - A^+ E A^+``, and ``X - Q X P = (I - Q) X + Q X (I - P)``, where ``(I - Q) X`` is
``(I - Q) (T X + F)`` because of ``(I - Q) A^H = 0``, and likewise on the other side. P and Q are
projections, so in the Frobenius norm

    ``norm(X - A^+) <= norm(A^+)**2 norm(E) + norm(X) (norm(S) + norm(T)) + 2 norm(F)``.

If the rank was cut, A itself is known to about 70 u, the more vaguely the nearer the first value
that was cut is to the last one that was not (Wedin, "Perturbation theory for pseudo-inverses", BIT
13, 1973).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matinv.linalg import doubled, scaling, step_up
from matinv.linalg.bounds import REGULAR, UNIT
from matinv.linalg.budget import Budget
from matinv.linalg.certificate import Checked, Side
from matinv.linalg.gates import INACCURATE, Flaw, Gates, How, Measurements
from matinv.linalg.types import Matrix

_HOW: Final = How("pinv", "gesdd", Side.PINV, Checked.FULL)
_CHUNK_ELEMENTS: Final = 2**15  # as for inverses; above n = 181 one matrix at a time

# By so many roundoffs, relative to the norm, a matrix of lower rank is known from its SVD: LAPACK's
# own tests let an SVD be wrong by 35 ulp (TESTING/svd.in), of two roundoffs each. 27 were measured.
_SVD_ERROR: Final = 70.0


# Below this reciprocal condition number one step leaves the square of an error that is not small.
_ONE_STEP: Final = 1e-6


def solve(a: Matrix, x: Matrix, budget: Budget) -> Measurements:
    """Write the pseudo-inverse of each slice of `a` into `x`, which may be the same memory."""
    findings = Measurements.blank(len(a), _HOW, a.dtype)
    step = max(1, _CHUNK_ELEMENTS // a.shape[-1] ** 2)
    for begin in range(0, len(a), step):
        span = slice(begin, begin + step)
        x[span] = _solve_chunk(a[span], findings.part(span), budget)
    return findings


def _solve_chunk(given: Matrix, findings: Measurements, budget: Budget) -> Matrix:
    n = given.shape[-1]
    gates = Gates.of(n, given.dtype)
    a = given.astype(np.promote_types(given.dtype, np.float64))
    finite = np.isfinite(a).all(axis=(1, 2))
    findings.mark(Flaw.NON_FINITE, ~finite)
    a[~finite] = 0
    # One shift for a whole matrix: rows of their own would change the pseudo-inverse.
    rows, cols = scaling.level(a, gates.dtype)
    findings.scaled[:] = rows.any(axis=1)
    scaling.scale(a, rows, cols)
    y, nearest, gap = _pseudo_inverse(a, 2 * gates.residual_unit, findings)
    _measure(a, nearest, y, gap, gates, findings)
    stepped = _stepped(nearest, y)
    far = ~(findings.rcond > _ONE_STEP)
    stepped[far] = _stepped(nearest[far], stepped[far])
    after = Measurements.blank(len(a), _HOW, a.dtype)
    after.rank[:] = findings.rank
    _measure(a, nearest, stepped, gap, gates, after)
    better = after.bound < findings.bound  # at a large kappa the rounding of A X weighs more
    y[better] = stepped[better]
    for name in ("rcond", "residual", "bound", "regular"):
        np.copyto(getattr(findings, name), getattr(after, name), where=better)
    findings.underflow[:] = scaling.underflows(y, cols, rows, given.dtype)
    result = y.copy()
    scaling.scale(result, cols, rows)
    result = result.astype(given.dtype)
    findings.mark(Flaw.OVERFLOW, ~np.isfinite(result).all(axis=(1, 2)))
    back = result.astype(a.dtype)
    scaling.scale(back, -cols, -rows)
    norm = _norm(y)
    lost = np.divide(_norm(back - y), norm, out=np.zeros(len(y)), where=norm > 0)
    findings.bound[:] += lost
    findings.residual[:] += lost / gates.residual_unit
    # At full rank it is the inverse, which ball arithmetic knows better than a bad SVD.
    whole = (findings.rank == n) & ~(findings.bound < INACCURATE) & findings.having(Flaw.NONE)
    for i in np.flatnonzero(whole).tolist():
        own = findings.part(slice(i, i + 1))
        result[i] = step_up.by_balls(given[i], result[i], own, budget, broke_down=False)
        how: How = own.how[0]
        own.how[0] = How("pinv", how.routine, Side.PINV, how.checked)
        own.determinants.value[0] = np.nan
    return result


def _stepped(a: Matrix, x: Matrix) -> Matrix:
    """Return ``X (2 I - A X)``, its residual as if in twice the precision.

    Rounded in one precision, it would leave X A as far from Hermitian as kappa_1**2 makes it.
    """
    product = a @ x
    lost = doubled.residual(a, x, product)
    return x - (doubled.residual(x, product, x) + x @ lost)


def _pseudo_inverse(
    a: Matrix, rtol: float, findings: Measurements
) -> tuple[Matrix, Matrix, NDArray[np.float64]]:
    """Return pseudo-inverses, the matrices of lower rank that they are of, and the gaps.

    NaN where the SVD did not converge.
    """
    try:
        u, s, vh = np.linalg.svd(a)
    except np.linalg.LinAlgError:
        if len(a) == 1:
            return np.full_like(a, np.nan), a, np.full(1, np.nan)
        singles = [
            _pseudo_inverse(a[i : i + 1], rtol, findings.part(slice(i, i + 1)))
            for i in range(len(a))
        ]
        first, second, third = (np.concatenate(parts) for parts in zip(*singles, strict=True))
        return first, second, third
    kept = s > rtol * s[:, :1]
    rank = kept.sum(axis=1)
    findings.rank[:] = rank
    inverse = np.divide(1, s, out=np.zeros_like(s), where=kept)
    v, uh = vh.conj().swapaxes(1, 2), u.conj().swapaxes(1, 2)
    x: Matrix = (v * inverse[:, None, :]) @ uh
    nearest = np.array(a)
    cut = rank < a.shape[-1]
    nearest[cut] = ((u * np.where(kept, s, 0)[:, None, :]) @ vh)[cut]
    padded = np.concatenate([s, np.zeros((len(s), 1))], axis=1)
    last = np.take_along_axis(padded, np.maximum(rank - 1, 0)[:, None], axis=1)[:, 0]
    first_cut = np.take_along_axis(padded, rank[:, None], axis=1)[:, 0]
    gap = np.divide(last, first_cut, out=np.full(len(s), np.inf), where=first_cut > 0)
    return x, nearest, gap


def _measure(  # noqa: PLR0913, PLR0917 - a stack and what its SVD said
    a: Matrix,
    nearest: Matrix,
    x: Matrix,
    gap: NDArray[np.float64],
    gates: Gates,
    findings: Measurements,
) -> None:
    n = a.shape[-1]
    product = _norm(a) * _norm(x)
    exact = product == 0  # the pseudo-inverse of zero is zero, exactly
    findings.rcond[:] = np.where(exact, 1.0, 1 / product)
    left, right = x @ nearest, nearest @ x
    scale = _norm(a) * product * gates.residual_unit
    findings.residual[:] = np.where(exact, 0.0, _norm(a @ x @ a - a) / scale)
    size = _frobenius(x)
    error = size**2 * _frobenius(nearest - right @ nearest)
    error += size * (_skew(left) + _skew(right)) + 2 * _frobenius(x - left @ x)
    relative = np.sqrt(n) * error / _norm(x)
    cut = np.where(findings.rank < n, _SVD_ERROR / (1 - 1 / np.maximum(gap, 1 + UNIT)), 0)
    relative += UNIT * product * (2 + cut)
    whole = findings.rank == n  # then it is the inverse, with the bound of one
    distance = _norm(left - np.eye(n)) + UNIT * (product + n / 2)
    findings.regular[:] = whole & (distance * (n + 2) < REGULAR)
    findings.bound[:] = np.where(exact, 0, np.where(whole, distance, relative))
    findings.gap[:] = gap


def _skew(a: Matrix) -> NDArray[np.float64]:
    return _frobenius(a - a.conj().swapaxes(1, 2))


def _frobenius(a: Matrix) -> NDArray[np.float64]:
    return np.asarray(np.sqrt((np.abs(a) ** 2).sum(axis=(1, 2))))


def _norm(a: Matrix) -> Any:
    return np.abs(a).sum(axis=1).max(axis=1)
