"""Rows and columns of very different size: where a bound on a scaled problem says little."""

from __future__ import annotations

import numpy as np

from support.matrices.hostile.drawing import Draw, Drawn, family


@family("scaled", 18, 60)
def companion(d: Draw) -> Drawn:
    """Return the companion matrix of (x-1)...(x-n), of one of its four shapes."""
    n = min(d.n, 28) if d.single else d.n
    roots = np.arange(1.0, n + 1) * (2.0 ** d.rng.integers(-2, 3))
    c = np.eye(n, k=1)
    c[:, 0] = -np.poly(roots)[1:]
    shape = d.rng.integers(0, 4)
    c = c if shape < 2 else c[::-1, ::-1].copy()
    return d.turned(c if shape % 2 else c.T.copy())


@family("scaled", 3, 40)
def graded_arrow(d: Draw) -> Drawn:
    """Return an arrow whose elements are log-uniform over many decades."""
    n, most = d.n, d.decades(18)
    a = np.diag(d.log(-most, most, n))
    a[0], a[:, 0] = d.log(-most, most, n), d.log(-most, most, n)
    return d.turned(a * d.rng.choice([-1.0, 1.0], (n, n)))


@family("scaled", 2, 40)
def sparse_wide(d: Draw) -> Drawn:
    """Return a permuted diagonal and some more, with scales of 10 to the +-30."""
    n, most = d.n, d.decades(30) * d.rng.random()
    hit = d.rng.random((n, n)) < d.rng.uniform(0.5, 3) / n
    hit[np.arange(n), d.rng.permutation(n)] = True
    a = np.where(hit, d.log(-most, most, (n, n)), 0.0) * d.rng.choice([-1.0, 1.0], (n, n))
    return d.turned(a)


@family("scaled", 4, 24)
def cancelling(d: Draw) -> Drawn:
    """Return D1 B D2 where the inverse of B has zeros that the scaling makes dear.

    B is a product of integer bidiagonal factors, so that elements of its inverse vanish exactly,
    while computed ones are rounding errors.
    """
    n = d.n
    lower = np.eye(n) + np.diag(d.rng.integers(-3, 4, n - 1), -1)
    upper = np.eye(n) + np.diag(d.rng.integers(-3, 4, n - 1), 1)
    p, q = d.rng.permutation(n), d.rng.permutation(n)
    b = (lower @ upper @ lower)[p][:, q]
    most = 12 if d.single else 40
    return d.turned(d.twos(most, n)[:, None] * b * d.twos(most, n))


@family("scaled", 4, 4)
def published_wrong(d: Draw) -> Drawn:
    """Return matrices of the pattern of a wrong result that was once published."""
    pattern = np.array([[0, 0, 4, 0], [-9, 0, -9, -9], [9, 0, -8, 0], [12, -10, 3, 0.0]])
    jitter = d.rng.uniform(-2, 2, (4, 4)) * (pattern != 0)
    a = np.where(
        pattern != 0, np.round(d.log(0, 0.9, (4, 4))) * 10.0 ** np.round(pattern + jitter), 0.0
    )
    return d.turned(a[d.rng.permutation(4)][:, d.rng.permutation(4)])


@family("scaled")
def physical_units(d: Draw) -> Drawn:
    """Return a dense matrix whose rows and columns have units from 10^-9 to 10^9."""
    most = min(9.0, d.decades(9))
    return d.log(-most, most, d.n)[:, None] * d.normal(d.n, d.n) * d.log(-most, most, d.n)


@family("scaled")
def rows_by_twos(d: Draw) -> Drawn:
    return d.twos(100, d.n)[:, None] * d.normal(d.n, d.n)


@family("scaled")
def cols_by_twos(d: Draw) -> Drawn:
    return d.normal(d.n, d.n) * d.twos(100, d.n)


@family("scaled")
def both_by_twos(d: Draw) -> Drawn:
    return d.twos(50, d.n)[:, None] * d.normal(d.n, d.n) * d.twos(50, d.n)


@family("scaled", 2, 60)
def reactor(d: Draw) -> Drawn:
    """Return a sparse matrix of rate constants over 30 decades on a diagonal that may be tiny."""
    n, most = d.n, d.decades(15)
    rates = np.where(d.rng.random((n, n)) < 3 / n, d.log(-most, most, (n, n)), 0.0)
    a = rates - np.diag(rates.sum(axis=0))
    return d.turned(a + np.diag(d.log(-most, 0, n)))


@family("scaled", 3, 3)
def refused_by_row_scaling(d: Draw) -> Drawn:
    """Return matrices of the pattern of one that scaling rows first made singular."""
    a = np.array([[2e3, 1e2, 0], [1e-9, 0, 3e9], [0, 0, 2e-6]]) * d.log(-1, 1, (3, 3))
    return d.turned(d.either(a[d.rng.permutation(3)][:, d.rng.permutation(3)]))


@family("scaled", 2, 48)
def triangular_wide(d: Draw) -> Drawn:
    """Return a triangular matrix with elements log-uniform over many decades."""
    n, most = d.n, d.decades(12) * d.rng.random()
    a = np.triu(d.log(-most, most, (n, n)) * d.rng.choice([-1.0, 1.0], (n, n)))
    return d.turned(d.either(a))


@family("scaled", 2, 80)
def hankel_of_factorials(d: Draw) -> Drawn:
    """Return x^(i+j) / (i+j)!, whose columns shrink beyond all bounds."""
    n = min(d.n, 16 if d.single else 60)
    k = np.add.outer(np.arange(n), np.arange(n))
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, 2 * n)))])
    return d.turned(np.exp(k * np.log(d.rng.uniform(0.5, 3)) - logs[k]))


@family("scaled", 2, 120)
def bordered_by_a_huge_row(d: Draw) -> Drawn:
    """Return normal numbers with one row and one column from elsewhere."""
    a, most = d.normal(d.n, d.n), d.decades(60)
    a[d.rng.integers(d.n)] *= d.log(-most, most)
    a[:, d.rng.integers(d.n)] *= d.log(-most, most)
    return a
