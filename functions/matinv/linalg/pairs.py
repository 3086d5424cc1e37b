"""Inverses proven by BLAS alone: pairs of float64, and a bound on what both together miss.

For moderate kappa this proves in a few products what ball arithmetic proves in many. Let X be
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
from matinv.linalg.integers import FLINT
from matinv.linalg.types import Matrix

Array = NDArray[Any]

_U: Final = 2.0**-53
_SLACK: Final = 1 + 2.0**-20  # for the rounding of the bounds themselves, sums of positive numbers

# Beyond these sizes slices and products may underflow or overflow.
_LEAST: Final = 2.0**-300
_LARGEST: Final = 2.0**300
_UNDERFLOW: Final = 2.0**-900  # what all underflows together may take from one element

# About 40 products of 2 n**3 operations at 10 GFLOP/s, and as many live matrices as that needs.
_RATE: Final = 80 / 1e10
_COPIES: Final = 24

# A few of 10**5 elements lie so near to the middle of two floats that pairs do not tell. Up to so
# many columns are corrected once more: 0.1 s at n = 256, where balls take 1.2.
_FEW: Final = 16
_SETTLED_BITS: Final = 320
_SETTLED_S: Final = 5e-6  # times n**2

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
    cost_s = _RATE * n**3 * (4 if a.dtype.kind == "c" else 1)
    if n > _LARGEST_ORDER or not budget.allows(cost_s, _COPIES * wide.nbytes):
        return None
    size = np.abs(wide)
    with np.errstate(all="ignore"):
        if scaling.uneven(np.add.reduce(size, axis=1), np.add.reduce(size, axis=0), wide.dtype):
            rows, cols = scaling.equilibrate(wide)
            b = wide.copy()
            scaling.scale(b, rows, cols)
            back = b.copy()
            scaling.scale(back, -rows, -cols)
        else:  # what `equilibrate` makes of it, for a third of its time
            top = np.frexp(scaling.magnitude(wide).max())[1]
            rows, cols = np.full(n, -top, dtype=np.int32), np.zeros(n, dtype=np.int32)
            b = wide * 2.0**-top
            back = b * 2.0**top
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
    low, error, rho = corrected
    shifts = cols[:, None] + rows
    result, y, doubtful = _round(x, low, error, shifts, dtype)
    if 0 < len(doubtful) <= _FEW and budget.allows(_SETTLED_S * n**2):
        _settle(b, x, low, error, rho, doubtful)
        result, y, _ = _round(x, low, error, shifts, dtype)
    determinant = None if result is None else _determinant(b, y)
    if result is None or determinant is None:
        return None
    determinant = determinant.times(1, -int(rows.sum() + cols.sum()))
    roundoff = float(np.finfo(dtype).eps) / 2
    return ball.Enclosed(
        result, roundoff, rounded=True, determinant=determinant, rows=rows, cols=cols, y=y, power=0
    )


def _correct(b: Matrix, x: Matrix) -> tuple[Matrix, NDArray[np.float64], float] | None:
    """Return a correction to X, a bound on the error of each element of the sum, and norm(R, 1).

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
    size_b, size_b2, size_b3 = (_norms(part, 1) for part in (b, b2, b3))
    size_x, size_x2, size_x3 = (_norms(part, 0) for part in (x, x2, x3))
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
        w += (unit * (abs_x @ left))[:, None] * right
    d_norm, rho = d_sums.max(), (abs_r.sum(axis=0) + d_sums).max() * _SLACK
    if not rho < 2.0**-10:
        return None
    c = -(x @ r)
    c2 = -(c @ r)
    t_rows, w_rows = t.max(axis=1), w.max(axis=1)
    tw_rows = t_rows + w_rows
    of_rows = tw_rows * (d_norm + rho**2 / (1 - rho)) + w_rows * rho + 3 * unit * t_rows * rho
    error = (w + (unit + 4 * _U) * t + of_rows[:, None]) * _SLACK**2 + _UNDERFLOW
    return c + c2, error, float(rho)


def _settle(  # noqa: PLR0913, PLR0917 - a correction, and what is known of it
    b: Matrix, x: Matrix, low: Matrix, error: Array, rho: float, columns: Array
) -> None:
    """Correct a few columns once more, in place, by their residuals in balls.

    With z a column of ``X + low`` and r its residual ``B z - e``, ``B^-1 e = z - X (I + R)^-1 r``.
    """
    n, parts = len(b), ("real", "imag") if b.dtype.kind == "c" else ("real",)
    with FLINT:
        import flint  # noqa: PLC0415 - 25 MB that most workers never need

        lift: Any = flint.acb_mat if b.dtype.kind == "c" else flint.arb_mat
        with flint.ctx.workprec(_SETTLED_BITS):
            one = lift(np.eye(n, dtype=b.dtype)[:, columns].tolist())
            z = lift(x[:, columns].tolist()) + lift(low[:, columns].tolist())
            balls = (lift(b.tolist()) * z - one).entries()
        r, radius = np.empty((n, len(columns)), b.dtype), np.zeros((n, len(columns)))
        for part in parts:
            own = [ball if len(parts) == 1 else getattr(ball, part) for ball in balls]
            getattr(r, part).flat = [float(ball.mid()) for ball in own]
            radius += np.reshape([float(ball.rad()) for ball in own], r.shape)
    low[:, columns] = low[:, columns] - x @ r
    size, abs_x = np.abs(r), np.abs(x)
    unknown = abs_x @ ((2 * n + 12) * _U * size + 2 * radius) + 2 * _U * np.abs(low[:, columns])
    rest = np.outer(abs_x.max(axis=1), rho / (1 - rho) * (size + radius).sum(axis=0))
    error[:, columns] = (unknown + rest) * _SLACK**2 + _UNDERFLOW


def _norms(a: Matrix, axis: int) -> NDArray[np.float64]:
    """Return the Euclidean norms of rows or columns; `numpy.linalg.norm` takes twice as long."""
    size = np.abs(a)
    size *= size
    return np.asarray(np.sqrt(np.add.reduce(size, axis=axis)))


def _round(
    x: Matrix, low: Matrix, error: NDArray[np.float64], shifts: Any, dtype: np.dtype[Any]
) -> tuple[Matrix | None, Matrix, Array]:
    """Return the pair ``x + low`` times powers of two, rounded once, None if that is uncertain.

    Beside it the pair's own first number, which is the scaled inverse in float64, and the columns
    that are uncertain; none where they are not what is wrong.
    """
    high, low = doubled.two_sum(x, low)
    result = np.empty(x.shape, dtype)
    parts = [(result.real, high.real, low.real)]
    if x.dtype.kind == "c":
        parts.append((result.imag, high.imag, low.imag))
    least, doubtful = np.finfo(dtype).tiny, np.zeros(len(x), dtype=np.bool_)
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
        if not ((size >= least) & (size < np.inf)).all():
            return None, high, np.empty(0, np.intp)
        doubtful |= ~certain.all(axis=0)
    columns = np.flatnonzero(doubtful)
    return None if len(columns) else result, high, columns


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
    norm = np.add.reduce(np.abs(m), axis=0).max()
    if not norm < 2.0**-10:
        return None
    if norm < 2.0**-30:  # more than the trace is less than n * norm**2
        left: Any = 1 - m.trace()
    else:
        sign, log = np.linalg.slogdet(np.eye(n) - m)
        left = sign * np.exp(log)
    return Determinants.of_pivots(diagonal[None]).times(parity(pivots[None]) / left, 0)
