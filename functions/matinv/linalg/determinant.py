"""Determinants that neither overflow nor vanish: numbers times powers of two.

They are products of pivots, so they are known to about ``n * u * kappa_1`` relative to themselves:
``det(A + dA) = det(A) det(I + A^-1 dA)``, with dA the backward error of the elimination (Higham,
"Accuracy and Stability of Numerical Algorithms", 2nd ed., SIAM 2002, 14.6).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

# Of numbers in [0.5, 1), the product of so many is a normal float64.
_SAFE_FACTORS: Final = 512

_LN_2: Final = float(np.log(2))


@dataclass(frozen=True, slots=True)
class Determinants:
    """One determinant ``value * 2**exponent`` per slice.

    Parameters
    ----------
    value : ndarray of float64 or complex128, shape (k,)
        0 where there is no inverse; NaN where it is unknown.
    exponent : ndarray of int64, shape (k,)
        The powers of two.
    doubt : ndarray of float64, shape (k,), or None
        Of an elimination without interchanges, the norm of its residual ``A X - I``; the pivots are
        as right as that is small. None where they are as right as the inverse.
    """

    value: NDArray[Any]
    exponent: NDArray[np.int64]
    doubt: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, value: NDArray[Any]) -> Determinants:
        """Return determinants that float64 can hold."""
        return cls(value, np.zeros(len(value), dtype=np.int64))

    @classmethod
    def blank(cls, count: int, dtype: np.dtype[Any]) -> Determinants:
        """Return determinants of which nothing is known yet."""
        return cls.of(np.full(count, np.nan, np.promote_types(dtype, np.float64)))

    @classmethod
    def of_pivots(cls, pivots: NDArray[Any]) -> Determinants:
        """Return the products of pivots, shape (k, n)."""
        factors = pivots.astype(np.promote_types(pivots.dtype, np.float64))
        exponent = _take_exponents(factors)
        while factors.shape[1] > 1:
            if factors.shape[1] <= _SAFE_FACTORS:
                factors = np.multiply.reduce(factors, axis=1, keepdims=True)
            else:
                starts = np.arange(0, factors.shape[1], _SAFE_FACTORS)
                factors = np.multiply.reduceat(factors, starts, axis=1)
            exponent += _take_exponents(factors)
        return cls(factors[:, 0], exponent)

    def __getitem__(self, index: slice | NDArray[np.bool_]) -> Determinants:
        return Determinants(self.value[index], self.exponent[index])

    def __setitem__(self, where: Any, found: Determinants) -> None:
        self.value[where], self.exponent[where] = found.value, found.exponent

    def times(self, factor: Any, exponent: Any) -> Determinants:
        """Return the determinants times ``factor * 2**exponent``."""
        return Determinants(self.value * factor, self.exponent + exponent)

    def squared(self) -> Determinants:
        """Return the determinants of ``U^H U``, given those of U."""
        return Determinants(self.value**2, 2 * self.exponent)

    @property
    def zero(self) -> NDArray[np.bool_]:
        """The slices without an inverse."""
        return np.asarray(self.value == 0)

    @property
    def log_abs(self) -> NDArray[np.float64]:
        """The natural logarithms of their absolute values, NaN where they are unknown."""
        with np.errstate(all="ignore"):
            return np.asarray(np.log(np.abs(self.value)) + self.exponent * _LN_2)

    @property
    def sign(self) -> NDArray[Any]:
        """Numbers of absolute value 1, as those of `numpy.linalg.slogdet`; NaN where unknown."""
        with np.errstate(all="ignore"):
            if self.value.dtype.kind != "c":
                return np.asarray(np.sign(self.value))
            return np.asarray(self.value / np.abs(self.value))


def _take_exponents(factors: NDArray[Any]) -> NDArray[np.int64]:
    """Bring factors (k, n) to [0.5, 1), in place, and return the exponents that they lost."""
    if factors.dtype.kind != "c":
        taken = np.frexp(factors, out=(factors, np.empty(factors.shape, dtype=np.int32)))[1]
        return np.asarray(np.add.reduce(taken, axis=1, dtype=np.int64))
    taken = np.frexp(np.maximum(np.abs(factors.real), np.abs(factors.imag)))[1]
    np.ldexp(factors.real, -taken, out=factors.real)
    np.ldexp(factors.imag, -taken, out=factors.imag)
    return np.asarray(np.add.reduce(taken, axis=1, dtype=np.int64))


def parity(pivots: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the sign of LAPACK's interchanges, shape (k, n): row i with row ``pivots[i]``."""
    moved = np.add.reduce(pivots != np.arange(1, pivots.shape[-1] + 1), axis=-1, dtype=np.int64)
    return np.asarray(1 - 2 * (moved & 1))
