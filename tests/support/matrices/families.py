"""Families of matrices by order: formulas, and random ones that are the same each time.

From Higham, "The Test Matrix Toolbox for MATLAB (version 3.0)", 1995, and chapter 28 of his
*Accuracy and Stability of Numerical Algorithms* (2002), whose names they have.
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb, factorial, gcd
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]
Family = Callable[[int], Real]


def indices(n: int) -> tuple[Real, Real]:
    """Return indices that count from 1."""
    i, j = np.mgrid[1.0 : n + 1, 1.0 : n + 1]
    return i, j


def _table(n: int, element: Callable[[int, int], float]) -> Real:
    return np.array([[float(element(i, j)) for j in range(1, n + 1)] for i in range(1, n + 1)])


def tridiagonal(below: Any, diagonal: Any, above: Any, n: int) -> Real:
    """Return a tridiagonal matrix from its diagonals, or from the number that one repeats."""
    ones = np.ones(n)
    return np.diag(diagonal * ones) + np.diag(below * ones[1:], -1) + np.diag(above * ones[1:], 1)


def _random(n: int, seed: int = 0) -> Real:
    return np.random.default_rng([n, seed]).standard_normal((n, n))


def _whole(n: int, top: int) -> Real:
    return np.random.default_rng([n, top]).integers(-top, top + 1, (n, n)).astype(np.float64)


def _orthogonal(n: int, seed: int = 0) -> Real:
    return np.linalg.qr(_random(n, seed))[0]


def _conditioned(n: int, kappa: float) -> Real:
    values = kappa ** (-np.arange(n) / max(n - 1.0, 1.0))
    return _orthogonal(n) * values @ _orthogonal(n, 1)


def _circulant(row: NDArray[Any]) -> Real:
    return np.array([np.roll(row, k) for k in range(len(row))])


def lower_ones(n: int) -> Real:
    """Return ones in the lower triangle."""
    return np.tril(np.ones((n, n)))


def _companion(n: int) -> Real:
    a = np.eye(n, k=-1)
    a[0] = np.arange(n, 0, -1) - n / 2 - 0.25
    return a


def _kahan(n: int) -> Real:
    upper = np.eye(n) - np.cos(1.2) * np.triu(np.ones((n, n)), 1)
    return np.asarray((np.sin(1.2) ** np.arange(n))[:, None] * upper)


def _magic(n: int) -> Real:
    """Return a magic square by the Siamese method; of even order the next without its border."""
    m = n | 1
    i, j = np.mgrid[0:m, 0:m]
    square = m * ((i + j + 1 + m // 2) % m) + (i + 2 * j + m + 2) % m + 1
    return np.asarray(square[:n, :n], dtype=np.float64)


def _moler(n: int) -> Real:
    i, j = indices(n)
    return np.asarray(np.minimum(i, j) - 2 + (i == j) * 2.0)


def _wilkinson_growth(n: int) -> Real:
    """Pivots grow as 2**(n - 1) under partial pivoting."""
    a = np.eye(n) - np.tril(np.ones((n, n)), -1)
    a[:, -1] = 1
    return a


def _hadamard(n: int) -> Real:
    """Sylvester's signs, cut to n; of powers of two orthogonal, of others often regular."""
    return _table(n, lambda i, j: (-1) ** ((i - 1) & (j - 1)).bit_count())


def _krylov(n: int) -> Real:
    a, x = _random(n, 2), np.ones(n)
    columns = [x]
    for _ in range(n - 1):
        columns.append(a @ columns[-1] / np.sqrt(n))
    return np.stack(columns, axis=1)


def _dorr(n: int, theta: float = 0.01) -> Real:
    h = 1 / (n + 1)
    k = np.arange(1, n + 1)
    turn = k <= (n + 1) // 2
    lower = np.where(turn, -theta / h**2, -theta / h**2 + (0.5 - k * h) / h)
    upper = np.where(turn, lower - (0.5 - k * h) / h, -theta / h**2)
    return tridiagonal(lower[1:], -(lower + upper), upper[:-1], n)


