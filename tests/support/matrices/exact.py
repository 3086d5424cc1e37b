"""Inverses in exact arithmetic, on Python's integers: what computed ones are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from matinv.linalg.types import Matrix

Integers = NDArray[Any]
"""Python's integers, of any size."""


@dataclass(frozen=True, slots=True)
class Exact:
    """A matrix of rational numbers, ``numerators / denominator``.

    Parameters
    ----------
    numerators : ndarray of int, shape (2, n, n)
        Of real and imaginary parts.
    denominator : int
        Positive.
    """

    numerators: Integers
    denominator: int

    @classmethod
    def inverse_of(cls, a: Matrix) -> Self:
        """Return the inverse of a matrix, whose elements are taken as they are.

        Raises
        ------
        ZeroDivisionError
            If it is singular.
        """
        n = len(a)
        if a.dtype.kind != "c":
            integers, denominator = _integers(a)
            adjugate, determinant = _adjugate(integers)
            real, imag = adjugate, np.zeros_like(adjugate)
        else:  # as the real matrix [[Re, -Im], [Im, Re]]
            integers, denominator = _integers(np.block([[a.real, -a.imag], [a.imag, a.real]]))
            adjugate, determinant = _adjugate(integers)
            real, imag = adjugate[:n, :n], adjugate[n:, :n]
        sign = -1 if determinant < 0 else 1
        return cls(np.stack([real, imag]) * (sign * denominator), sign * determinant)

    @property
    def magnitude(self) -> int:
        """Return the exponent of two of its largest element, nearly; of zero that of 1."""
        largest = max(abs(x) for x in self.numerators.flat)
        return largest.bit_length() - self.denominator.bit_length() if largest else 0

    def parts(self, exponent: int = 0) -> tuple[Matrix, Matrix]:
        """Return the matrix times ``2**exponent``: rounded once, and what is left, rounded.

        Raises
        ------
        OverflowError
            If float64 does not hold it.
        """
        factor, divisor = 1 << max(exponent, 0), self.denominator << max(-exponent, 0)
        real, imag = self.numerators
        high, low = _split(real * factor, divisor)
        if imag.any():
            more, less = _split(imag * factor, divisor)
            high, low = high + 1j * more, low + 1j * less
        return high, low

    def overflows(self, largest: float) -> bool:
        """Whether an element is beyond the largest number of a dtype."""
        return bool((np.abs(self.numerators) > int(largest) * self.denominator).any())


def _split(numerators: Integers, denominator: int) -> tuple[Matrix, Matrix]:
    high = (numerators / denominator).astype(np.float64)
    rests = [
        (x * q - p * denominator) / (denominator * q)
        for x, (p, q) in zip(
            numerators.flat, map(float.as_integer_ratio, high.ravel().tolist()), strict=True
        )
    ]
    return high, np.reshape(rests, high.shape)


def _integers(a: Matrix) -> tuple[Integers, int]:
    """Return integers and a power of two, by which they are the elements."""
    ratios = [float(x).as_integer_ratio() for x in a.flat]
    denominator = max(q for _, q in ratios)
    integers: Any = np.empty(len(ratios), dtype=np.object_)
    integers[:] = [p * (denominator // q) for p, q in ratios]
    return integers.reshape(a.shape), denominator


def _adjugate(a: Integers) -> tuple[Integers, int]:
    """Return adjugate and determinant, or both of them negative.

    Gauss-Jordan without fractions (Bareiss, Math. Comp. 22 (1968), 565-578): each number on the way
    is a minor, and each division leaves no remainder.
    """
    n = len(a)
    table = np.concatenate([a, np.eye(n, dtype=np.int64).astype(np.object_)], axis=1)
    before = 1
    for k in range(n):
        below = np.flatnonzero(table[k:, k])
        if not len(below):
            message = f"singular: no pivot in column {k}"
            raise ZeroDivisionError(message)
        table[[k, k + below[0]]] = table[[k + below[0], k]]
        row, pivot = table[k].copy(), table[k, k]
        table = (table * pivot - np.outer(table[:, k], row)) // before
        table[k], before = row, pivot
    return table[:, n:], before
