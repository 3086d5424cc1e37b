"""Inverses of order 1, 2 and 3 by the adjugate, a whole stack at once, no digit lost.

``[[1, 2], [3, 4]]`` gives exactly ``[[-2.0, 1.0], [1.5, -0.5]]``, and the determinant of a singular
matrix of integers is exactly zero: products are differenced with their rounding errors in hand
(Dekker's two-product, 1971; sums as in Ogita, Rump and Oishi's Dot2, 2005), as if in twice the
precision. numpy has no fused multiply-add to do it with (Kahan's way).

Elements must lie in about 2**-256 .. 2**256, or be small beside the others of their row and
column: `matinv.linalg.scaling` sees to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matinv.linalg import doubled
from matinv.linalg.determinant import Determinants
from matinv.linalg.layout import interleaved, stacked
from matinv.linalg.types import Matrix

Vector = NDArray[Any]
"""One element of each matrix of the stack, shape (k,), float64 or complex128."""

Split = NDArray[np.float64]
"""A real element with its upper and lower half: shape (3, k), ``x[0] == x[1] + x[2]``."""

Term = tuple[int, Split, Split]
"""A sign and two factors."""

# Up to here the adjugate beats LAPACK: 0.016 and 0.10 us a matrix against 0.11 and 0.21.
CLOSED_N: Final = 3

_SPLIT: Final = 2.0**27 + 1  # cuts a float64's 53 bits in two (Veltkamp)


def invert_closed(a: Matrix) -> tuple[Matrix, Determinants]:
    """Invert a stack of order 1, 2 or 3.

    Parameters
    ----------
    a : ndarray of float64 or complex128, shape (k, n, n)
        Left as it is.

    Returns
    -------
    x : ndarray, shape (k, n, n)
        The inverses; not finite where the matrix is singular.
    Determinants
        Zero where the matrix is singular, exactly.
    """
    n = a.shape[-1]
    elements = interleaved(a)
    x: Vector = np.empty_like(elements)
    determinant = (_order_1, _order_2, _order_3)[n - 1](elements, x)
    x /= determinant
    x += 0.0  # no inverse has an element -0.0
    return stacked(x), Determinants.of(determinant)


def _order_1(a: Vector, adjugate: Vector) -> Vector:
    adjugate[0, 0] = 1
    return np.asarray(a[0, 0])


def _order_2(a: Vector, adjugate: Vector) -> Vector:
    adjugate[0, 0], adjugate[1, 1] = a[1, 1], a[0, 0]
    np.negative(a[0, 1], out=adjugate[0, 1])
    np.negative(a[1, 0], out=adjugate[1, 0])
    e = _Elements(a)
    return e.dot([(1, e[0, 0], e[1, 1]), (-1, e[0, 1], e[1, 0])])


def _order_3(a: Vector, adjugate: Vector) -> Vector:
    e = _Elements(a)
    for i in range(3):
        for j in range(3):
            # Taken in cyclic order, rows and columns give the cofactor its sign.
            r, s = (j + 1) % 3, (j + 2) % 3
            c, d = (i + 1) % 3, (i + 2) % 3
            adjugate[i, j] = e.dot([(1, e[r, c], e[s, d]), (-1, e[r, d], e[s, c])])
    cofactors = _Elements(adjugate[:, :1])
    return e.dot([(1, e[0, j], cofactors[j, 0]) for j in range(3)])


class _Elements:
    """The elements of a stack, real and imaginary part each split into halves.

    Parameters
    ----------
    a : ndarray, shape (rows, columns, k)
        The elements.
    """

    def __init__(self, a: Vector) -> None:
        self.real = _split(a.real)
        self.imag = _split(a.imag) if np.iscomplexobj(a) else None

    def __getitem__(self, index: tuple[int, int]) -> tuple[Split, Split | None]:
        i, j = index
        return self.real[:, i, j], None if self.imag is None else self.imag[:, i, j]

    def dot(self, terms: Sequence[tuple[int, Any, Any]]) -> Vector:
        """Return the sum of signed products of elements, rounded about once."""
        if self.imag is None:
            return _dot([(sign, x[0], y[0]) for sign, x, y in terms])
        total = np.empty(self.real.shape[-1], dtype=np.complex128)
        total.real = _dot(
            [t for s, x, y in terms for t in ((s, x[0], y[0]), (-s, x[1], y[1]))],
        )
        total.imag = _dot(
            [t for s, x, y in terms for t in ((s, x[0], y[1]), (s, x[1], y[0]))],
        )
        return total


def _split(x: Vector) -> Split:
    parts = np.empty((3, *x.shape))
    whole, high, low = parts
    whole[...] = x
    np.multiply(x, _SPLIT, out=low)
    np.subtract(low, x, out=high)
    np.subtract(low, high, out=high)
    np.subtract(x, high, out=low)
    return parts


def _dot(terms: Sequence[Term]) -> Vector:
    total, lost = _two_product(*terms[0][1:])
    if terms[0][0] < 0:
        total, lost = -total, -lost
    for sign, x, y in terms[1:]:
        product, error = _two_product(x, y)
        total, dropped = doubled.two_sum(total, product, sign)
        lost += error if sign > 0 else np.negative(error, out=error)
        lost += dropped
    total += lost
    return total


def _two_product(x: Split, y: Split) -> tuple[Vector, Vector]:
    """Return ``x * y`` rounded, and its rounding error, exactly (Dekker)."""
    product = x[0] * y[0]
    error = x[1] * y[1]
    error -= product
    part = x[1] * y[2]
    error += part
    np.multiply(x[2], y[1], out=part)
    error += part
    np.multiply(x[2], y[2], out=part)
    error += part
    return product, error
