"""Numbers as float64 mantissas with exponents of their own, which neither overflow nor vanish."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import flint
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Wide:
    """Numbers ``mantissa * 2**exponent``, rounded to float64's 53 bits.

    Parameters
    ----------
    mantissa : ndarray of float64
        0, or of absolute value from 1/2 to 1.
    exponent : ndarray of int64
        Any; small for 0.
    """

    mantissa: Floats
    exponent: Floats

    @classmethod
    def of(cls, balls: list[flint.arb], shape: tuple[int, ...]) -> Self:
        """Return the midpoints of real balls."""
        mantissa = np.array(list(map(float, balls)))  # right unless out of float64's range
        size = np.abs(mantissa)
        exponent = np.zeros(len(balls), np.int64)
        for k in np.flatnonzero(~((size > 1e-300) & (size < 1e300))).tolist():
            man, exp = map(int, balls[k].mid().man_exp())
            cut = max(man.bit_length() - 62, 0)
            mantissa[k], exponent[k] = man >> cut, exp + cut if man else -(2**40)
        fraction, more = np.frexp(mantissa)
        return cls(fraction.reshape(shape), (exponent + more).reshape(shape))

    def shifted(self, exponent: Any) -> Wide:
        """Return the numbers times powers of two."""
        return Wide(
            self.mantissa, np.where(self.mantissa == 0, self.exponent, self.exponent + exponent)
        )

    def top(self) -> int:
        """Return the exponent of the largest number."""
        return int(self.exponent.max())

    def floats(self, top: int) -> Floats:
        """Return the numbers over ``2**top``; what is far below it becomes 0."""
        return np.ldexp(self.mantissa, np.clip(self.exponent - top, -1080, 1000).astype(np.int64))


def norm_1(parts: tuple[Wide, Wide], top: int) -> float:
    """Return the largest column sum of absolute values of a complex matrix, over ``2**top``."""
    sizes = np.hypot(parts[0].floats(top), parts[1].floats(top))
    return float(sizes.sum(axis=0).max())
