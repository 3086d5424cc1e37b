"""Families that nobody listed."""

from __future__ import annotations

import numpy as np

from support.matrices.hostile.drawing import Draw, Drawn, family


@family("stray", 3, 48)
def hidden_inverse_zeros(d: Draw) -> Drawn:
    """Return S T S^-1 by blocks, scaled so that exact zeros of the inverse meet huge factors."""
    n, k = d.n, max(1, d.n // 2)
    a = np.zeros((n, n))
    a[:k, :k], a[k:, k:] = d.rng.integers(-4, 5, (k, k)), d.rng.integers(-4, 5, (n - k, n - k))
    a[:k, k:] = d.rng.integers(-4, 5, (k, n - k))
    a[range(n), range(n)] += 7
    most = 10 if d.single else 45
    up = np.where(np.arange(n) < k, d.twos(most, n), 1.0)
    return d.turned((up[:, None] * a / up)[d.rng.permutation(n)])


@family("stray", 2, 60)
def telescope(d: Draw) -> Drawn:
    """Return a bidiagonal matrix whose inverse is a table of products over many decades."""
    ratio = d.log(-1, 1, d.n - 1) ** d.rng.uniform(0.2, 4 if not d.single else 1.5)
    a = (
        np.eye(d.n)
        + np.diag(-ratio, 1)
        + d.rng.choice([0, 1e-12]) * np.tril(np.ones((d.n, d.n)), -1)
    )
    return d.turned(d.either(a))


@family("stray", 2, 90)
def huge_low_rank_plus_identity(d: Draw) -> Drawn:
    """Return I + huge u v': the identity is below the last bit of the update."""
    r = int(d.rng.integers(1, 4))
    u, v = d.whole(3, d.n, r), d.whole(3, r, d.n)
    top = d.digits - 8
    return np.eye(d.n) + 2.0 ** d.rng.integers(2, top) * (u @ v)


@family("stray", 2, 60)
def fibonacci_pair(d: Draw) -> Drawn:
    """Return integers of determinant 1 with huge neighbours, in blocks along the diagonal."""
    n, most = d.n, 34 if d.single else 76
    a = np.eye(n)
    for i in range(0, n - 1, 2):
        x, y = 1, 1
        for _ in range(int(d.rng.integers(2, most))):
            x, y = y, x + y
        a[i : i + 2, i : i + 2] = [[x + y, y], [y, x]]
    q = np.eye(n) + np.diag(d.rng.integers(-1, 2, n - 1), 1)
    return d.turned(a @ q if not d.single else a)


@family("stray", 2, 48)
def exponential_of_stiff(d: Draw) -> Drawn:
    """Return a Leslie, Markov or decay chain: triangular with nearly equal eigenvalues."""
    n = d.n
    rates = 1 + d.log(-14, 0, n)
    a = np.diag(rates) - np.diag(rates[:-1] * d.rng.uniform(0.9, 1.1, n - 1), -1)
    a[0] += d.log(-12, 0, n)
    return d.turned(a)


@family("stray", 4, 64)
def kronecker(d: Draw) -> Drawn:
    """Return a Kronecker product of a small ill conditioned matrix with a scaled one."""
    m = max(2, int(np.sqrt(d.n)))
    i, j = np.mgrid[1.0 : m + 1, 1.0 : m + 1]
    b = d.normal(m, m) * d.twos(8, m)
    return np.kron(1 / (i + j - 1), b) if d.rng.random() < 0.5 else np.kron(b, 1 / (i + j - 1))


@family("stray", 2, 40)
def tie_maker(d: Draw) -> Drawn:
    """Return unit triangles whose inverse has elements halfway between two numbers."""
    n, bits = d.n, d.digits
    half = bits // 2
    a = np.eye(n)
    for i in range(n - 1):
        shift = int(d.rng.integers(1, half))
        a[i, i + 1] = -(1 + 2.0 ** -(shift if i % 2 else bits - shift))
    return d.turned(d.either(a))


@family("stray", 2, 60)
def vandermonde_on_a_circle_and_off(d: Draw) -> Drawn:
    """Return powers of points near the unit circle, so that columns grow or fade."""
    n = min(d.n, 40)
    x = d.log(-0.2, 0.2, n)
    if d.dtype.kind == "c":
        x = x * np.exp(2j * np.pi * d.rng.random(n))
    else:
        x = x * d.rng.choice([-1, 1], n)
    return x[:, None] ** np.arange(n)


@family("stray", 3, 100)
def block_with_its_schur_complement_zero(d: Draw) -> Drawn:
    """Return [[A, AB], [CA, CAB + e]]: regular or not by an element that is tiny."""
    n = d.n
    k = int(d.rng.integers(1, n))
    a = d.whole(3, k, k) + 5 * np.eye(k)
    b, c = d.whole(1, k, n - k), d.whole(1, n - k, k)
    e = 2.0 ** -int(d.rng.integers(0, d.digits)) * d.rng.integers(0, 2)
    low = c @ a @ b + e * np.eye(n - k)
    out = np.block([[a, a @ b], [c @ a, low]])
    return out[d.rng.permutation(n)]


@family("stray", 2, 50)
def matrix_of_powers_of_two(d: Draw) -> Drawn:
    """Return only powers of two, with signs: many exact cancellations, and scales in disguise."""
    most = int(d.decades(20) * 3.3 * d.rng.random()) + 1
    e = d.rng.integers(-most, most, (d.n, d.n), endpoint=True)
    return d.turned(d.rng.choice([-1.0, 0.0, 1.0], (d.n, d.n)) * 2.0**e)


@family("stray", 2, 64)
def monge_plus_sign(d: Draw) -> Drawn:
    """Return max(i, j)^p with signs of a Hadamard-like pattern."""
    i, j = np.mgrid[1.0 : d.n + 1, 1.0 : d.n + 1]
    a = np.maximum(i, j) ** d.rng.choice([-2, -1, 1, 2, 3])
    return d.turned(a * (-1.0) ** ((i * j) // d.rng.integers(1, 5)))


@family("stray", 2, 40)
def rows_nearly_parallel_in_pairs(d: Draw) -> Drawn:
    """Return pairs of rows that differ by a last bit, each pair on a scale of its own."""
    n = d.n
    a = d.normal(n, n).astype(d.dtype)
    half = n // 2
    a[half : 2 * half] = a[:half] * (1 + d.rng.integers(0, 5, (half, n)) * np.finfo(d.dtype).eps)
    a = a.astype(np.complex128 if d.dtype.kind == "c" else np.float64)
    return a * d.twos(10, n)[:, None]


@family("stray", 2, 64)
def upper_hessenberg_growing(d: Draw) -> Drawn:
    """Return a Hessenberg matrix whose subdiagonal shrinks: its inverse explodes in a corner."""
    a = np.triu(d.normal(d.n, d.n))
    sub = d.log(-6, 0) ** d.rng.uniform(0, 1, d.n - 1)
    a = a + np.diag(sub, -1) + d.rng.choice([0.0, 2.0]) * np.eye(d.n)
    np.fill_diagonal(a, np.diag(a) * d.log(-8, 0, d.n))
    return d.either(a)


@family("stray", 1, 200)
def markov_resolvent(d: Draw) -> Drawn:
    """Return I - t P for a stochastic P, t up to the last bit below 1, and 1 itself."""
    p = d.rng.random((d.n, d.n)) ** 3
    p /= p.sum(axis=1, keepdims=True)
    t = d.rng.choice([1.0, 1 - 2.0 ** -int(d.rng.integers(1, d.digits))])
    return d.turned(np.eye(d.n) - t * p)


@family("stray", 1, 120)
def one_dense_column_huge(d: Draw) -> Drawn:
    """Return a triangle with a first column at the far end of the scale."""
    a = np.triu(d.normal(d.n, d.n)) + 3 * np.eye(d.n)
    a[:, 0] = d.normal(d.n) * d.log(0, d.decades(60))
    return d.either(a)[d.rng.permutation(d.n)]
