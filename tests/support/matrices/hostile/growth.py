"""Elimination with partial pivoting that grows, absorbs or hides a pivot."""

from __future__ import annotations

import numpy as np

from support.matrices.hostile.drawing import Draw, Drawn, family


@family("growth", 8, 120)
def multiple_shooting(d: Draw) -> Drawn:
    """Return Wright's two-point boundary problem (SIAM J. Sci. Comput. 14, 1993)."""
    steps, h = max(d.n // 2, 2), d.rng.uniform(0.1, 0.4)
    m = h * np.array([[-1 / 6, 1.0], [1.0, -1 / 6]])
    values, vectors = np.linalg.eigh(m)
    step = vectors @ np.diag(np.exp(values)) @ vectors.T
    a = np.eye(2 * steps)
    for k in range(1, steps):
        a[2 * k : 2 * k + 2, 2 * k - 2 : 2 * k] = -step
    a[:2, -2:] = np.eye(2)
    return d.turned(d.either(a))


@family("growth", 4, 200)
def foster(d: Draw) -> Drawn:
    """Return a quadrature of a Volterra equation (SIAM J. Matrix Anal. Appl. 15, 1994)."""
    n, k, h, c = d.n, 1.0, d.rng.uniform(0.5, 2.5), d.rng.uniform(0.8, 8)
    h = h / max(n - 1, 1) * d.rng.choice([1, 20])
    a = np.eye(n) - np.tril(np.full((n, n), k * h), -1)
    a[1:, 0] = -k * h / 2
    np.fill_diagonal(a[1:, 1:], 1 - k * h / 2)
    a[:, -1] = -1 / c
    a[-1, -1] = 1 - 1 / c - k * h / 2
    return d.turned(d.either(a))


@family("growth", 4, 100)
def wilkinson_damped(d: Draw) -> Drawn:
    """Return the growth factor 2^(n-1) of Wilkinson, its ones a little less."""
    n, tilt = d.n, 1 - d.log(-6, -0.5)
    a = np.eye(n) - tilt * np.tril(np.ones((n, n)), -1)
    a[:, -1] = 1
    return d.turned(d.either(a + 1e-3 * d.rng.random((n, n)) * d.rng.integers(0, 2)))


@family("growth", 20, 300)
def growth_in_a_corner(d: Draw) -> Drawn:
    """Return a block that doubles, followed by columns that take the growth."""
    n = d.n
    k = int(min(n - 2, d.rng.integers(5, 45)))
    a = np.eye(n) + 0.1 * d.rng.standard_normal((n, n)) / np.sqrt(n)
    a[:k, :k] = np.eye(k) - d.rng.uniform(0.95, 1, (k, k)) * np.tril(np.ones((k, k)), -1)
    a[:k, k:] = d.log(-4, 0) * d.rng.standard_normal((k, n - k))
    a[k:, :k] = -d.rng.uniform(0.95, 1, (n - k, k))
    return d.turned(d.either(a))


@family("growth", 65, 150)
def singular_behind_growth(d: Draw) -> Drawn:
    """Return exactly singular matrices whose elimination grows until noise looks regular.

    Rows 0 to k are Wilkinson's, so that two columns are large where they meet; one of the two is
    the other plus a fraction of a third, on a grid that 24 bits hold.
    """
    n, k, grid = max(d.n, 40), int(d.rng.integers(15, 21)), 2.0**-16

    def noise(size: float, *shape: int) -> Drawn:
        return np.round(size * d.rng.standard_normal(shape) / grid) * grid

    cross = d.log(-2.4, -1.5)
    a = noise(d.log(-2, -1.3), n, n) + 1.5 * np.eye(n)
    a[: k + 1], a[:, :k] = noise(cross, k + 1, n), noise(cross, n, k)
    a[:k, :k] = np.eye(k) - np.triu(1 - 2.0**-9 * d.rng.integers(1, 8, (k, k)), 1)
    a[k, :k] = 1
    p, q, r = d.rng.permutation(np.arange(k + 1, n))[:3]
    a[: k + 1, p] = np.r_[-1 + 2.0**-9 * d.rng.integers(1, 8, k), 1]
    a[:, q] = a[:, p] + d.rng.choice([-1, 1]) * 2.0 ** -d.rng.integers(3, 8) * a[:, r]
    return d.turned(a if d.rng.random() < 0.8 else a.T.copy())


@family("growth", 20, 200)
def absorbed_pivot(d: Draw) -> Drawn:
    """Return well conditioned matrices whose last pivot is lost in what has grown."""
    n = d.n
    a = np.eye(n) - np.tril(np.ones((n, n)), -1)
    columns = int(d.rng.integers(2, 4))
    a[:, -columns:] = 1
    for j in range(1, columns):
        a[-j:, -j] = -1
    return d.turned(d.either(a))


@family("growth", 3, 120)
def random_signs_growth(d: Draw) -> Drawn:
    """Return a lower triangle of -1 with random multipliers, and dense last columns."""
    n = d.n
    a = np.tril(-d.rng.uniform(0.7, 1, (n, n)), -1) + np.diag(d.rng.choice([1.0, -1.0], n))
    last = int(d.rng.integers(1, max(2, n // 4)))
    a[:, -last:] = d.normal(n, last).real
    return d.turned(d.either(a))


@family("growth", 2, 150)
def kahan_pivots(d: Draw) -> Drawn:
    """Return Kahan's triangle, whose pivots say nothing of its rank."""
    n, theta = d.n, d.rng.uniform(0.3, 1.5)
    s, c = np.sin(theta), np.cos(theta)
    a = s ** np.arange(n)[:, None] * (np.eye(n) - c * np.triu(np.ones((n, n)), 1))
    return d.turned(d.either(a))