def _binomial(n: int) -> Real:
    """Return an involution up to a factor: its square is ``2**(n - 1) I``."""
    p = np.array([[comb(i, j) for j in range(n)] for i in range(n)], dtype=np.float64)
    d = np.diag((-2.0) ** np.arange(n))
    return np.asarray(p @ d @ p[::-1, ::-1])


def _clement(n: int) -> Real:
    k = np.arange(1.0, n)
    return np.diag(k, -1) + np.diag(n - k, 1)


def _dramadah(n: int) -> Real:
    i, j = indices(n)
    d = j - i
    return np.where((d == 0) | (d == 1) | (d < 0) & (d % 2 == 0), 1.0, 0.0)


def _prolate(n: int) -> Real:
    i, j = indices(n)
    return np.asarray(0.5 * np.sinc(0.5 * (i - j)))


def _rosser(n: int) -> Real:
    """Return a corner of Rosser's matrix of order 8, which is singular; above, one made of it."""
    rows = """611 196 -192 407 -8 -52 -49 29   196 899 113 -192 -71 -43 -8 -44
    -192 113 899 196 61 49 8 52   407 -192 196 611 8 44 59 -23   -8 -71 61 8 411 -599 208 208
    -52 -43 49 44 -599 411 208 208   -49 -8 8 59 208 208 99 -911   29 -44 52 -23 208 208 -911 99"""
    a = np.array(rows.split(), dtype=np.float64).reshape(8, 8)
    return a[:n, :n] if n <= 8 else np.kron(np.eye(n), a)[:n, :n] + lower_ones(n)


def _scaled(n: int, top: int, *, rows: bool, cols: bool) -> Real:
    powers = np.random.default_rng([n, top]).integers(-top, top + 1, (2, n))
    shifts = powers[0][:, None] * rows + powers[1] * cols
    return np.asarray(np.ldexp(_random(n, 3) + 2 * np.eye(n), shifts))


