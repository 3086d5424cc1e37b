"""Matrices of floats as integers times powers of two: exact ranks, and exact definiteness.

FLINT (python-flint) is imported by the first call. It holds the GIL while it computes, so a step
begins only if its predicted time is left. Its precision belongs to the process, hence the lock.
"""

from __future__ import annotations

from threading import Lock
from typing import Any, Final

import numpy as np

from matinv.linalg import scaling
from matinv.linalg.budget import Budget
from matinv.linalg.types import Matrix

FLINT: Final = Lock()

# Seconds of an exact rank: 9 ms, 50 ms, 0.34 s at n = 64, 128, 256 for numbers of 53 bits.
_RANK_UNIT_S: Final = 1e-9

# And of a characteristic polynomial, modulo as many primes as its n * bits need: 0.5, 3.4, 43 ms at
# n = 16, 32, 64 for numbers of 60 bits. A Graviton2 core gets twice as much.
_POLYNOMIAL_UNIT_S: Final = 8e-11


class Integers:
    """A matrix as integers times powers of two, its rows and columns brought to about one size.

    ``A[i, j] * 2**(rows[i] + cols[j]) = B[i, j] = N[i, j] * 2**low``, with integers N.

    Parameters
    ----------
    a : ndarray, shape (n, n)
        Finite; float32, float64, complex64 or complex128.
    rows, cols : ndarray of int32, shape (n,)
        The exponents.
    """

    def __init__(self, a: Matrix, rows: scaling.Shifts, cols: scaling.Shifts) -> None:
        import flint  # noqa: PLC0415 - 25 MB that most workers never need

        self.flint: Any = flint
        self.n, self.complex = len(a), np.iscomplexobj(a)
        self.rows, self.cols = rows, cols
        shifts = self.rows[:, None] + self.cols
        self.parts: list[list[tuple[int, int]]] = []
        for part in (a.real, a.imag) if self.complex else (a,):
            fractions, exponents = np.frexp(part.astype(np.float64))
            mantissas = np.ldexp(fractions, 53).astype(np.int64).ravel().tolist()
            places = (exponents + (shifts - 53)).ravel().tolist()
            self.parts.append(list(zip(mantissas, places, strict=True)))
        # The place of the lowest bit that is set: a number and its negative share no higher ones.
        lowest = (p + (m & -m).bit_length() - 1 for part in self.parts for m, p in part if m)
        self.low = min(lowest, default=0)

    def rank(self, budget: Budget) -> int | None:
        """Return the exact rank, or None if there is no time to find it."""
        if not budget.allows(_RANK_UNIT_S * self._order**3 * self._bits()):
            return None
        rank = int(self.matrix().rank())
        return rank // 2 if self.complex else rank

    def definite(self, budget: Budget) -> bool | None:
        """Whether a Hermitian matrix is positive definite; None if there is no time to find it.

        All eigenvalues are real, so by Descartes' rule of signs as many of them are positive as the
        coefficients of the characteristic polynomial change their signs: all, if each does.
        """
        if not budget.allows(_POLYNOMIAL_UNIT_S * self._order**4 * self._bits()):
            return None
        coefficients = self.matrix().charpoly().coeffs()
        return all(c > 0 for c in coefficients[::-2]) and all(c < 0 for c in coefficients[-2::-2])

    def matrix(self) -> Any:
        """Return N; of a complex matrix ``[[Re, -Im], [Im, Re]]``, which has twice its rank."""
        parts = [
            [
                m << (place - self.low) if place >= self.low else m >> (self.low - place)
                for m, place in part
            ]
            for part in self.parts
        ]
        n = self.n
        rows = [[part[i * n : (i + 1) * n] for i in range(n)] for part in parts]
        if self.complex:
            real, imag = rows
            rows = [[r + [-v for v in i] for r, i in zip(real, imag, strict=True)]]
            rows[0] += [i + r for r, i in zip(real, imag, strict=True)]
        return self.flint.fmpz_mat(rows[0])

    @property
    def _order(self) -> int:
        return 2 * self.n if self.complex else self.n

    def _bits(self) -> int:
        """Return how many bits the largest element of N has."""
        return max(place + m.bit_length() for part in self.parts for m, place in part) - self.low
