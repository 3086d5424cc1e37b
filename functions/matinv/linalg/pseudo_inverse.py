"""The Moore-Penrose pseudo-inverse by SVD, for matrices that have no inverse."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from matinv.linalg import scaling
from matinv.linalg.certificate import Checked, Side
from matinv.linalg.gates import Flaw, Gates, How, Measurements
from matinv.linalg.types import Matrix

_HOW: Final = How("pinv", "gesdd", Side.PINV, Checked.FULL)
_CHUNK_ELEMENTS: Final = 2**15  # as for inverses; above n = 181 one matrix at a time


def solve(a: Matrix, x: Matrix) -> Measurements:
    """Write the pseudo-inverse of each slice of `a` into `x`, which may be the same memory.

    Singular values below ``n * eps`` times the largest count as zero.
    """
    findings = Measurements.blank(len(a), _HOW)
    step = max(1, _CHUNK_ELEMENTS // a.shape[-1] ** 2)
    for begin in range(0, len(a), step):
        span = slice(begin, begin + step)
        x[span] = _solve_chunk(a[span], findings.part(span))
    return findings


def _solve_chunk(given: Matrix, findings: Measurements) -> Matrix:
    gates = Gates.of(given.shape[-1], given.dtype)
    a = given.astype(np.promote_types(given.dtype, np.float64))
    finite = np.isfinite(a).all(axis=(1, 2))
    findings.mark(Flaw.NON_FINITE, ~finite)
    a[~finite] = 0
    # One shift for a whole matrix: rows of their own would change the pseudo-inverse.
    rows, cols = scaling.level(a, gates.dtype)
    findings.scaled[:] = rows.any(axis=1)
    scaling.scale(a, rows, cols)
    x = _pseudo_inverse(a, 2 * gates.residual_unit).astype(given.dtype).astype(a.dtype)
    _measure(a, x, gates, findings)
    scaling.scale(x, cols, rows)
    result = x.astype(given.dtype)
    findings.mark(Flaw.OVERFLOW, ~np.isfinite(result).all(axis=(1, 2)))
    return result


def _pseudo_inverse(a: Matrix, rtol: float) -> Matrix:
    """Return the pseudo-inverses of a stack; NaN where the SVD did not converge."""
    try:
        u, s, vh = np.linalg.svd(a)
    except np.linalg.LinAlgError:
        if len(a) == 1:
            return np.full_like(a, np.nan)
        return np.concatenate([_pseudo_inverse(a[i : i + 1], rtol) for i in range(len(a))])
    kept = s > rtol * s[:, :1]
    inverse = np.divide(1, s, out=np.zeros_like(s), where=kept)
    x: Matrix = (vh.conj().swapaxes(1, 2) * inverse[:, None, :]) @ u.conj().swapaxes(1, 2)
    return x


def _measure(a: Matrix, x: Matrix, gates: Gates, findings: Measurements) -> None:
    norm, product = _norm(a), _norm(a) * _norm(x)
    # The pseudo-inverse of zero is zero, exactly.
    exact = product == 0
    scale = norm * product * gates.residual_unit
    findings.rcond[:] = np.where(exact, 1.0, 1 / product)
    findings.bound[:] = gates.roundoff / findings.rcond
    findings.residual[:] = np.where(exact, 0.0, _norm(a @ x @ a - a) / scale)


def _norm(a: Matrix) -> Any:
    return np.abs(a).sum(axis=1).max(axis=1)
