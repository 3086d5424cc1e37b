"""Whether a Hermitian matrix is positive definite: by balls, where floats leave a doubt."""

from __future__ import annotations

from typing import Any

import flint
import numpy as np
from numpy.typing import NDArray

from linalg.campaign.oracle import lifted


def positive_definite(a: NDArray[Any], *, doubt: bool = False) -> bool:
    """Return whether a matrix is Hermitian and positive definite.

    Parameters
    ----------
    a : ndarray, shape (n, n)
        The matrix.
    doubt : bool
        What to return where 2,048 bits or the order do not decide.
    """
    diagonal = np.diag(a)
    if not np.array_equal(a, a.conj().T) or diagonal.imag.any() or not (diagonal.real > 0).all():
        return False
    half = -(np.frexp(diagonal.real.astype(np.float64))[1] // 2)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        scaled = np.ldexp(np.ldexp(a.real.astype(np.float64), half[:, None]), half)
        if a.dtype.kind == "c":
            scaled = scaled + 1j * np.ldexp(
                np.ldexp(a.imag.astype(np.float64), half[:, None]), half
            )
    if not np.isfinite(scaled).all() or np.abs(scaled).max() > 4:
        return False  # |a_ij|^2 < a_ii a_jj is necessary
    values = np.linalg.eigvalsh(scaled)
    if abs(values[0]) > 1e-10 * abs(values[-1]):
        return bool(values[0] > 0)
    return _by_balls(a, half, doubt=doubt) if len(a) <= 40 else doubt


def _by_balls(a: NDArray[Any], half: NDArray[Any], *, doubt: bool) -> bool:
    n, bits = len(a), 256
    while bits <= 2048:
        with flint.ctx.workprec(bits):
            table = lifted(a, half[:, None] + half).tolist()
            for k in range(n):
                pivot = table[k][k].real
                if not (pivot > 0 or pivot < 0):
                    break
                if pivot < 0:
                    return False
                for i in range(k + 1, n):
                    factor = table[i][k] / pivot
                    for j in range(k + 1, n):
                        table[i][j] -= factor * table[k][j]
            else:
                return True
        bits *= 2
    return doubt
