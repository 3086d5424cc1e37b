"""Shapes: what is allowed, and the two ways to lay out a stack."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinv.core.errors import Code, Refused


def check_shape(shape: tuple[int, ...]) -> None:
    """Refuse what is neither (n, n) nor (k, n, n).

    Raises
    ------
    Refused
        EMPTY or NOT_SQUARE.
    """
    if 0 in shape:
        raise Refused(
            Code.EMPTY,
            "the array has no elements",
            "send at least one matrix of order 1",
            observed=shape,
        )
    if len(shape) not in {2, 3} or shape[-1] != shape[-2]:
        raise Refused(
            Code.NOT_SQUARE,
            f"an array of shape {shape} is neither a square matrix nor a stack of them",
            "only square matrices have an inverse; for other shapes see numpy.linalg.pinv",
            observed=shape,
            limit="(n, n) or (k, n, n)",
        )


def interleaved(a: NDArray[Any]) -> NDArray[Any]:
    """Return a copy of a stack (k, n, n) as (n, n, k): an element of all matrices side by side."""
    k, n = a.shape[:2]
    return np.array(a.reshape(k, n * n).T, order="C").reshape(n, n, k)


def stacked(a: NDArray[Any]) -> NDArray[Any]:
    """Return (n, n, k) as a stack (k, n, n) again."""
    n, _, k = a.shape
    return np.ascontiguousarray(a.reshape(n * n, k).T).reshape(k, n, n)
