"""How good a result is, computed on this side: its residual in full, and its right digits."""

from __future__ import annotations

from time import monotonic
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matinv.linalg import ball
from matinv.linalg.bounds import Scaled
from matinv.linalg.budget import Budget
from matinv.linalg.certificate import Side
from matinv.linalg.gates import Gates, Vector
from matinv.linalg.scaling import equilibrate, scale
from matinv.linalg.types import Matrix


def residual(matrix: Matrix, inverse: Matrix, side: Side = Side.RIGHT) -> float:
    """Return LAPACK's scaled ratio, the largest of all slices that have an inverse.

    Parameters
    ----------
    matrix, inverse : ndarray, shape (n, n) or (k, n, n)
        Slices of `inverse` that hold a NaN are those without an inverse.
    side : Side
        Which equation to judge.

    Returns
    -------
    float
        ``norm(A X - I, 1) / (n * norm(A, 1) * norm(X, 1) * u)`` of the problem as the service
        scales it, or for a pseudo-inverse the largest of Penrose's four conditions. NaN if
        nothing has an inverse or the shapes differ.
    """
    if matrix.shape != inverse.shape:
        return np.nan
    unit_roundoff = float(np.finfo(inverse.real.dtype).eps) / 2
    a, x = _wide(matrix), _wide(inverse)
    fine = ~np.isnan(x).any(axis=(-2, -1))
    a, x = a[fine], x[fine]
    if not len(x):
        return np.nan
    if side is Side.PINV:
        ratios = _of_pinv(a, x)
    else:
        rows, cols = equilibrate(a)
        scale(a, rows, cols)
        scale(x, -cols, -rows)
        product = x @ a if side is Side.LEFT else a @ x
        product -= np.eye(a.shape[-1])
        ratios = _norm_1(product) / (_norm_1(a) * _norm_1(x))
    return float(ratios.max() / (matrix.shape[-1] * unit_roundoff))


def right_digits(matrix: Matrix, inverse: Matrix, claimed: float) -> float:
    """Return how many decimal digits of an inverse are shown to be right, in the matrix's scale.

    By the bound that certificates use (`matinv.linalg.bounds`), from the full residual of what was
    published. Where that shows less than was claimed, by the distance from an inverse that is
    computed here: by numpy in float64, then in ball arithmetic if the order allows it.

    Parameters
    ----------
    matrix, inverse : ndarray, shape (n, n) or (k, n, n)
        Slices of `inverse` that hold a NaN are those without an inverse.
    claimed : float
        Digits that the certificate claims, of the worst slice.

    Returns
    -------
    float
        The fewest of all slices; 0 or more. NaN if nothing has an inverse or the shapes differ.
    """
    if matrix.shape != inverse.shape:
        return np.nan
    a, x = _wide(matrix), _wide(inverse)
    fine = ~np.isnan(x).any(axis=(-2, -1))
    dtype = inverse.dtype
    shown = [_digits_of(b, y, dtype, claimed) for b, y in zip(a[fine], x[fine], strict=True)]
    return min(shown, default=np.nan)


# An inverse of order 256 takes about a second in ball arithmetic; this is for slow machines.
_BALLS_S: Final = 10.0

# By so many digits a claim may lie above the truth before it is called wrong: the probes of large
# matrices are random.
TOLERANCE: Final = 0.3


def provable(n: int) -> bool:
    """Whether ball arithmetic can show all digits of an inverse of order `n` in some seconds."""
    return ball.predicted_s(n) < _BALLS_S


def _digits_of(a: Matrix, x: Matrix, dtype: np.dtype[Any], claimed: float) -> float:
    gates = Gates.of(len(a), dtype)
    with np.errstate(all="ignore"):
        rows, cols = equilibrate(a)
        b, y = a.copy(), x.copy()
        scale(b, rows, cols)
        scale(y, -cols, -rows)

        def bound(y: Matrix) -> Vector:
            error = b @ y - np.eye(len(a))
            return Scaled(b, y, error, rows, cols, Side.RIGHT).relative()

        found = float(gates.digits(bound(y)))
        if found < claimed - TOLERANCE:
            try:
                own = np.linalg.inv(b)
            except np.linalg.LinAlgError:
                own = np.full_like(b, np.nan)
            whole = bound(own)
            scale(own, cols, rows)
            found = max(found, float(gates.digits(whole + _distance(x, own))))
        if found < claimed - TOLERANCE and provable(len(a)):
            end_s = monotonic() + 2 * _BALLS_S
            budget = Budget(lambda: end_s - monotonic(), 2**31)
            exact = ball.invert(a, a.dtype, budget, suspect=True)
            if isinstance(exact, ball.Enclosed):
                found = float(gates.digits(exact.bound + _distance(x, exact.x)))
    return found


def _distance(x: Matrix, true: Matrix) -> Vector:
    """Return ``norm(X - T, 1) / norm(T, 1)``."""
    largest = np.abs(true).max()  # no sum may overflow
    distance = np.abs(x / largest - true / largest).sum(axis=0).max()
    return np.asarray(distance / np.abs(true / largest).sum(axis=0).max())


def _wide(array: Matrix) -> Matrix:
    """Return a stack of float64 or complex128, a copy."""
    dtype = np.complex128 if np.iscomplexobj(array) else np.float64
    return np.array(array.reshape(-1, *array.shape[-2:]), dtype)


def _of_pinv(a: Matrix, x: Matrix) -> NDArray[Any]:
    # A pseudo-inverse does not survive the scaling of rows, only that of everything.
    shifts = np.frexp(np.abs(a).max(axis=(-2, -1)))[1][:, None]
    nothing = np.zeros((len(a), a.shape[-1]), np.int32)
    scale(a, nothing - shifts, nothing)
    scale(x, nothing + shifts, nothing)
    norm = _norm_1(a)
    if not norm.all():  # the pseudo-inverse of zeros is zeros
        return np.where(norm == 0, _norm_1(x), 0.0)
    size, left, right = _norm_1(x), x @ a, a @ x
    conditions = (  # of Penrose: the first alone is met by matrices that are no pseudo-inverses
        _norm_1(right @ a - a) / (norm * size * norm),
        _norm_1(left @ x - x) / (size * norm * size),
        _norm_1(right - right.conj().swapaxes(-2, -1)) / (norm * size),
        _norm_1(left - left.conj().swapaxes(-2, -1)) / (norm * size),
    )
    return np.asarray(np.maximum.reduce(conditions))


def _norm_1(stack: Matrix) -> NDArray[Any]:
    norms: NDArray[Any] = np.abs(stack).sum(axis=-2).max(axis=-1)
    return norms
