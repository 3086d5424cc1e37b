"""Shapes: what is allowed, and the two ways to lay out a stack."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def interleaved(a: NDArray[Any]) -> NDArray[Any]:
    """Return a copy of a stack (k, n, n) as (n, n, k): an element of all matrices side by side."""
    k, n = a.shape[:2]
    return np.array(a.reshape(k, n * n).T, order="C").reshape(n, n, k)


def stacked(a: NDArray[Any]) -> NDArray[Any]:
    """Return (n, n, k) as a stack (k, n, n) again."""
    n, _, k = a.shape
    return np.ascontiguousarray(a.reshape(n * n, k).T).reshape(k, n, n)
