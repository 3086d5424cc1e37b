"""Inverses by ball arithmetic: proofs, for what float64 cannot vouch for.

FLINT's ``arb`` [1]_ computes with balls, midpoint and radius; every ball holds the true value. A
matrix of floats is one of integers times powers of two, so it goes in exactly. The inverse is
computed at a precision that is doubled until both ends of each ball round to the same float: then
the result is the true inverse, each element correctly rounded.

An element that lies exactly in the middle between two floats, or is zero, never gets there. Each is
a multiple of ``1 / det(N)``, with N the matrix of integers, and once its ball is smaller than that
only one multiple is left in it.

References
----------
.. [1] F. Johansson, "Arb: efficient arbitrary-precision midpoint-radius interval arithmetic", IEEE
   Trans. Comput. 66 (2017), 1281-1292.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final

import numpy as np

from matinv.linalg import scaling
from matinv.linalg.budget import Budget
from matinv.linalg.determinant import Determinants
from matinv.linalg.integers import FLINT, Integers
from matinv.linalg.types import Matrix

# Bits to begin with: 53, and as many again for kappa and n before the first doubling. From 1280 on
# balls are smaller than the smallest float64.
FIRST_BITS: Final = 160

# Seconds of one inverse: measured 12 and 206 ms at n = 64 and 128 and 2048 bits, 0.40 and 0.96 s at
# n = 256 and 128 and 256 bits, which is 4 to 7 ns times n**3 (4 + (bits / 64)**1.4). A Graviton2
# core gets twice as much, as for GEMM in matinv.jobs.limits.
_UNIT_S: Final = 12e-9

# A ball has 96 bytes and its bits; LU, the right-hand side, the result and two copies are live.
_BALL_BYTES: Final = 96
_BALL_COPIES: Final = 6

# From here on the determinant is worth its time: 11 ms at n = 64, 0.3 s at 256.
_LATTICE_BITS: Final = 640

_LARGE: Final = 2.0**900  # norms of what is larger may overflow

_SHARP_BITS: Final = 56  # of the largest element; n of that error must not show in a residual

_ACCURATE_BITS: Final = 60  # of a determinant: enough for float64


def predicted_s(n: int, bits: int = FIRST_BITS, *, complex_: bool = False) -> float:
    """Return about how many seconds an inverse of order `n` takes at a precision."""
    return float(_UNIT_S * (n**3 + 50 * n) * (4 + (bits / 64) ** 1.4) * (4 if complex_ else 1))


def predicted_bytes(n: int, bits: int = FIRST_BITS, *, complex_: bool = False) -> float:
    """Return about how much memory it takes."""
    return n**2 * (_BALL_BYTES + bits / 8) * _BALL_COPIES * (2 if complex_ else 1)


@dataclass(frozen=True, slots=True)
class Deficient:
    """The proof that a matrix is singular: its exact rank."""

    rank: int


@dataclass(frozen=True, slots=True)
class Enclosed:
    """An inverse whose error is known.

    Parameters
    ----------
    x : ndarray, shape (n, n)
        In the dtype that was asked for; infinite elements are above its range.
    bound : float
        On ``norm(X - A^-1, 1) / norm(A^-1, 1)``.
    rounded : bool
        Whether each element is the true one, correctly rounded.
    determinant : Determinants
        Of A, right to a few roundings if the budget has not ended.
    rows, cols : ndarray of int32, shape (n,)
        The exponents by which A was scaled.
    y : ndarray of float64 or complex128, shape (n, n)
        The inverse of the scaled matrix, over ``2**power``.
    power : int
        0, unless float64 could not hold it.
    """

    x: Matrix
    bound: float
    rounded: bool
    determinant: Determinants
    rows: scaling.Shifts
    cols: scaling.Shifts
    y: Matrix
    power: int


def invert(
    a: Matrix,
    dtype: np.dtype[Any],
    budget: Budget,
    *,
    all_rounded: bool = False,
    suspect: bool = False,
) -> Enclosed | Deficient | None:
    """Return the inverse of a matrix, or a proof that there is none.

    Parameters
    ----------
    a : ndarray, shape (n, n)
        Finite; float32, float64, complex64 or complex128.
    dtype : dtype
        Of the result.
    budget : Budget
        Ends it.
    all_rounded : bool
        Go on until each element is proven to be rounded correctly, else until the norm of the
        error is no larger than rounding makes it.
    suspect : bool
        Whether the matrix may be singular, so that its rank comes first.

    Returns
    -------
    Enclosed, Deficient or None
        The best inverse that was reached, or the rank if that is not full; None if the budget ends
        before either is known.
    """
    bits, known = FIRST_BITS, None
    with FLINT:
        exact = _Balls(a)
        rank: int | None = None
        while True:
            if suspect and rank is None:
                rank = exact.rank(budget)
                if rank is not None and rank < exact.n:
                    return Deficient(rank)
            if not exact.allowed(bits, budget):
                return known and replace(known, determinant=exact.determinant(bits // 2, budget))
            balls = exact.inverse(bits)
            suspect = balls is None
            if balls is not None:
                known = exact.rounded(balls, dtype, bits)
                good = known.bound < 2 * _roundoff(dtype) and not all_rounded and _sharp(balls)
                if known.rounded or good:
                    return replace(known, determinant=exact.determinant(bits, budget))
            bits *= 2


def _roundoff(dtype: np.dtype[Any]) -> float:
    return float(np.finfo(dtype).eps) / 2


class _Balls(Integers):
    """A matrix as integers, with the verdict of balls on it."""

    def __init__(self, a: Matrix) -> None:
        wide = a.astype(np.promote_types(a.dtype, np.float64))
        super().__init__(a, *scaling.equilibrate(wide))
        self._det: int | None = None

    def allowed(self, bits: int, budget: Budget) -> bool:
        """Whether an inverse at so many bits may begin."""
        return budget.allows(
            predicted_s(self.n, bits, complex_=self.complex),
            predicted_bytes(self.n, bits, complex_=self.complex),
        )

    def inverse(self, bits: int) -> list[list[Any]] | None:
        """Return the balls of the inverse of B, row by row, its real and its imaginary part."""
        arb = self.flint.arb
        parts = [[arb(number) for number in part] for part in self.parts]
        with self.flint.ctx.workprec(bits):
            try:
                if self.complex:
                    elements = list(map(self.flint.acb, *parts))
                    self.b = self.flint.acb_mat(self.n, self.n, elements)
                    found = self.b.inv().entries()
                    return [[e.real for e in found], [e.imag for e in found]]
                self.b = self.flint.arb_mat(self.n, self.n, parts[0])
                found = self.b.inv().entries()
            except ZeroDivisionError:  # a pivot's ball holds zero
                return None
        return [found]

    def rounded(self, balls: list[list[Any]], dtype: np.dtype[Any], bits: int) -> Enclosed:
        """Return the inverse of A in a dtype, given balls around that of B."""
        real = np.empty(0, dtype).real.dtype
        shifts = (self.cols[:, None] + self.rows).ravel().tolist()
        with self.flint.ctx.workprec(bits):
            ends = [self._ends(part, shifts, real, bits) for part in balls]
        low, high = (np.array([end[i] for end in ends]) for i in range(2))
        certain = low == high
        x = np.where(certain, low, np.where(np.signbit(low) != np.signbit(high), 0, low)) + 0.0
        bound = self._bound(x, np.where(certain, 0, high - low), real)
        result = np.empty((self.n, self.n), dtype)
        result.real = x[0].reshape(result.shape)
        if self.complex:
            result.imag = x[1].reshape(result.shape)
        unknown = Determinants.blank(1, dtype)
        scaled = self._scaled_inverse(balls)
        return Enclosed(result, bound, bool(certain.all()), unknown, self.rows, self.cols, *scaled)

    def _scaled_inverse(self, balls: list[list[Any]]) -> tuple[Matrix, int]:
        parts = np.array([list(map(float, part)) for part in balls])
        power = 0
        if np.abs(parts).max() > _LARGE:
            exact = [ball.mid().man_exp() for part in balls for ball in part]
            power = max(int(e) + int(m).bit_length() for m, e in exact if m)
            over = self.flint.arb((1, -power))
            parts = np.array([[float(ball * over) for ball in part] for part in balls])
        y: Matrix = parts[0] + 1j * parts[1] if self.complex else parts[0]
        return y.reshape(self.n, self.n), power

    def determinant(self, bits: int, budget: Budget) -> Determinants:
        """Return that of A, at so many bits or more; the best there is when the budget ends."""
        while True:
            with self.flint.ctx.workprec(bits):
                det = self.b.det()
            if det.rel_accuracy_bits() >= _ACCURATE_BITS or not self.allowed(2 * bits, budget):
                break
            bits *= 2
        if det.rel_accuracy_bits() <= 0:
            return Determinants.blank(1, np.dtype(np.complex128 if self.complex else np.float64))
        parts = (det.real, det.imag) if self.complex else (det,)
        exact = [tuple(map(int, part.mid().man_exp())) for part in parts]
        exponent = max(e + m.bit_length() for m, e in exact if m)
        value = [float(Fraction(m) * Fraction(2) ** (e - exponent)) for m, e in exact]
        shift = exponent - int(self.rows.sum() + self.cols.sum())
        return Determinants.of(np.array([complex(*value) if self.complex else value[0]])).times(
            1, shift
        )

    def _bound(self, x: Any, width: Any, real: np.dtype[Any]) -> float:
        """Return a bound on the relative error in the 1-norm, from the widths of the intervals."""
        largest = np.abs(x).max()
        if not 0 < largest < np.inf:
            return float(np.inf)
        least = float(np.finfo(real).smallest_subnormal)
        cubes = [(part / largest).reshape(-1, self.n, self.n) for part in (x, width + least)]
        norm, error = (np.sqrt((cube**2).sum(axis=0)).sum(axis=0).max() for cube in cubes)
        return float(_roundoff(real) + error / norm)

    def _ends(
        self, balls: list[Any], shifts: list[int], real: np.dtype[Any], bits: int
    ) -> tuple[Any, Any]:
        """Return both ends of each ball, rounded: the same float where that is certain."""
        arb = self.flint.arb
        if any(shifts):
            powers = {shift: arb((1, shift)) for shift in set(shifts)}
            moved = [ball * powers[shift] for ball, shift in zip(balls, shifts, strict=True)]
        else:
            moved = balls
        low = np.array([float(ball.lower()) for ball in moved])
        high = np.array([float(ball.upper()) for ball in moved])
        if real != np.float64:  # rounded twice, they are certain only if their neighbours agree
            low = np.nextafter(low, -np.inf).astype(real).astype(np.float64)
            high = np.nextafter(high, np.inf).astype(real).astype(np.float64)
        for i in np.flatnonzero(low != high).tolist() if bits >= _LATTICE_BITS else ():
            exact = self._multiple(balls[i])
            if exact is not None:
                low[i] = high[i] = _nearest(exact * Fraction(2) ** shifts[i], real)
            elif real != np.float64:
                low[i], high[i] = (
                    _nearest(_fraction(e), real) for e in (moved[i].lower(), moved[i].upper())
                )
        return low, high

    def _multiple(self, ball: Any) -> Fraction | None:
        """Return the only multiple of ``1 / det(N)`` in a ball of B's inverse, if it is alone."""
        if self._det is None:
            self._det = abs(int(self.matrix().det()))
        number = (ball * self.flint.arb((self._det, self.low))).unique_fmpz()
        return (
            None if number is None else Fraction(int(number), self._det) / Fraction(2) ** self.low
        )


def _sharp(balls: list[list[Any]]) -> bool:
    """Whether the scaled inverse itself is known to about float64: its residual is measured."""
    everything = [ball for part in balls for ball in part]
    widest = max(ball.rad() for ball in everything)
    return bool(widest * 2**_SHARP_BITS < max(abs(ball.mid()) for ball in everything))


def _fraction(ball: Any) -> Fraction:
    mantissa, exponent = ball.man_exp()
    return int(mantissa) * Fraction(2) ** int(exponent)


def _nearest(number: Fraction, real: np.dtype[Any]) -> float:
    """Round once to the nearest float of a dtype, ties to even."""
    try:
        found = float(number)
    except OverflowError:
        return np.inf if number > 0 else -np.inf
    if real == np.float64 or Fraction(found) == number:
        return float(np.array(found).astype(real))
    # Rounded to odd, a float64 keeps on which side of a tie of float32 the number lies.
    inner = np.array(found if abs(Fraction(found)) < abs(number) else np.nextafter(found, 0))
    inner.view(np.int64)[...] |= 1
    return float(inner.astype(real))
