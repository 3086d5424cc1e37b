"""Inverses of a stack of small matrices: elimination without interchanges, then one Schulz step.

LAPACK takes 2.4 us for a matrix of order 8, most of it to get started. Here each operation runs
across the whole stack: up to order 8 on element (i, j) of all matrices at once, above it on halves,
by Schur complements. Interchanges would differ from matrix to matrix and cost more than all the
arithmetic, so there are none, and the first inverse X may be poor. One step of Newton's iteration
(Schulz [1]_), ``X + X E`` with ``E = I - A X``, squares the error: ``I - A (X + X E) = E**2``, down
to the rounding of E itself, which leaves a residual as small as LAPACK's. Where elimination has
lost half of the digits or broken down, the residual that is measured in any case says so, and LU
with interchanges takes over (1 in 5,000 random matrices).

References
----------
.. [1] G. Schulz, "Iterative Berechnung der reziproken Matrix", Z. Angew. Math. Mech. 13 (1933),
   57-59.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matinv.linalg.determinant import Determinants
from matinv.linalg.layout import ACROSS_N, interleaved, product, stacked
from matinv.linalg.types import Matrix

# Up to here it beats LAPACK one by one: 1.1 us against 3.4 at n = 8, 5.1 against 8.1 at n = 16, 20
# against 23 at n = 32, where 48 takes 50 against 41. Measured by scripts/crossovers.
SHORT_N: Final = 32

# Up to here element by element, above it by halves: 1.0 us against 1.1 at n = 8.
_ELEMENTS_N: Final = 8

# From this ratio on the step has not reached the residual of LU, whose largest of 20,000 random
# matrices is 0.4 at n = 4 and 0.1 at n = 12.
CONVERGED: Final = 0.25

_LEAST: Final = 2.0**-900  # a product of pivots below it may have lost bits on its way


def invert_short(a: Matrix) -> tuple[Matrix, Determinants]:
    """Invert a stack of small order.

    Parameters
    ----------
    a : ndarray of float64 or complex128, shape (k, n, n)
        Left as it is.

    Returns
    -------
    x : ndarray, shape (k, n, n)
        The inverses, which must be checked: to some regular matrices they are no inverses.
    Determinants
        Never zero: without interchanges a zero pivot proves nothing. In doubt by as much as the
        step took away, since no step improves a product of pivots.
    """
    k, n = a.shape[:2]
    if n <= ACROSS_N:
        elements = interleaved(a)
        inverses, determinant = _eliminated(elements.copy())
        error = product(elements, inverses)
        np.negative(error, out=error)
        error.reshape(n * n, k)[:: n + 1] += 1
        step = stacked(product(inverses, error) + inverses)
        size = np.abs(error.reshape(n * n, k))
        doubt = np.sqrt(np.add.reduce(size * size, axis=0))
    else:
        x, determinant = _halved(a)
        error = a @ x
        np.negative(error, out=error)
        error.reshape(k, n * n)[:, :: n + 1] += 1
        step = x @ error
        step += x
        flat = error.reshape(k, n * n).view(np.float64)
        doubt = np.sqrt(np.einsum("ij,ij->i", flat, flat))
    size = np.abs(determinant)
    if not (size.min() > _LEAST and size.max() < 1 / _LEAST):
        determinant[~((size > _LEAST) & (size < 1 / _LEAST))] = np.nan
    return step, Determinants(determinant, np.zeros(len(a), dtype=np.int64), doubt)


def _halved(a: Matrix) -> tuple[Matrix, NDArray[Any]]:
    """Invert by blocks: ``[[A, B], [C, D]]`` through A and its Schur complement D - C A^-1 B.

    The determinant is the product of theirs.
    """
    n = a.shape[-1]
    if n <= _ELEMENTS_N:
        x, determinant = _eliminated(np.array(interleaved(a)))
        return np.ascontiguousarray(stacked(x)), determinant
    upper, lower = slice(n // 2), slice(n // 2, n)
    first, determinant = _halved(a[:, upper, upper])
    right, below = first @ a[:, upper, lower], a[:, lower, upper] @ first
    second, other = _halved(a[:, lower, lower] - a[:, lower, upper] @ right)
    right = np.matmul(right, second)
    x = np.empty(a.shape, a.dtype)
    np.add(first, right @ below, out=x[:, upper, upper])
    np.negative(right, out=x[:, upper, lower])
    np.negative(second @ below, out=x[:, lower, upper])
    x[:, lower, lower] = second
    determinant *= other
    return x, determinant


def _eliminated(a: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Replace matrices (n, n, k) by their inverses: Gauss-Jordan, pivots from the diagonal."""
    product = np.empty_like(a)
    determinant = np.ones(a.shape[2], a.dtype)
    for j in range(len(a)):
        pivot, column = a[j, j].copy(), a[:, j].copy()
        determinant *= pivot
        column[j] = 0
        a[:, j] = 0
        a[j, j] = 1
        a[j] /= pivot
        np.multiply(column[:, None], a[j], out=product)
        a -= product
    return a, determinant
