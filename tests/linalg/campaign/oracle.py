"""What is true of a matrix: regular or not, its inverse, determinant, and the error of a result.

Nothing here knows how the product computes. The inverse is FLINT's ball arithmetic, its precision
doubled until the ball says what is asked. Singular is decided by ranks modulo primes of 31 bits:
full rank modulo one proves a matrix regular; one that is deficient modulo three is singular, but
for a chance below 10^-20.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final

import flint
import numpy as np
from numpy.typing import NDArray

from linalg.campaign.scaledfloats import Wide, norm_1

PRIMES: Final = (2147483629, 2147483549, 2147482921)
"""Below 2^31 and 1 modulo 4: each has a square root of -1."""

MOST_BITS: Final = 1 << 15
Array = NDArray[Any]


def regular(a: Array) -> bool:
    """Whether a finite matrix has an inverse."""
    return any(_rank(a, p) == len(a) for p in PRIMES)


def rank(a: Array) -> int:
    """Return the exact rank, but for a chance below 10^-20."""
    return max(_rank(a, p) for p in PRIMES)


def _rank(a: Array, p: int) -> int:
    rows, cols = a.shape
    residues = _residues(a.real, p)
    if a.dtype.kind == "c":
        root = next(
            r for r in (pow(g, (p - 1) // 4, p) for g in range(2, 99)) if r * r % p == p - 1
        )
        residues = (residues + _residues(a.imag, p) * np.uint64(root)) % np.uint64(p)
    return int(flint.nmod_mat(rows, cols, residues.ravel().tolist(), p).rank())


def _residues(a: Array, p: int) -> Array:
    """Return the elements modulo p: each is an integer of 53 bits times a power of two."""
    fraction, exponent = np.frexp(a.astype(np.float64))
    whole = np.ldexp(fraction, 53).astype(np.int64)
    residues = (whole % p).astype(np.uint64) * _powers(p)[exponent - 53 + 1074 + 53]
    return residues % np.uint64(p)


@lru_cache(maxsize=8)
def _powers(p: int) -> Array:
    """Return the powers of two modulo p, from that of the smallest element's last bit."""
    return np.array([pow(2, int(e), p) for e in range(-1074 - 53, 1025 - 53)], np.uint64)


def balanced(a: Array) -> tuple[Array, Array]:
    """Return exponents of rows and columns that bring elements near to 1; zeros if they are."""
    n = len(a)
    rows, cols = np.zeros(n, np.int64), np.zeros(n, np.int64)
    size = np.maximum(np.abs(a.real), np.abs(a.imag)).astype(np.float64)
    hit = size > 0
    if not hit.any():
        return rows, cols
    logs = np.where(hit, np.frexp(size)[1], 0)
    if logs[hit].max() < 24 and logs[hit].min() > -24:
        return rows, cols
    for _ in range(8):
        mean = np.where(hit, logs + rows[:, None] + cols, 0).sum(axis=1) / np.maximum(
            hit.sum(axis=1), 1
        )
        rows -= np.round(mean).astype(np.int64)
        mean = np.where(hit, logs + rows[:, None] + cols, 0).sum(axis=0) / np.maximum(
            hit.sum(axis=0), 1
        )
        cols -= np.round(mean).astype(np.int64)
    return rows, cols


def lifted(a: Array, exponent: Array | int = 0) -> Any:
    """Return real or complex elements times powers of two, exactly, as a matrix of balls."""
    shift = np.broadcast_to(exponent, a.shape)
    if a.dtype.kind == "c":
        if not shift.any():
            return flint.acb_mat(a.astype(np.complex128).tolist())
        re, im = lifted(a.real, shift).entries(), lifted(a.imag, shift).entries()
        pairs = [flint.acb(x, y) for x, y in zip(re, im, strict=True)]
        return flint.acb_mat(*a.shape, pairs)
    if not shift.any():
        return flint.arb_mat(a.astype(np.float64).tolist())
    fraction, power = np.frexp(a.astype(np.float64))
    whole = np.ldexp(fraction, 53).astype(np.int64).ravel().tolist()
    exponents = (power - 53 + shift).ravel().tolist()
    return flint.arb_mat(
        *a.shape, [flint.arb((m, e)) for m, e in zip(whole, exponents, strict=True)]
    )


