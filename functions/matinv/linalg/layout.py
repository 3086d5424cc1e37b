"""Shapes: what is allowed, and the two ways to lay out a stack."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

# Up to this order a chunk is interleaved once, and each operation runs across its slices: on rows
# as short as these, numpy and BLAS spend their time on getting started.
ACROSS_N: Final = 4


def interleaved(a: NDArray[Any]) -> NDArray[Any]:
    """Return a stack (k, n, n) as (n, n, k): an element of all matrices side by side.

    An array that `stacked` has made is not copied.
    """
    k, n = a.shape[:2]
    return np.ascontiguousarray(a.reshape(k, n * n).T).reshape(n, n, k)


def stacked(a: NDArray[Any]) -> NDArray[Any]:
    """Return (n, n, k) as a stack (k, n, n) again, in the same memory."""
    n, _, k = a.shape
    return a.reshape(n * n, k).T.reshape(k, n, n)


def product(a: NDArray[Any], x: NDArray[Any]) -> NDArray[Any]:
    """Return the products of matrices, all (n, n, k)."""
    total = a[:, :1] * x[:1]
    part = np.empty_like(total)
    for j in range(1, len(a)):
        np.multiply(a[:, j : j + 1], x[j : j + 1], out=part)
        total += part
    return np.asarray(total)
