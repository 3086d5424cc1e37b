"""Matrices for the pseudo-inverse: of a rank that is given, cut, or close to be cut."""

from __future__ import annotations

import numpy as np

from support.matrices.hostile.drawing import Draw, Drawn, family


@family("rank", 2, 30)
def rank_given(d: Draw) -> Drawn:
    """Return integers of exact rank r."""
    r = int(d.rng.integers(0, d.n + 1))
    return d.whole(4, d.n, r) @ d.whole(4, r, d.n) if r else np.zeros((d.n, d.n))


@family("rank", 2, 24)
def rank_cut(d: Draw) -> Drawn:
    """Return a regular matrix some singular values of which are far below the rest."""
    n = d.n
    r = int(d.rng.integers(1, n))
    floor = d.log(-22, -8) if not d.single else d.log(-12, -4)
    s = np.r_[d.log(-2, 0, r), floor * d.log(-1, 0, n - r)]
    return d.orthogonal(n) * s @ d.orthogonal(n)


@family("rank", 2, 12)
def diagonal_near_the_cut(d: Draw) -> Drawn:
    """Return a diagonal whose small elements lie at n u, on both sides."""
    small = 2.0 ** d.rng.integers(-d.digits - 6, -d.digits + 12, d.n)
    a = np.where(d.rng.random(d.n) < 0.5, small, 1.0)
    a[0] = 1
    return d.turned(np.diag(a))


@family("rank", 2, 24)
def identity_plus_noise(d: Draw) -> Drawn:
    return np.eye(d.n) + d.log(-15, -11) * d.normal(d.n, d.n)


@family("rank", 2, 24)
def orthogonal_times_two(d: Draw) -> Drawn:
    return d.orthogonal(d.n) * 2.0 ** d.rng.integers(-30, 30)


@family("rank", 2, 20)
def nearly_rank_one(d: Draw) -> Drawn:
    """Return an outer product and a whiff of another."""
    u, v, w = d.normal(d.n, 1), d.normal(1, d.n), d.normal(d.n, d.n)
    return u @ v + d.log(-17, -2) * w


@family("rank", 2, 20)
def jordan_at_zero(d: Draw) -> Drawn:
    """Return Jordan blocks of eigenvalue zero and tiny ones: rank is not what eigenvalues say."""
    a = np.diag(np.where(d.rng.random(d.n - 1) < 0.7, 1.0, 0.0), 1)
    return d.turned(a + d.rng.choice([0.0, 2.0**-60, 2.0**-30]) * np.eye(d.n))


@family("rank", 3, 24)
def centred_projector(d: Draw) -> Drawn:
    """Return I - 11'/n, or the hat matrix of a small design."""
    n = d.n
    if d.rng.random() < 0.5:
        return d.turned(np.eye(n) - np.full((n, n), 1 / n))
    q = np.linalg.qr(d.normal(n, max(1, n // 2)))[0]
    return q @ q.conj().T


@family("rank", 2, 20)
def low_rank_scaled(d: Draw) -> Drawn:
    """Return a matrix of low rank with rows in units of their own."""
    r = int(d.rng.integers(1, d.n))
    return d.twos(6, d.n)[:, None] * (d.whole(3, d.n, r) @ d.whole(3, r, d.n))


@family("rank", 3, 24)
def cluster_at_the_cut(d: Draw) -> Drawn:
    """Return singular values in geometric progression through u: a rank that is nobody's."""
    n = d.n
    deepest = d.log(-12, -7) if d.single else d.log(-30, -14)
    return d.orthogonal(n) * deepest ** np.linspace(0, 1, n) @ d.orthogonal(n)


@family("rank", 2, 24)
def twin_singular_values_at_the_cut(d: Draw) -> Drawn:
    """Return pairs of equal singular values around n u."""
    n = d.n
    near = d.u * n * d.log(-0.7, 0.7)
    s = np.r_[np.ones(n - n // 2), np.full(n // 2, near)]
    return d.orthogonal(n) * s @ d.orthogonal(n)
