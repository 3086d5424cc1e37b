"""Whether results are right: a fast wrong answer ends the row without a figure."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# LAPACK's own threshold, which the service's gates use too; the residual here is computed in full
# and by this code alone.
RESIDUAL_LIMIT: Final = 30.0
_UNIT_ROUNDOFF: Final = float(np.finfo(np.float64).eps) / 2


class WrongError(Exception):
    """A side of a comparison does not do the work."""


def residual(a: Array, x: Array) -> float:
    """Return ``norm(A X - I, 1) / (n * norm(A, 1) * norm(X, 1) * u)``, the largest of a stack."""
    n = a.shape[-1]
    product = a @ x
    product -= np.eye(n)
    ratios = _norm_1(product) / (_norm_1(a) * _norm_1(x))
    return float(np.max(ratios) / (n * _UNIT_ROUNDOFF))


def check_inverse(a: Array, x: Array) -> None:
    """Raise `WrongError` unless `x` is the inverse of `a`, or of each of its slices."""
    if x.shape != a.shape:
        message = f"an inverse of shape {x.shape} for a matrix of shape {a.shape}"
        raise WrongError(message)
    found = residual(a, x)
    if not found < RESIDUAL_LIMIT:
        message = f"the residual of an inverse of order {a.shape[-1]} is {found:.3g}"
        raise WrongError(message)


def check_same(found: Array, expected: Array) -> None:
    """Raise `WrongError` unless both arrays are the same, to the last bit."""
    if found.dtype != expected.dtype or found.tobytes() != expected.tobytes():
        message = f"an array of shape {expected.shape} did not come back bit for bit"
        raise WrongError(message)


def _norm_1(stack: Array) -> Array:
    norms: Array = np.abs(stack).sum(axis=-2).max(axis=-1)
    return norms
