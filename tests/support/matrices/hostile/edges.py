"""The ends of the range: subnormal numbers, overflow, and elements that no sum survives."""

from __future__ import annotations

import numpy as np

from support.matrices.hostile.drawing import Draw, Drawn, family


def _limits(d: Draw) -> tuple[int, int]:
    """Return exponents of two of the smallest normal and the largest number."""
    return (-126, 127) if d.single else (-1022, 1023)


@family("edge", 1, 80)
def near_underflow(d: Draw) -> Drawn:
    low, _ = _limits(d)
    return np.ldexp(1.0, low + int(d.rng.integers(-3, 12))) * d.normal(d.n, d.n)


@family("edge", 1, 80)
def near_overflow(d: Draw) -> Drawn:
    _, high = _limits(d)
    return d.normal(d.n, d.n) / 8 * np.ldexp(1.0, high - int(d.rng.integers(0, 8)))


@family("edge", 2, 70)
def subnormals_among_ordinary(d: Draw) -> Drawn:
    """Return ordinary numbers, a column and some elements of which are subnormal."""
    low, _ = _limits(d)
    a = d.normal(d.n, d.n)
    tiny = np.ldexp(1.0, low - 10)
    a[:, d.rng.integers(d.n)] *= tiny
    return np.where(d.rng.random(a.shape) < 0.2, a * tiny, a)


@family("edge", 2, 70)
def scaled_into_subnormals(d: Draw) -> Drawn:
    """Return rows over the whole range, so that no scaling by powers of two is without loss."""
    low, high = _limits(d)
    e = d.rng.integers(low + 4, high - 12, d.n)
    return np.ldexp(1.0, e)[:, None] * d.normal(d.n, d.n)


@family("edge", 2, 40)
def inverse_beyond_range(d: Draw) -> Drawn:
    """Return a diagonal with an element whose reciprocal may overflow or underflow."""
    low, high = _limits(d)
    a = np.diag(d.log(-1, 1, d.n)) + np.triu(d.rng.random((d.n, d.n)), 1) * d.rng.integers(2)
    k = d.rng.integers(d.n)
    a[:, k] = 0
    a[k, k] = np.ldexp(1.0, int(d.rng.choice([low - 20, low, low + 1, high, high - 1])))
    return d.turned(a)


@family("edge", 2, 40)
def huge_against_tiny(d: Draw) -> Drawn:
    """Return blocks at both ends of the range."""
    low, high = _limits(d)
    a = d.normal(d.n, d.n)
    k = int(d.rng.integers(1, d.n))
    a[:k] *= np.ldexp(1.0, high - 6)
    a[k:] *= np.ldexp(1.0, low + 6)
    return d.either(a)


@family("edge", 2, 30)
def inverse_of_wide_range(d: Draw) -> Drawn:
    """Return triangles whose inverse grows to the end of the range."""
    _, high = _limits(d)
    base = np.ldexp(1.0, int(high / d.n * d.rng.uniform(0.4, 1.1)))
    return d.turned(d.either(np.eye(d.n) - base * np.eye(d.n, k=1)))


@family("edge", 1, 12)
def one_element_each(d: Draw) -> Drawn:
    """Return generalised permutations over the whole range."""
    low, high = _limits(d)
    values = np.ldexp(d.rng.uniform(1, 2, d.n), d.rng.integers(low, high, d.n))
    return d.turned(np.diag(values)[d.rng.permutation(d.n)])