FAMILIES: Final[dict[str, Family]] = {
    "identity": np.eye,
    "hilb": lambda n: _table(n, lambda i, j: 1 / (i + j - 1)),
    "invhilb": lambda n: _table(
        n,
        lambda i, j: (
            (-1) ** (i + j)
            * (i + j - 1)
            * comb(n + i - 1, n - j)
            * comb(n + j - 1, n - i)
            * comb(i + j - 2, i - 1) ** 2
        ),
    ),
    "pascal": lambda n: _table(n, lambda i, j: comb(i + j - 2, i - 1)),
    "lehmer": lambda n: _table(n, lambda i, j: min(i, j) / max(i, j)),
    "minij": lambda n: _table(n, min),
    "moler": _moler,
    "frank": lambda n: _table(n, lambda i, j: n + 1 - max(i, j) if j >= i - 1 else 0),
    "kahan": _kahan,
    "lotkin": lambda n: _table(n, lambda i, j: 1.0 if i == 1 else 1 / (i + j - 1)),
    "vander": lambda n: _table(n, lambda i, j: (i / n) ** (j - 1)),
    "cauchy": lambda n: _table(n, lambda i, j: 1 / (i + 2 * j)),
    "clement": _clement,
    "parter": lambda n: _table(n, lambda i, j: 1 / (i - j + 0.5)),
    "ris": lambda n: _table(n, lambda i, j: 0.5 / (n - i - j + 1.5)),
    "riemann": lambda n: _table(n, lambda i, j: i if (j + 1) % (i + 1) == 0 else -1),
    "kms": lambda n: _table(n, lambda i, j: 0.5 ** abs(i - j)),
    "kms-0.9": lambda n: _table(n, lambda i, j: 0.9 ** abs(i - j)),
    "tridiag": lambda n: tridiagonal(-1, 2, -1, n),
    "convection": lambda n: tridiagonal(-1.5, 2, -0.5, n),
    "wilkinson": lambda n: tridiagonal(1, np.abs(np.arange(n) - (n - 1) / 2), 1, n),
    "rosser": _rosser,
    "chebvand": lambda n: _table(n, lambda i, j: np.cos((i - 1) * np.arccos((2 * j - 1 - n) / n))),
    "grcar": lambda n: np.triu(np.tril(np.ones((n, n)), 3)) - np.eye(n, k=-1),
    "forsythe": lambda n: np.eye(n, k=1) + 2.0**-26 * (np.arange(n) == 0) * np.eye(n)[:, [-1]],
    "circul": lambda n: _circulant(np.arange(1.0, n + 1)),
    "companion": _companion,
    "hadamard": _hadamard,
    "magic": _magic,
    "krylov": _krylov,
    "orthog-sine": lambda n: _table(
        n, lambda i, j: np.sqrt(2 / (n + 1)) * np.sin(i * j * np.pi / (n + 1))
    ),
    "orthog-random": _orthogonal,
    "gfpp": _wilkinson_growth,
    "triw": lambda n: np.eye(n) - np.triu(np.ones((n, n)), 1),
    "dramadah": _dramadah,
    "dorr": _dorr,
    "fiedler": lambda n: _table(n, lambda i, j: abs(i - j) + (n == 1)),
    "lesp": lambda n: tridiagonal(
        np.append(0, 1 / np.arange(2.0, n + 1))[1:], -(2 * np.arange(1, n + 1) + 3.0), 1, n
    ),
    "binomial": _binomial,
    "gcdmat": lambda n: _table(n, gcd),
    "redheff": lambda n: _table(n, lambda i, j: j == 1 or j % i == 0),
    "chow": lambda n: _table(n, lambda i, j: (j <= i + 1) + 0.5 * (i == j)),
    "ipjfact": lambda n: _table(n, lambda i, j: factorial(i + j)),
    "jordbloc": lambda n: np.eye(n) * 0.75 + np.eye(n, k=1),
    "prolate": _prolate,
    "pei": lambda n: np.eye(n) / 8 + 1,
    "toeplitz": lambda n: _table(n, lambda i, j: np.cos(abs(i - j)) / (1 + abs(i - j))),
    "anti-diagonal": lambda n: np.fliplr(np.diag(2.0 ** np.arange(n))),
    "graded": lambda n: _table(n, lambda i, j: 10.0 ** (3 * (j - i) % 31 - 15) * (1 + (i == j))),
    "integers-1": lambda n: _whole(n, 1),
    "integers-9": lambda n: _whole(n, 9),
    "integers-10000": lambda n: _whole(n, 10000),
    "normal": _random,
    "uniform": lambda n: np.random.default_rng(n).random((n, n)),
    "randsvd-1e4": lambda n: _conditioned(n, 1e4),
    "randsvd-1e8": lambda n: _conditioned(n, 1e8),
    "randsvd-1e12": lambda n: _conditioned(n, 1e12),
    "randsvd-1e16": lambda n: _conditioned(n, 1e16),
    "scaled-rows": lambda n: _scaled(n, 30, rows=True, cols=False),
    "scaled-columns": lambda n: _scaled(n, 30, rows=False, cols=True),
    "scaled-both": lambda n: _scaled(n, 25, rows=True, cols=True),
    "near-overflow": lambda n: _random(n, 4) * 2.0**125,
    "near-underflow": lambda n: _random(n, 5) * 2.0**-123,
}


# Beyond the range of single precision.
WIDE: Final[dict[str, Family]] = {
    "huge": lambda n: _random(n, 6) * 2.0**1015,
    "tiny": lambda n: _random(n, 7) * 2.0**-1015,
    "without-inverse-in-range": lambda n: _random(n, 8) * 2.0**-1045,
    "spread-rows": lambda n: _scaled(n, 400, rows=True, cols=False),
    "spread-both": lambda n: _scaled(n, 200, rows=True, cols=True),
}
