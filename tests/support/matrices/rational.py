"""Exact inverses by rational numbers, apart from all code that they judge."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rationals = list[list[Fraction]]


def fractions_of(a: NDArray[Any]) -> Rationals:
    """Return a real matrix as rationals, exactly."""
    return [[Fraction(float(x)) for x in row] for row in a]


def inverse(a: NDArray[Any]) -> Rationals:
    """Return the exact inverse of a real matrix: Gauss-Jordan elimination on rationals.

    Raises
    ------
    ZeroDivisionError
        If there is none.
    """
    n = len(a)
    rows = [
        [*row, *(Fraction(int(i == j)) for j in range(n))] for i, row in enumerate(fractions_of(a))
    ]
    for j in range(n):
        at = next((i for i in range(j, n) if rows[i][j]), None)
        if at is None:
            raise ZeroDivisionError
        rows[j], rows[at] = rows[at], rows[j]
        pivot = rows[j][j]
        rows[j] = [x / pivot for x in rows[j]]
        for i in range(n):
            if i != j and rows[i][j]:
                factor = rows[i][j]
                rows[i] = [x - factor * y for x, y in zip(rows[i], rows[j], strict=True)]
    return [row[n:] for row in rows]


def digits(x: NDArray[Any], exact: Rationals) -> float:
    """Return ``-log10`` of the true relative error of `x` in the 1-norm; 40 where it is exact."""
    n = len(x)
    error = [[abs(Fraction(float(x[i, j])) - exact[i][j]) for i in range(n)] for j in range(n)]
    distance = max(map(sum, error))
    norm = max(sum(abs(exact[i][j]) for i in range(n)) for j in range(n))
    ratio = distance / norm
    return 40.0 if not ratio else -float(np.log10(float(ratio)))


def nearest(number: Fraction, dtype: Any) -> float:
    """Return the float of a dtype nearest to a number, ties to even, by integers alone."""
    info = np.finfo(dtype)
    if not number:
        return 0.0
    size = abs(number)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    exponent -= Fraction(2) ** exponent > size
    unit = Fraction(2) ** (max(exponent, int(info.minexp)) - int(info.nmant))
    count, rest = divmod(size, unit)
    count += rest > unit / 2 or (rest == unit / 2 and count % 2)
    rounded = count * unit
    if rounded >= Fraction(2) ** int(info.maxexp):
        return float(np.inf if number > 0 else -np.inf)
    return float(rounded if number > 0 else -rounded)
