"""Exactly singular matrices, and regular ones beside them: whether they are is decided exactly."""

from __future__ import annotations

import numpy as np

from support.matrices.hostile.drawing import Draw, Drawn, family


@family("singular")
def whole_product(d: Draw) -> Drawn:
    """Return a product of integer factors with an inner dimension that may be too small."""
    n = d.n
    inner = max(1, n - int(d.rng.integers(0, 3)))
    top = 3 if n > 40 else 9
    return d.whole(top, n, inner) @ d.whole(2, inner, n)


@family("singular")
def dependent_row(d: Draw) -> Drawn:
    a = d.whole(99, d.n, d.n)
    k = int(d.rng.integers(d.n))
    weights = d.rng.integers(-2, 3, d.n).astype(float)
    weights[k] = 0
    a[k] = weights @ a
    return d.either(a)


@family("singular")
def laplacian(d: Draw) -> Drawn:
    """Return a graph's Laplacian, singular; or with one corner held, regular if it is connected."""
    n = d.n
    w = np.triu(d.rng.random((n, n)) < min(1.0, 4 / n), 1) * d.rng.integers(1, 9, (n, n))
    w = w + w.T
    a = np.diag(w.sum(axis=0)) - w.astype(float)
    a[0, 0] += d.rng.choice([0.0, 1.0, 2.0**-10])
    return d.turned(a)


@family("singular", 2)
def almost_dependent(d: Draw) -> Drawn:
    """Return integers with a dependent row, one element of which is off by one bit."""
    a = d.whole(9, d.n, d.n)
    a[-1] = a[0] - a[:-1].sum(axis=0) * (d.n > 2)
    j = d.rng.integers(d.n)
    a[-1, j] += d.rng.choice([0, 1]) * 2.0 ** d.rng.integers(-d.digits + 14, 2)
    return a


@family("singular", 2, 100)
def structurally_singular(d: Draw) -> Drawn:
    """Return a matrix with a block of zeros that is one too wide."""
    n = d.n
    a, k = d.normal(n, n), int(d.rng.integers(1, n + 1))
    a[:k, : n + 1 - k] = 0
    return a[d.rng.permutation(n)][:, d.rng.permutation(n)]


@family("singular", 2, 100)
def repeated_column_scaled(d: Draw) -> Drawn:
    """Return a matrix one column of which is another times a power of two, then scaled."""
    a, most = d.normal(d.n, d.n), d.decades(20)
    i, j = d.rng.permutation(d.n)[:2] if d.n > 1 else (0, 0)
    a = a.astype(d.dtype).astype(a.dtype)
    a[:, i] = a[:, j] * 2.0 ** d.rng.integers(-20, 20)
    rows = d.twos(most, d.n)[:, None]
    return a * rows if d.single else a * rows * d.twos(most, d.n)


@family("singular", 3, 64)
def incidence_minor(d: Draw) -> Drawn:
    """Return signs that sum to zero in each row: circulants, tournaments, incidence matrices."""
    n, kind = d.n, d.rng.integers(3)
    if kind == 0:
        return d.turned(np.eye(n) - np.eye(n)[d.rng.permutation(n)])
    if kind == 1:
        a = np.triu(d.rng.choice([-1.0, 1.0], (n, n)), 1)
        return d.turned(a - a.T)
    row = d.rng.integers(-1, 2, n)
    return d.turned(np.array([np.roll(row, k) for k in range(n)], dtype=float))


@family("singular", 2, 40)
def tenths(d: Draw) -> Drawn:
    """Return decimal fractions, singular on paper and not always in binary."""
    a = d.rng.integers(-9, 10, (d.n, d.n)) / 10
    a[-1] = a[:-1].sum(axis=0) if d.rng.random() < 0.7 else 3 * a[0]
    return d.turned(np.round(a, 1))


@family("singular", 2, 30)
def counting(d: Draw) -> Drawn:
    """Return numbers in a row: rank 2 of every order."""
    first, step = d.rng.integers(-5, 5), d.rng.integers(1, 4)
    return d.turned(np.arange(first, first + step * d.n**2, step).reshape(d.n, d.n).astype(float))


@family("singular", 2, 40)
def nilpotent_shift(d: Draw) -> Drawn:
    """Return a shift hidden by an integer similarity, plus a multiple of I that may be zero."""
    n = d.n
    s = np.eye(n) + np.diag(d.rng.integers(-1, 2, n - 1), 1)
    t = np.eye(n) + np.diag(d.rng.integers(-1, 2, n - 1), -1)
    inverse = np.round(np.linalg.inv(s))
    a = s @ t @ np.diag(np.ones(n - 1), 1) @ np.round(np.linalg.inv(t)) @ inverse
    return d.turned(a + d.rng.choice([0.0, 1.0, 2.0**-8]) * np.eye(n))
