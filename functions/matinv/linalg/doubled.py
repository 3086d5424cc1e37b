"""Sums and products as if in about twice the precision, by numpy and BLAS alone.

Of a product each factor is cut into slices of so few bits that products of slices are exact in
float64, whatever the order in which BLAS adds them up (Ozaki, Ogita, Oishi and Rump, "Error-free
transformations of matrix multiplication", Numer. Algorithms 59 (2012), 95-118).
"""

from __future__ import annotations

from math import ceil, log2
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matinv.linalg import scaling
from matinv.linalg.types import Matrix

Array = NDArray[Any]

UNIT: Final = 2.0**-72
"""Of the residuals here, beside ``norm(x) * norm(y)``, as the roundoff of a plain product."""


def two_sum(x: Array, y: Array, sign: int = 1) -> tuple[Array, Array]:
    """Return ``x + sign * y`` rounded, and its rounding error, exactly (Knuth).

    Parameters
    ----------
    x, y : ndarray of float64 or complex128, of one shape
        Left as they are.
    sign : int
        1 or -1.
    """
    total = x + y if sign > 0 else x - y
    y_part = total - x
    error = total - y_part
    np.subtract(x, error, out=error)
    if sign > 0:
        np.subtract(y, y_part, out=y_part)
        error += y_part
    else:  # y_part stands for -y
        np.add(y, y_part, out=y_part)
        error -= y_part
    return total, error


def residual(x: Matrix, y: Matrix, c: Matrix) -> Matrix:
    """Return ``x @ y - c``, each element right to about 2**-75 of ``(abs(x) @ abs(y))``.

    Parameters
    ----------
    x, y, c : ndarray of float64 or complex128, shape (n, n) or (k, n, n)
        `c` is about ``x @ y``.
    """
    n = x.shape[-1]
    # A sum of n products (2 n of complex numbers) of two slices has to fit 53 bits.
    bits = (53 - ceil(log2(2 * n))) // 2
    x1, x2, x3 = slices(x, bits, axis=-1)
    y1, y2, y3 = slices(y, bits, axis=-2)
    total: Matrix = (x1 @ y1 - c) + (x1 @ y2 + x2 @ y1)
    total += x2 @ (y - y1) + x1 @ y3 + x3 @ y
    return total


def slices(a: Matrix, bits: int, axis: int) -> tuple[Matrix, Matrix, Matrix]:
    """Cut off so many bits, counted from the largest of each row (or column), twice."""
    first = _leading(a, bits, axis)
    rest = a - first
    second = _leading(rest, bits, axis)
    rest -= second
    return first, second, rest


def _leading(a: Matrix, bits: int, axis: int) -> Matrix:
    largest = np.maximum.reduce(scaling.magnitude(a), axis=axis, keepdims=True)
    anchor = np.ldexp(1.5, np.maximum(np.frexp(largest)[1], -900) + (53 - bits))
    if a.dtype.kind == "c":
        anchor = anchor * (1 + 1j)  # both parts are rounded
    leading: Matrix = a + anchor  # to multiples of the anchor's last bit
    leading -= anchor
    return leading
