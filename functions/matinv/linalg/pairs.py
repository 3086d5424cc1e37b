"""Inverses proven by BLAS alone: pairs of float64, and a bound on what both together miss.

Where kappa is moderate this proves in a few products what ball arithmetic proves in many. Let X be
an approximate inverse of B, and R = B X - I. Then::

    B^-1 = X (I + R)^-1 = X - X R + X R^2 - X R^3 (I + R)^-1

R is computed from slices whose products are exact (`matinv.linalg.doubled`), so it is known far
better than float64 knows ``B X``; X and the correction ``-X R + X R^2`` are a pair that holds about
100 bits. If both ends of the interval that a pair and its bound make round to the same float, that
float is the true element, correctly rounded (S. M. Rump, "Verification methods: Rigorous results
using floating-point arithmetic", Acta Numerica 19 (2010), 287-449, sections 10 and 13).
"""

from __future__ import annotations

from math import ceil, log2
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matinv.linalg import ball, doubled, lapack, scaling
from matinv.linalg.budget import Budget
from matinv.linalg.determinant import Determinants, parity
from matinv.linalg.types import Matrix

_U: Final = 2.0**-53
_SLACK: Final = 1 + 2.0**-20  # for the rounding of the bounds themselves, sums of positive numbers

# Beyond these sizes slices and products may underflow or overflow.
_LEAST: Final = 2.0**-300
_LARGEST: Final = 2.0**300
_UNDERFLOW: Final = 2.0**-900  # what all underflows together may take from one element

# About 40 products of 2 n**3 operations at 10 GFLOP/s, and as many live matrices as that needs.
_RATE: Final = 80 / 1e10
_COPIES: Final = 24

# For the sum of n products to stay exact, slices get too short for a bound that helps.
_LARGEST_ORDER: Final = 4096


def invert(a: Matrix, dtype: np.dtype[Any], budget: Budget) -> ball.Enclosed | None:
    """Return the inverse of a matrix if each of its elements is proven to be correctly rounded.

    Parameters
    ----------
    a : ndarray, shape (n, n)
        Finite; float32, float64, complex64 or complex128.
    dtype : dtype
        Of the result.
    budget : Budget
        Nothing begins if it does not allow all.

    Returns
    -------
    Enclosed or None
        None proves nothing: kappa may be too large, or an element zero or no normal number.
    """
    n = len(a)
    wide = a.astype(np.promote_types(a.dtype, np.float64), order="C")
    cost_s = _RATE * n**3 * (4 if np.iscomplexobj(a) else 1)
    if n > _LARGEST_ORDER or not budget.allows(cost_s, _COPIES * wide.nbytes):
        return None
    rows, cols = scaling.equilibrate(wide)
    b = wide.copy()
    with np.errstate(all="ignore"):
        scaling.scale(b, rows, cols)
        back = b.copy()
        scaling.scale(back, -rows, -cols)
        if not np.array_equal(back, wide):
            return None
        try:
            x = np.linalg.inv(b)
        except np.linalg.LinAlgError:
            return None
    sizes = np.abs(x).max(axis=0)
    if not (np.abs(b).max() < _LARGEST and sizes.min() > _LEAST and sizes.max() < _LARGEST):
        return None
    corrected = _correct(b, x)
    if corrected is None:
        return None
    result, y = _round(x, *corrected, cols[:, None] + rows, dtype)
    determinant = None if result is None else _determinant(b, y)
    if result is None or determinant is None:
        return None
    determinant = determinant.times(1, -int(rows.sum() + cols.sum()))
    roundoff = float(np.finfo(dtype).eps) / 2
    return ball.Enclosed(
        result, roundoff, rounded=True, determinant=determinant, rows=rows, cols=cols, y=y, power=0
    )


