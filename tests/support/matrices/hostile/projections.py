"""More for the pseudo-inverse: projections, skew matrices and graphs."""

from __future__ import annotations

import numpy as np

from support.matrices.hostile.drawing import Draw, Drawn, family


@family("rank", 1, 25)
def skew_symmetric(d: Draw) -> Drawn:
    """Return integers with A' = -A: singular for odd orders, singular values in pairs."""
    k = np.triu(d.rng.integers(-9, 10, (d.n, d.n)), 1).astype(float)
    return d.turned(k - k.T)


@family("rank", 3, 24)
def oblique_projection(d: Draw) -> Drawn:
    """Return U (V'U)^-1 V' with an angle between the spaces that may be small."""
    n = d.n
    r = int(d.rng.integers(1, n))
    u = d.normal(n, r)
    v = u + d.log(-1, 4) * d.normal(n, r)
    return u @ np.linalg.inv(v.conj().T @ u) @ v.conj().T


@family("rank", 2, 24)
def graph_of_components(d: Draw) -> Drawn:
    """Return the Laplacian of a graph in several pieces, weights over decades."""
    n = d.n
    w = np.triu((d.rng.random((n, n)) < 1.2 / n) * 2.0 ** d.rng.integers(-12, 12, (n, n)), 1)
    w = w + w.T
    return d.turned(np.diag(w.sum(axis=0)) - w)


@family("rank", 2, 24)
def far_from_one(d: Draw) -> Drawn:
    """Return a low rank at a scale where squares overflow or underflow."""
    r = int(d.rng.integers(1, d.n + 1))
    k = int(d.rng.integers(-110, 110)) if d.single else int(d.rng.integers(-900, 900))
    return np.ldexp(1.0, k) * (d.whole(3, d.n, r) @ d.whole(3, r, d.n))


@family("rank", 2, 20)
def two_plateaus(d: Draw) -> Drawn:
    """Return singular values on two plateaus, the lower within a hundred units of the cut."""
    n = d.n
    r = int(d.rng.integers(1, n))
    s = np.r_[np.full(r, 1.0), np.full(n - r, n * d.u * d.log(-0.5, 2.5))]
    return d.orthogonal(n) * s @ d.orthogonal(n)


@family("rank", 2, 20)
def bordered_zero(d: Draw) -> Drawn:
    """Return a regular block in a sea of zeros, at any place."""
    n = d.n
    r = int(d.rng.integers(0, n + 1))
    a = np.zeros((n, n), np.complex128 if d.dtype.kind == "c" else np.float64)
    rows, cols = d.rng.permutation(n)[:r], d.rng.permutation(n)[:r]
    a[np.ix_(rows, cols)] = d.normal(r, r) * d.log(-8, 8)
    return a


@family("rank", 2, 16)
def ill_conditioned_of_low_rank(d: Draw) -> Drawn:
    """Return a Hilbert corner spread over two integer bases: low rank and ill conditioned."""
    r = int(d.rng.integers(1, min(d.n, 7) + 1))
    i, j = np.mgrid[1.0 : r + 1, 1.0 : r + 1]
    return np.sign(d.whole(1, d.n, r)) @ (np.round(2.0**14 / (i + j - 1)) @ d.whole(1, r, d.n))
