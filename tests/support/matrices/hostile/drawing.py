"""A draw of a random matrix, and the table of the families that draw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Drawn = NDArray[Any]
Maker = Callable[["Draw"], Drawn]


@dataclass(frozen=True, slots=True)
class Draw:
    """What a family draws from.

    Parameters
    ----------
    rng : Generator
        The only source of chance.
    n : int
        The order that is wanted.
    dtype : dtype
        What the matrix will be rounded to. Families return float64 or complex128.
    """

    rng: np.random.Generator
    n: int
    dtype: np.dtype[Any]

    @property
    def single(self) -> bool:
        """Whether the matrix will be rounded to 24 bits."""
        return self.dtype.char in "fF"

    @property
    def digits(self) -> int:
        """Return bits of an element."""
        return 24 if self.single else 53

    @property
    def u(self) -> float:
        """Return the unit roundoff."""
        return 2.0**-self.digits

    def decades(self, most: float) -> float:
        """Return at most so many decades, as many as the dtype has room for."""
        return min(most, 16.0 if self.single else 140.0)

    def log(self, low: float, high: float, size: Any = None) -> Any:
        """Return numbers whose decimal logarithm is uniform."""
        return 10.0 ** self.rng.uniform(low, high, size)

    def twos(self, decades: float, size: int) -> Drawn:
        """Return powers of two, exponents uniform over so many decades on both sides of 1."""
        most = int(self.decades(decades) * 3.32)
        return 2.0 ** self.rng.integers(-most, most, size, endpoint=True)

    def normal(self, *shape: int) -> Drawn:
        """Return normal numbers, complex for a complex dtype."""
        real = self.rng.standard_normal(shape)
        return real + 1j * self.rng.standard_normal(shape) if self.dtype.kind == "c" else real

    def whole(self, top: int, *shape: int) -> Drawn:
        """Return integers from ``-top`` to `top`, complex ones for a complex dtype."""
        real = self.rng.integers(-top, top, shape, endpoint=True).astype(np.float64)
        if self.dtype.kind != "c":
            return real
        return real + 1j * self.rng.integers(-top, top, shape, endpoint=True)

    def orthogonal(self, n: int) -> Drawn:
        """Return an orthogonal or unitary matrix, to rounding."""
        return np.linalg.qr(self.normal(n, n))[0]

    def turned(self, a: Drawn) -> Drawn:
        """Return the matrix, if complex ones are drawn with rows and columns times powers of i."""
        if self.dtype.kind != "c":
            return a
        units = np.array([1, 1j, -1, -1j])
        rows, cols = self.rng.integers(0, 4, (2, len(a)))
        return units[rows][:, None] * a * units[cols]

    def either(self, a: Drawn) -> Drawn:
        """Return the matrix or its transpose."""
        return a.T.copy() if self.rng.random() < 0.5 else a


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of matrices.

    Parameters
    ----------
    name : str
        Its only name.
    draw : callable
        Makes one.
    group : str
        What it is for: ``scaled``, ``growth``, ``classic``, ``singular``, ``hermitian``, ``rank``,
        ``edge``, ``stray``.
    low, high : int
        The orders that it is drawn for.
    """

    name: str
    draw: Maker
    group: str
    low: int
    high: int


FAMILIES: Final[dict[str, Family]] = {}


def family(group: str, low: int = 1, high: int = 300) -> Callable[[Maker], Maker]:
    """Enter a maker into the table under its own name."""

    def enter(draw: Maker) -> Maker:
        name = draw.__name__.replace("_", "-")
        assert name not in FAMILIES, name
        FAMILIES[name] = Family(name, draw, group, low, high)
        return draw

    return enter


def rounded(a: Drawn, dtype: np.dtype[Any]) -> Drawn:
    """Return the matrix in its dtype, what is beyond its range at the end of it."""
    largest = np.finfo(dtype).max
    if dtype.kind != "c":
        return np.clip(a.real, -largest, largest).astype(dtype)
    parts = np.clip(a.real, -largest, largest) + 1j * np.clip(a.imag, -largest, largest)
    return parts.astype(dtype)