def _correct(b: Matrix, x: Matrix) -> tuple[Matrix, NDArray[np.float64]] | None:
    """Return what to add to X, and a bound on the error of each element of the sum.

    All bounds are of absolute values; of complex numbers they hold for both parts.
    """
    n = len(b)
    unit = (2 * n + 8) * _U  # of an inner product, relative to that of the absolute values
    bits = (53 - ceil(log2(2 * n))) // 2
    b1, b2, b3 = doubled.slices(b, bits, axis=-1)
    x1, x2, x3 = doubled.slices(x, bits, axis=-2)
    head: NDArray[Any] = b1 @ x1
    diagonal = head.reshape(-1)[:: n + 1]
    if not ((diagonal.real >= 0.5) & (diagonal.real <= 2)).all():
        return None
    diagonal -= 1  # exact, and so are the next two sums with their errors
    head, first = doubled.two_sum(head, b1 @ x2)
    head, second = doubled.two_sum(head, b2 @ x1)
    r = head + (first + second + (b2 @ x2 + (b1 @ x3 + b2 @ x3 + b3 @ x)))

    # |R - r| <= unit * sum(u_k v_k^T) + 2 u |r|, by Cauchy and Schwarz.
    size_b, size_b2, size_b3 = (np.linalg.norm(part, axis=1) for part in (b, b2, b3))
    size_x, size_x2, size_x3 = (np.linalg.norm(part, axis=0) for part in (x, x2, x3))
    unknown = (
        (size_b, 4 * size_x3 + 4 * _U * (size_x + 1)),
        (size_b2, 4 * size_x2),
        (size_b3, 4 * size_x),
    )
    abs_x, abs_r = np.abs(x), np.abs(r)
    d_sums = 2 * _U * abs_r.sum(axis=0)
    t = abs_x @ abs_r
    w = 2 * _U * t
    for left, right in unknown:
        d_sums += unit * left.sum() * right
        w += unit * np.outer(abs_x @ left, right)
    d_norm, rho = d_sums.max(), (abs_r.sum(axis=0) + d_sums).max() * _SLACK
    if not rho < 2.0**-10:
        return None
    c = -(x @ r)
    c2 = -(c @ r)
    t_rows, w_rows = t.max(axis=1), w.max(axis=1)
    tw_rows = t_rows + w_rows
    of_rows = tw_rows * (d_norm + rho**2 / (1 - rho)) + w_rows * rho + 3 * unit * t_rows * rho
    error = (w + (unit + 4 * _U) * t + of_rows[:, None]) * _SLACK**2 + _UNDERFLOW
    return c + c2, error


def _round(
    x: Matrix, low: Matrix, error: NDArray[np.float64], shifts: Any, dtype: np.dtype[Any]
) -> tuple[Matrix | None, Matrix]:
    """Return the pair ``x + low`` times powers of two, rounded once, None if that is uncertain.

    Beside it the pair's own first number, which is the scaled inverse in float64.
    """
    high, low = doubled.two_sum(x, low)
    result = np.empty(x.shape, dtype)
    parts = [(result.real, high.real, low.real)]
    if np.iscomplexobj(x):
        parts.append((result.imag, high.imag, low.imag))
    least = np.finfo(dtype).tiny
    for out, most, rest in parts:
        below = np.nextafter(rest - error, -np.inf)
        above = np.nextafter(rest + error, np.inf)
        if out.dtype == np.float64:
            certain = (most + below == most) & (most + above == most)
            with np.errstate(over="ignore"):
                out[...] = np.ldexp(most, shifts)
        else:
            ends = (
                np.nextafter(most + below, -np.inf),
                np.nextafter(most + above, np.inf),
            )
            with np.errstate(over="ignore"):
                under, over = (np.ldexp(end, shifts).astype(out.dtype) for end in ends)
            certain = under == over
            out[...] = under
        size = np.abs(out)
        if not (certain & (size >= least) & (size < np.inf)).all():
            return None, high
    return result, high


def _determinant(b: Matrix, y: Matrix) -> Determinants | None:
    """Return det(B) from the pivots of LU and the error that elimination left.

    With ``P B = L U + F``, ``det(L U) = det(P B) det(I - (P B)^-1 F)``.
    """
    n = len(b)
    by_columns = b.T.copy()
    pivots = np.empty(n, np.int64)
    if lapack.getrf(by_columns, pivots):
        return None
    lower, upper = np.tril(by_columns.T, -1), np.triu(by_columns.T)
    diagonal = upper.diagonal().copy()
    lower.reshape(-1)[:: n + 1] = 1
    order = list(range(n))
    for row, other in enumerate(pivots.tolist()):
        order[row], order[other - 1] = order[other - 1], order[row]
    m = -(y[:, order] @ doubled.residual(lower, upper, b[order]))
    if not np.abs(m).sum(axis=0).max() < 2.0**-10:
        return None
    sign, log = np.linalg.slogdet(np.eye(n) - m)
    found = Determinants.of_pivots(diagonal[None])
    return found.times(parity(pivots[None]) / (sign * np.exp(log)), 0)
