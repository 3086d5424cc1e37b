"""Ill conditioned matrices that everybody knows, with their parameters drawn."""

from __future__ import annotations

import numpy as np

from support.matrices.hostile.drawing import Draw, Drawn, family


def _grid(n: int) -> tuple[Drawn, Drawn]:
    return np.mgrid[1.0 : n + 1, 1.0 : n + 1][0], np.mgrid[1.0 : n + 1, 1.0 : n + 1][1]


@family("classic", 1, 40)
def hilbert_shifted(d: Draw) -> Drawn:
    """Return 1/(i+j-1+s): of every s totally positive."""
    i, j = _grid(d.n)
    return d.turned(1 / (i + j - 1 + d.rng.choice([0, 1, 0.5, 3])))


@family("classic", 1, 30)
def cauchy_random(d: Draw) -> Drawn:
    x, y = np.sort(d.rng.random(d.n)), 1.1 + np.sort(d.rng.random(d.n))
    return d.turned(1 / (x[:, None] + d.rng.choice([1, -1]) * y))


@family("classic", 1, 40)
def vandermonde_random(d: Draw) -> Drawn:
    n = min(d.n, 20) if d.single else d.n
    x = d.rng.choice([1.0, 2.0, 0.5]) * np.sort(d.rng.uniform(-1, 1, n))
    return d.turned(d.either(np.vander(x, increasing=bool(d.rng.integers(2)))))


@family("classic", 1, 40)
def lotkin_like(d: Draw) -> Drawn:
    i, j = _grid(d.n)
    a = 1 / (i + j - 1)
    a[0] = 1
    return d.turned(d.either(a))


@family("classic", 2, 120)
def prolate_band(d: Draw) -> Drawn:
    """Return the sinc kernel of a band: eigenvalues 0 and 1 in clusters."""
    w = d.rng.uniform(0.1, 0.45)
    return d.turned(2 * w * np.sinc(2 * w * np.subtract.outer(np.arange(d.n), np.arange(d.n))))


@family("classic", 2, 150)
def gaussian_kernel(d: Draw) -> Drawn:
    x = np.sort(d.rng.uniform(0, 10, d.n))
    a = np.exp(-((x[:, None] - x) ** 2) / (2 * d.log(-1, 1) ** 2))
    return d.turned(a + d.rng.choice([0, 1e-10, 1e-6]) * np.eye(d.n))


@family("classic", 2, 180)
def kriging(d: Draw) -> Drawn:
    """Return an exponential covariance of places in the plane, as geologists invert it."""
    places = d.rng.uniform(0, 1000, (d.n, 2))
    distance = np.hypot(*np.moveaxis(places[:, None] - places, 2, 0))
    return d.turned(np.exp(-distance / d.log(2, 4)) + d.rng.choice([0, 1e-3]) * np.eye(d.n))


@family("classic", 2, 100)
def kriging_bordered(d: Draw) -> Drawn:
    """Return ordinary kriging: a covariance with a border of ones and a zero corner."""
    x = np.sort(d.rng.uniform(0, 100, d.n - 1))
    a = np.ones((d.n, d.n))
    a[:-1, :-1] = np.exp(-np.abs(x[:, None] - x) / d.log(0, 3))
    a[-1, -1] = 0
    return d.turned(a)


@family("classic", 2, 100)
def near_identity(d: Draw) -> Drawn:
    return np.eye(d.n) + d.log(-17, -3) * d.normal(d.n, d.n)


@family("classic", 1, 120)
def near_orthogonal(d: Draw) -> Drawn:
    return d.orthogonal(d.n) * d.rng.choice([1.0, 3.0, 2.0**-20])


@family("classic", 1, 150)
def singular_values_given(d: Draw) -> Drawn:
    """Return U S V with a condition up to beyond what the dtype can tell from singular."""
    kappa, n = d.log(0, 18), d.n
    s = kappa ** -np.linspace(0, 1, n) if d.rng.random() < 0.5 else np.r_[np.ones(n - 1), 1 / kappa]
    return d.orthogonal(n) * s @ d.orthogonal(n)


@family("classic", 2, 40)
def pascal_signed(d: Draw) -> Drawn:
    """Return binomial coefficients, triangular, whose square is the identity."""
    n = min(d.n, 25 if d.single else 50)
    a = np.zeros((n, n))
    a[:, 0] = 1
    for i in range(1, n):
        a[i, 1:] = a[i - 1, 1:] + a[i - 1, :-1]
    a = a * (-1.0) ** np.arange(n)
    return d.turned(a if d.rng.random() < 0.5 else np.abs(a) @ np.abs(a).T)


@family("classic", 3, 120)
def saddle_point(d: Draw) -> Drawn:
    """Return [[H, B'], [B, 0]] with H of a size of its own."""
    n, m = d.n, max(1, d.n // 3)
    h = d.normal(n - m, n - m)
    a = np.zeros((n, n), h.dtype)
    a[:-m, :-m] = d.log(-8, 8) * (h + h.conj().T)
    a[-m:, :-m] = d.normal(m, n - m)
    a[:-m, -m:] = a[-m:, :-m].conj().T
    order = d.rng.permutation(n) if d.rng.random() < 0.5 else np.arange(n)
    return a[order][:, order]


@family("classic", 2, 150)
def permuted_dominant(d: Draw) -> Drawn:
    """Return a diagonally dominant matrix with its rows shuffled."""
    a = d.normal(d.n, d.n) / d.n + np.diag(d.log(-3, 3, d.n))
    return a[d.rng.permutation(d.n)]


@family("classic", 2, 64)
def legendre_of_monomials(d: Draw) -> Drawn:
    """Return the Gram matrix of monomials on [-1, 1]: Hilbert with a chessboard of zeros."""
    i, j = _grid(min(d.n, 40))
    return d.turned(np.where((i + j) % 2 == 0, 2 / (i + j - 1), 0.0))
