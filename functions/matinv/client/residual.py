"""The residual of a result, computed on this side, in full, not by the service's code."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinv.linalg.certificate import Side
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
        scales it, or of ``A X A - A``, over ``norm(A, 1)`` once more, for a pseudo-inverse. NaN if
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
    ratios = _of_pinv(a, x) if side is Side.PINV else _of_inverse(a, x, side)
    return float(ratios.max() / (matrix.shape[-1] * unit_roundoff))


def _wide(array: Matrix) -> Matrix:
    """Return a stack of float64 or complex128, a copy."""
    dtype = np.complex128 if np.iscomplexobj(array) else np.float64
    return np.array(array.reshape(-1, *array.shape[-2:]), dtype)


def _of_inverse(a: Matrix, x: Matrix, side: Side) -> NDArray[Any]:
    rows, cols = equilibrate(a)
    scale(a, rows, cols)
    scale(x, -cols, -rows)
    product = x @ a if side is Side.LEFT else a @ x
    product -= np.eye(a.shape[-1])
    ratios: NDArray[Any] = _norm_1(product) / (_norm_1(a) * _norm_1(x))
    return ratios


def _of_pinv(a: Matrix, x: Matrix) -> NDArray[Any]:
    # A pseudo-inverse does not survive the scaling of rows, only that of everything.
    shifts = np.frexp(np.abs(a).max(axis=(-2, -1)))[1][:, None]
    nothing = np.zeros((len(a), a.shape[-1]), np.int32)
    scale(a, nothing - shifts, nothing)
    scale(x, nothing + shifts, nothing)
    norm = _norm_1(a)
    if not norm.all():  # the pseudo-inverse of zeros is zeros
        return np.where(norm == 0, _norm_1(x), 0.0)
    ratios: NDArray[Any] = _norm_1(a @ x @ a - a) / (norm * _norm_1(x) * norm)
    return ratios


def _norm_1(stack: Matrix) -> NDArray[Any]:
    norms: NDArray[Any] = np.abs(stack).sum(axis=-2).max(axis=-1)
    return norms
