"""Small matrices: a whole stack at once through numpy, with full residuals.

A stack is worked off in chunks that fit a core's cache, in float64 or complex128 whatever the
input's precision; results are rounded to it before they are checked.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matinv.core import scaling
from matinv.core.certificate import Checked, Side
from matinv.core.findings import RESIDUAL_LIMIT, Findings, Flaw, Gates, How
from matinv.core.job import Matrix, Method
from matinv.core.kernels import Kernels, StackKernel, cholesky_stacked, solve_stacked

Vector = NDArray[Any]

# Elements of a chunk. Five arrays of its size are live at a time: 5 * 2**15 * 8 = 1.3 MB.
CHUNK_ELEMENTS: Final = 2**15

# Up to this order sums run over a transposed copy: numpy reduces short axes slowly.
_SHORT: Final = 8

_PLAIN: Final = StackKernel("gesv", solve_stacked)
_CHOLESKY: Final = StackKernel("potrf+potri", cholesky_stacked)


def solve(a: Matrix, x: Matrix, method: Method, kernels: Kernels) -> Findings:
    """Invert each slice of `a` into `x`, which may be the same memory.

    ``auto`` takes LU as ``general`` does: through numpy, Cholesky of small matrices saves nothing.
    """
    spd = method is Method.SPD
    kernel = _CHOLESKY if spd else kernels.for_stack(a.shape[-1])
    how = How("spd" if spd else "general", kernel.routine, Side.RIGHT, Checked.FULL)
    findings = Findings.blank(len(a), how)
    step = max(1, CHUNK_ELEMENTS // a.shape[-1] ** 2)
    for begin in range(0, len(a), step):
        span = slice(begin, begin + step)
        x[span] = _solve_chunk(a[span], kernel, findings.part(span), spd=spd)
    return findings


def _solve_chunk(given: Matrix, kernel: StackKernel, findings: Findings, *, spd: bool) -> Matrix:
    """Return the inverses of a few slices, rubbish where `findings` has a flaw."""
    gates = Gates(given.shape[-1], given.dtype)
    a = np.ascontiguousarray(given, dtype=np.promote_types(given.dtype, np.float64))
    size = np.abs(a)
    cols, rows = _sums(size)
    _mark_non_finite(a, cols, findings)
    if spd:
        _mark_not_hermitian(a, findings)
    uneven = _uneven_hermitian(a, given.dtype) if spd else _uneven(cols, rows, given.dtype)
    uneven &= findings.flaw == Flaw.NONE
    norm = cols.max(axis=0)
    shifts = None
    if uneven.any():
        part = a[uneven]
        shifts = (scaling.equilibrate_hermitian if spd else scaling.equilibrate)(part)
        scaling.scale(part, *shifts)
        a = np.array(a) if np.may_share_memory(a, given) else a
        a[uneven] = part
        norm[uneven] = _norm(part)
        findings.scaled[uneven] = True

    x, broken = kernel.invert(a)
    x = _measure(a, norm, x, gates, findings)
    findings.rcond[broken] = 0
    findings.mark(Flaw.NOT_POSITIVE if spd else Flaw.SINGULAR, broken)
    _mend(a, norm, x, gates, findings)
    if shifts is not None:
        part = x[uneven]
        scaling.scale(part, *reversed(shifts))
        x[uneven] = part
    findings.mark(Flaw.OVERFLOW, _overflown(x, given.dtype))
    findings.mark(Flaw.SINGULAR, ~(findings.rcond >= gates.rcond))
    return x


def _sums(size: Vector) -> tuple[Vector, Vector]:
    """Return the sums of the columns and of the rows of a stack, shape (n, k)."""
    k, n = size.shape[:2]
    if n <= _SHORT:
        element = np.ascontiguousarray(size.transpose(1, 2, 0))
        return element.sum(axis=0), element.sum(axis=1)
    ones = np.ones((1, n))
    rows = size.reshape(-1, n) @ ones[0]
    return np.ascontiguousarray((ones @ size)[:, 0].T), np.ascontiguousarray(rows.reshape(k, n).T)


def _norm(a: Matrix) -> Vector:
    """Return the 1-norms of a stack."""
    size = np.abs(a)
    if size.shape[1] <= _SHORT:
        sums = np.ascontiguousarray(size.transpose(1, 2, 0)).sum(axis=0)
    else:
        sums = np.ascontiguousarray((np.ones((1, size.shape[1])) @ size)[:, 0].T)
    return np.asarray(sums.max(axis=0))


def _uneven(cols: Vector, rows: Vector, dtype: np.dtype[Any]) -> NDArray[np.bool_]:
    return (
        scaling.differ_widely(cols)
        | scaling.differ_widely(rows)
        | scaling.out_of_range(cols, dtype)
    )


def _uneven_hermitian(a: Matrix, dtype: np.dtype[Any]) -> NDArray[np.bool_]:
    diagonal = np.diagonal(a, axis1=1, axis2=2).real.T
    return scaling.differ_widely(np.sqrt(diagonal)) | scaling.out_of_range(diagonal, dtype)


def _mark_non_finite(a: Matrix, cols: Vector, findings: Findings) -> None:
    if not np.isfinite(cols).all():  # sums of finite elements may overflow, too
        findings.mark(Flaw.NON_FINITE, ~np.isfinite(a).all(axis=(1, 2)))


def _mark_not_hermitian(a: Matrix, findings: Findings) -> None:
    findings.mark(Flaw.NOT_HERMITIAN, (a != a.conj().swapaxes(1, 2)).any(axis=(1, 2)))
    diagonal = np.diagonal(a, axis1=1, axis2=2).real
    findings.mark(Flaw.NOT_POSITIVE, ~(diagonal > 0).all(axis=1))


def _measure(a: Matrix, norm: Vector, x: Matrix, gates: Gates, findings: Findings) -> Matrix:
    """Write rcond and residual of `x` rounded to the input's precision, and return it so."""
    n = gates.n
    if a.dtype != gates.dtype:
        x = x.astype(gates.dtype).astype(a.dtype)
    product = norm * _norm(x)
    error = a @ x
    error.reshape(-1, n * n)[:, :: n + 1] -= 1
    findings.rcond[:] = np.fmin(np.nan_to_num(1 / product, nan=0.0), 1)
    findings.residual[:] = _norm(error) / (n * product * (gates.eps / 2))
    return x


def _mend(a: Matrix, norm: Vector, x: Matrix, gates: Gates, findings: Findings) -> None:
    """Compute what fails the check of its residual once more, by the plain routine."""
    passed = (findings.residual < RESIDUAL_LIMIT) | ~(findings.rcond >= gates.rcond)
    failed = (findings.flaw == Flaw.NONE) & ~passed
    if failed.any():
        how = How("general", _PLAIN.routine, Side.RIGHT, Checked.FULL)
        part = Findings.blank(int(failed.sum()), how)
        again, _ = _PLAIN.invert(a[failed])
        x[failed] = _measure(a[failed], norm[failed], again, gates, part)
        findings.rcond[failed], findings.residual[failed] = part.rcond, part.residual
        findings.how[failed] = part.how


def _overflown(x: Matrix, dtype: np.dtype[Any]) -> NDArray[np.bool_]:
    """Whether slices have elements that `dtype` cannot hold."""
    return np.asarray(~np.isfinite(x.astype(dtype, copy=False)).all(axis=(1, 2)))
