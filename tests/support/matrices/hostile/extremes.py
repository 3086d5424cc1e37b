"""Where absolute values, squares and products of elements leave the range."""

from __future__ import annotations

import numpy as np

from support.matrices.hostile.drawing import Draw, Drawn, family


def _top(d: Draw) -> float:
    return float(np.finfo(d.dtype).max)


def _tiny(d: Draw) -> float:
    return float(np.finfo(d.dtype).smallest_subnormal)


@family("extreme", 1, 40)
def absolute_value_overflows(d: Draw) -> Drawn:
    """Return complex numbers both parts of which are near the largest: |z| is beyond it."""
    q = np.round(d.normal(d.n, d.n)) + 3 * np.eye(d.n)
    q = q / np.abs(q).max()
    return q * _top(d) * (0.9 + 0.9j if d.dtype.kind == "c" else 1.0)


@family("extreme", 1, 40)
def only_subnormals(d: Draw) -> Drawn:
    """Return a few bits above zero: integers times the smallest number."""
    return d.whole(9, d.n, d.n) * _tiny(d)


@family("extreme", 2, 40)
def inverse_is_subnormal_in_part(d: Draw) -> Drawn:
    """Return large numbers whose inverse has some digits left, some lost to underflow."""
    a = d.orthogonal(d.n) * d.log(-3, -0.5, d.n)
    return a * _top(d)


@family("extreme", 2, 30)
def largest_and_smallest_in_each_row(d: Draw) -> Drawn:
    """Return the largest number on a permutation and the smallest elsewhere."""
    n = d.n
    a = np.eye(n)[d.rng.permutation(n)] * _top(d) * d.rng.uniform(0.3, 1, n)
    return d.turned(np.where(a == 0, d.rng.integers(0, 4, (n, n)) * _tiny(d), a))


@family("extreme", 2, 40)
def any_exponent(d: Draw) -> Drawn:
    """Return elements with exponents uniform over the whole range, some of them 0."""
    low, high = (-149, 127) if d.single else (-1074, 1023)
    a = np.ldexp(d.rng.uniform(1, 2, (d.n, d.n)), d.rng.integers(low, high, (d.n, d.n)))
    return d.turned(a * d.rng.choice([-1, 0, 1], (d.n, d.n)))


@family("extreme", 2, 60)
def definite_over_the_range(d: Draw) -> Drawn:
    """Return a covariance with variances from the smallest to the largest that fit."""
    n = d.n
    half = 60 if d.single else 500
    v = d.normal(n, 2 * n) / np.sqrt(n)
    g = v @ v.conj().T
    g = np.tril(g) + np.tril(g, -1).conj().T
    if d.dtype.kind == "c":
        g = g - 1j * np.diag(np.diag(g).imag)
    e = d.rng.integers(-half, half - 4, n)
    return np.ldexp(1.0, e)[:, None] * g * np.ldexp(1.0, e)


@family("extreme", 1, 3)
def tiny_orders_at_the_ends(d: Draw) -> Drawn:
    """Return orders 1 to 3 with elements at the ends of the range and in its middle."""
    choices = np.array(
        [_tiny(d), 3 * _tiny(d), np.finfo(d.dtype).tiny, 1.0, 3.0, _top(d), _top(d) / 3]
    )
    a = d.rng.choice(choices, (d.n, d.n)) * d.rng.choice([-1.0, 1.0], (d.n, d.n))
    return d.turned(a)


@family("extreme", 2, 20)
def inverse_at_the_largest(d: Draw) -> Drawn:
    """Return matrices whose inverse reaches the largest number, or goes a little beyond it."""
    a = d.orthogonal(d.n)
    i, j = np.unravel_index(np.argmax(np.abs(a)), a.shape)
    return a.T.conj() / _top(d) * np.abs(a[i, j]) * d.rng.choice([0.999, 1.0, 1.001, 1.5]) + 0 * a


@family("extreme", 2, 30)
def products_underflow(d: Draw) -> Drawn:
    """Return triangles the inverse of which is a product of many small numbers."""
    low = 30 if d.single else 260
    n = d.n
    ratio = np.ldexp(d.rng.uniform(1, 2, n - 1), -d.rng.integers(1, low, n - 1))
    return d.turned(d.either(np.eye(n) - np.diag(ratio, 1)))
