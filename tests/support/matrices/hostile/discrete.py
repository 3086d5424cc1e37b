"""Discretised operators, changes of basis, and integers: what programs build before they invert."""

from __future__ import annotations

import numpy as np

from support.matrices.hostile.drawing import Draw, Drawn, family


@family("discrete", 4, 64)
def sylvester_operator(d: Draw) -> Drawn:
    """Return I (x) A + B' (x) I whose spectra almost meet."""
    m = max(2, int(np.sqrt(d.n)))
    a, b = np.triu(d.whole(3, m, m)), np.tril(d.whole(3, m, m))
    np.fill_diagonal(a, np.arange(1, m + 1))
    np.fill_diagonal(b, -np.arange(1, m + 1) - 2.0 ** -int(d.rng.integers(0, d.digits - 8)))
    return np.kron(np.eye(m), a) + np.kron(b.T, np.eye(m))


@family("discrete", 3, 64)
def first_kind_integral(d: Draw) -> Drawn:
    """Return a Gaussian or gravity kernel between two grids: singular values fall exponentially."""
    n = d.n
    s, t = (np.arange(n) + 0.5) / n, (np.arange(n) + d.rng.random()) / n
    depth = d.log(-1.5, 0.3)
    return d.turned(depth / (depth**2 + (s[:, None] - t) ** 2) ** 1.5 / n)


@family("discrete", 2, 120)
def circulant_with_a_faint_mode(d: Draw) -> Drawn:
    """Return a circulant one Fourier coefficient of which is almost, or exactly, nothing."""
    n = d.n
    c = d.rng.integers(-5, 6, n).astype(float)
    c[0] -= c.sum() - d.rng.choice([0, 1, 2.0 ** -(d.digits - 12)])
    return d.turned(np.array([np.roll(c, k) for k in range(n)]))


@family("discrete", 2, 150)
def shifted_grcar(d: Draw) -> Drawn:
    """Return a Toeplitz band minus a number inside its pseudospectrum."""
    n = d.n
    a = sum(np.eye(n, k=k) for k in range(4)) - np.eye(n, k=-1)
    return d.turned(a - d.rng.uniform(-0.5, 2.5) * np.eye(n))


@family("discrete", 2, 24)
def loewner_pairs(d: Draw) -> Drawn:
    """Return (f(x) - f(y)) / (x - y) with nodes that almost meet."""
    x = np.sort(d.rng.random(d.n))
    y = x + d.log(-6 if not d.single else -3, -0.5, d.n)
    return d.turned((np.exp(x)[:, None] - np.exp(y)) / (x[:, None] - y))


@family("discrete", 1, 60)
def signs_at_random(d: Draw) -> Drawn:
    """Return -1, 0 and 1 at random: often exactly singular."""
    return d.turned(d.rng.choice([-1.0, 0.0, 1.0], (d.n, d.n), p=d.rng.dirichlet([1, 1, 1])))


@family("discrete", 2, 40)
def change_of_basis(d: Draw) -> Drawn:
    """Return Chebyshev, Bernstein or Newton polynomials in monomials."""
    n = min(d.n, 20 if d.single else 40)
    kind, a = d.rng.integers(3), np.zeros((n, n))
    if kind == 0:
        for k in range(n):
            a[: k + 1, k] = np.polynomial.chebyshev.cheb2poly(np.eye(n)[k, : k + 1])[: k + 1]
    elif kind == 1:
        x = np.linspace(0, 1, n)
        a = np.array([x**k * (1 - x) ** (n - 1 - k) for k in range(n)]).T
    else:
        for k in range(n):
            a[: k + 1, k] = np.atleast_1d(np.poly(np.arange(k)))[::-1]
    return d.turned(d.either(a))


@family("discrete", 2, 24)
def unimodular(d: Draw) -> Drawn:
    """Return a product of integer shears: determinant 1, elements up to the last bit."""
    n = d.n
    a = np.eye(n)
    for _ in range(60 * n):
        i, j = d.rng.integers(0, n, 2)
        if i == j:
            continue
        b = a.copy()
        b[i] += d.rng.integers(-2, 3) * b[j]
        if np.abs(b).max() >= 2.0**d.digits:
            break
        a = b
    return d.turned(a)


@family("discrete", 1, 128)
def fourier(d: Draw) -> Drawn:
    """Return the Fourier matrix, of real dtypes the cosine transform, with a diagonal filter."""
    n = d.n
    k = np.arange(n)
    f = (
        np.exp(-2j * np.pi * np.outer(k, k) / n)
        if d.dtype.kind == "c"
        else np.cos(np.pi * np.outer(k, k + 0.5) / n)
    )
    return f * d.log(-3, 3, n) if d.rng.random() < 0.5 else f


@family("discrete", 2, 120)
def leontief(d: Draw) -> Drawn:
    """Return I - A of an economy that consumes nearly all it makes, in its own currencies."""
    n = d.n
    a = d.rng.random((n, n)) * (d.rng.random((n, n)) < 0.3)
    a /= a.sum(axis=0) + 1e-3
    price = 10.0 ** d.rng.integers(-4, 5, n)
    return d.turned(price[:, None] * (np.eye(n) - a * (1 - d.log(-8, -1))) / price)


@family("discrete", 2, 100)
def biharmonic(d: Draw) -> Drawn:
    """Return the fourth derivative on a grid, in units of the grid: kappa grows as n^4."""
    n = d.n
    second = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    if d.rng.random() < 0.3:
        second[0, 0] = second[-1, -1] = 1
    return d.turned(second @ second * float(n + 1) ** d.rng.choice([0, 4]))


@family("discrete", 2, 60)
def noise_under_a_permutation(d: Draw) -> Drawn:
    """Return a permutation of powers of ten over dense noise that no double sees beside them."""
    n, most = d.n, d.decades(25)
    a = np.diag(10.0 ** np.round(d.rng.uniform(-most, most, n)))[d.rng.permutation(n)]
    return a + d.normal(n, n) * 10.0**-most * d.rng.choice([0.1, 1, 10])


@family("discrete", 2, 40)
def kronecker_of_near_ones(d: Draw) -> Drawn:
    """Return Kronecker powers of [[1, 1], [1, 1 + e]]."""
    e = 2.0 ** -int(d.rng.integers(2, d.digits // 2))
    a = np.array([[1.0]])
    while len(a) * 2 <= d.n:
        a = np.kron(a, np.array([[1, 1], [1, 1 + e]]))
    return d.turned(a)