def parts(balls: Any) -> tuple[Wide, Wide]:
    """Return real and imaginary parts of the midpoints of a matrix of balls."""
    shape = (balls.nrows(), balls.ncols())
    entries = balls.entries()
    if isinstance(balls, flint.arb_mat):
        real = Wide.of(entries, shape)
        return real, Wide(np.zeros(shape), np.full(shape, -(2**40), np.int64))
    return Wide.of([z.real for z in entries], shape), Wide.of([z.imag for z in entries], shape)


def radii(balls: Any) -> Wide:
    """Return the radii of a matrix of balls."""
    shape = (balls.nrows(), balls.ncols())
    if isinstance(balls, flint.arb_mat):
        return Wide.of([x.rad() for x in balls.entries()], shape)
    return Wide.of([z.real.rad() + z.imag.rad() for z in balls.entries()], shape)


@dataclass(frozen=True)
class Truth:
    """A finite square matrix, and what can be proved of it.

    Parameters
    ----------
    a : ndarray, shape (n, n)
        The matrix, each element taken as it is.
    """

    a: Array

    @cached_property
    def _scaling(self) -> tuple[Array, Array]:
        return balanced(self.a)

    @cached_property
    def _lifted(self) -> Any:
        rows, cols = self._scaling
        return lifted(self.a, rows[:, None] + cols)

    @cached_property
    def _shift(self) -> Array:
        """Return the exponents that turn an element of the scaled inverse into the inverse's."""
        rows, cols = self._scaling
        return cols[:, None] + rows

    @cached_property
    def _solution(self) -> tuple[Any, int, tuple[Wide, Wide]] | None:
        """Return balls of the scaled inverse, right to 20 digits in the given scale.

        And their bits, and the inverse in the given scale.
        """
        if not regular(self.a):
            return None
        bits = 192
        while bits <= MOST_BITS:
            with flint.ctx.workprec(bits):
                try:
                    y = self._lifted.inv()
                except ZeroDivisionError:  # more bits may do
                    pass
                else:
                    mid = parts(y)
                    mid = mid[0].shifted(self._shift), mid[1].shifted(self._shift)
                    top = max(part.top() for part in mid)
                    radius = radii(y).shifted(self._shift).floats(top).sum(axis=0).max()
                    if radius <= 1e-20 * norm_1(mid, top):
                        return y, bits, mid
            bits *= 2
        message = f"no inverse within {MOST_BITS} bits of a matrix that is regular"
        raise AssertionError(message)

    @property
    def regular(self) -> bool:
        """Whether there is an inverse."""
        return self._solution is not None

    def error(self, x: Array) -> float:
        """Return ``norm(X - inverse, 1) / norm(inverse, 1)``."""
        assert self._solution is not None
        y, bits, truth = self._solution
        with flint.ctx.workprec(bits + 64):
            off = parts(lifted(x, -self._shift) - y)
        off = (off[0].shifted(self._shift), off[1].shifted(self._shift))
        top = max(part.top() for part in truth)
        return norm_1(off, top) / norm_1(truth, top)

    @cached_property
    def overflows(self) -> bool:
        """Whether an element of the inverse is beyond the dtype's range."""
        info = np.finfo(self.a.dtype)
        edge = 1 - 2.0 ** -(info.nmant + 2)  # from here on 2**maxexp is the nearest
        return any(
            bool(
                (
                    (part.exponent > info.maxexp)
                    | ((part.exponent == info.maxexp) & (np.abs(part.mantissa) >= edge))
                )[part.mantissa != 0].any()
            )
            for part in self._in_scale
        )

    @cached_property
    def vanishes(self) -> bool:
        """Whether an element of the inverse that is not 0 is below the smallest normal number."""
        limit = np.finfo(self.a.dtype).minexp + 1
        return any(
            bool((part.exponent[part.mantissa != 0] < limit).any()) for part in self._in_scale
        )

    @cached_property
    def _in_scale(self) -> tuple[Wide, Wide]:
        assert self._solution is not None
        return self._solution[2]

    @cached_property
    def determinant(self) -> tuple[float, complex]:
        """Return log(|det|) and the determinant's direction, a number of absolute value 1."""
        rows, cols = self._scaling
        bits = 256
        while bits <= MOST_BITS:
            with flint.ctx.workprec(bits):
                det = flint.acb(self._lifted.det())
                if (size := abs(det)).rel_accuracy_bits() > 100:
                    direction = det / size
                    shift = int(rows.sum() + cols.sum())
                    return float(size.log() - shift * flint.arb(2).log()), complex(direction)
            bits *= 2
        message = "no determinant"
        raise AssertionError(message)

    def rounded(self) -> Array:
        """Return the inverse, each element rounded once to the dtype (ties to even).

        Raises
        ------
        AssertionError
            If an element cannot be distinguished from a tie.
        """
        assert self._solution is not None
        bits = max(self._solution[1], 256)
        while bits <= MOST_BITS:
            with flint.ctx.workprec(bits):
                y = zip(self._lifted.inv().entries(), self._shift.flat, strict=True)
                done = [self._element(ball, shift) for ball, shift in y]
            if None not in done:
                return np.array(done).reshape(self.a.shape).astype(self.a.dtype)
            bits *= 2
            if bits > 2048 and len(self.a) <= 40:
                return self._rounded_rational()
        message = "a tie that no precision resolves"
        raise AssertionError(message)

    def _rounded_rational(self) -> Array:
        """Return the same from the exact inverse of rationals."""
        n = len(self.a)
        a = self.a
        if a.dtype.kind == "c":
            a = np.block([[a.real, -a.imag], [a.imag, a.real]])
        q = [flint.fmpq(*float(v).as_integer_ratio()) for v in a.flat]
        inverse = flint.fmpq_mat(len(a), len(a), q).inv()
        real = self.a.real.dtype

        def element(i: int, j: int) -> Any:
            value = inverse[i, j]
            return nearest(int(value.p), int(value.q), real)

        out = np.array([[element(i, j) for j in range(n)] for i in range(n)], real)
        if self.a.dtype.kind != "c":
            return out
        return out + 1j * np.array([[element(n + i, j) for j in range(n)] for i in range(n)], real)

    def _element(self, ball: Any, shift: int) -> Any:
        if isinstance(ball, flint.acb):
            real, imag = self._real(ball.real, shift), self._real(ball.imag, shift)
            return None if real is None or imag is None else complex(real, imag)
        return self._real(ball, shift)

    def _real(self, ball: flint.arb, shift: int) -> Any:
        ends = []
        for end in (ball.lower(), ball.upper()):
            man, exp = end.mid().man_exp()
            man, exp = int(man), int(exp) + int(shift)
            if exp < -60000:
                man, exp = (man > 0) - (man < 0), -60000
            ends.append(nearest(man << max(exp, 0), 1 << max(-exp, 0), self.a.real.dtype))
        return ends[0] if ends[0] == ends[1] else None


def nearest(p: int, q: int, dtype: np.dtype[Any]) -> float:
    """Return p/q rounded to nearest, ties to even, to a float dtype; infinite beyond its range."""
    if p == 0:
        return 0.0
    info = np.finfo(dtype)
    bits, lowest = info.nmant + 1, int(info.minexp) - info.nmant
    size = abs(p)
    power = max(size.bit_length() - q.bit_length() - bits, lowest)
    if size << max(-power, 0) >= (q << max(power, 0)) << bits:
        power += 1
    whole, rest = divmod(size << max(-power, 0), q << max(power, 0))
    divisor = q << max(power, 0)
    if 2 * rest > divisor or (2 * rest == divisor and whole % 2):
        whole += 1
    if whole.bit_length() + power > info.maxexp:
        return float("inf") if p > 0 else float("-inf")
    value = float(np.ldexp(float(whole), power))
    return value if p > 0 else -value
