"""Hermitian matrices: definite, nearly definite, and such as only look it."""

from __future__ import annotations

import numpy as np

from support.matrices.hostile.drawing import Draw, Drawn, family


def _hermitian(a: Drawn) -> Drawn:
    return (
        np.tril(a) + np.tril(a, -1).conj().T - 1j * np.diag(np.diag(a).imag)
        if (a.dtype.kind == "c")
        else np.tril(a) + np.tril(a, -1).T
    )


@family("hermitian", 2, 130)
def tiny_positive_diagonal(d: Draw) -> Drawn:
    """Return large elements off a diagonal that is tiny, positive and says nothing."""
    n = d.n
    tiny = d.log(-38, -5) if d.single else d.log(-300, -5)
    a = np.eye(n)[::-1].copy() if d.rng.random() < 0.5 else np.ones((n, n)) - np.eye(n)
    return a * d.log(0, 10) + tiny * np.eye(n)


@family("hermitian")
def gram_of_normal(d: Draw) -> Drawn:
    v = d.normal(d.n, d.n + int(d.rng.integers(0, 4)))
    return _hermitian(v @ v.conj().T)


@family("hermitian")
def gram_scaled(d: Draw) -> Drawn:
    """Return a covariance whose variables have units of their own."""
    v = d.normal(d.n, 2 * d.n)
    s = d.twos(30, d.n)
    s = s if d.single is False else np.clip(s, 2.0**-40, 2.0**40)
    return _hermitian(s[:, None] * (v @ v.conj().T) * s)


@family("hermitian", 2, 150)
def gram_of_whole(d: Draw) -> Drawn:
    """Return Gram matrices of integers, semidefinite of a rank that may be full."""
    v = d.whole(2, d.n, max(1, d.n - int(d.rng.integers(-1, 2))))
    return _hermitian(v @ v.conj().T)


@family("hermitian", 2, 150)
def barely_indefinite(d: Draw) -> Drawn:
    """Return a definite matrix shifted until one eigenvalue is close to zero, on either side."""
    v = d.normal(d.n, d.n)
    a = v @ v.conj().T
    shift = np.linalg.eigvalsh(a)[0] * (1 + d.rng.choice([-1, 1]) * d.log(-9, -1))
    return _hermitian(a - shift * np.eye(d.n))


@family("hermitian", 2, 200)
def stiffness_chain(d: Draw) -> Drawn:
    """Return springs in a row, of stiffness over many decades, held at one end or at none."""
    k = d.twos(6, d.n + 1)
    k[-1] = 0
    k[0] *= d.rng.choice([0, 1])
    a = np.diag(k[:-1] + k[1:]) - np.diag(k[1:-1], 1) - np.diag(k[1:-1], -1)
    return d.turned(a) if d.dtype.kind != "c" else _phased(d, a)


@family("hermitian", 2, 100)
def penalty_method(d: Draw) -> Drawn:
    """Return a stiffness matrix with a few huge numbers on its diagonal that hold degrees fixed."""
    a = 2 * np.eye(d.n) - np.eye(d.n, k=1) - np.eye(d.n, k=-1)
    held = d.rng.permutation(d.n)[: max(1, d.n // 8)]
    a[held, held] = d.log(5, 15)
    return _phased(d, a)


@family("hermitian", 2, 100)
def one_bit_from_hermitian(d: Draw) -> Drawn:
    """Return a definite matrix one element of which differs from its mirror in the last bit."""
    v = d.normal(d.n, 2 * d.n)
    a = _hermitian(v @ v.conj().T)
    a = a.astype(d.dtype)
    a[0, -1] *= 1 + np.finfo(d.dtype).eps
    return a.astype(np.complex128 if d.dtype.kind == "c" else np.float64)


@family("hermitian", 1, 40)
def moment_matrix(d: Draw) -> Drawn:
    """Return moments of samples: a Hankel matrix, definite and of huge condition."""
    n = min(d.n, 10 if d.single else 20)
    x = d.rng.uniform(-1.5, 1.5, 3 * n)
    moments = np.array([(x**k).mean() for k in range(2 * n - 1)])
    return d.turned(moments[np.add.outer(np.arange(n), np.arange(n))])


@family("hermitian", 2, 80)
def indefinite_zero_diagonal(d: Draw) -> Drawn:
    """Return a Hermitian matrix without a diagonal: distances, or a random one."""
    if d.rng.random() < 0.5:
        x = np.sort(d.rng.random(d.n))
        return _phased(d, np.abs(x[:, None] - x))
    a = _hermitian(d.normal(d.n, d.n))
    np.fill_diagonal(a, 0)
    return a


def _phased(d: Draw, a: Drawn) -> Drawn:
    """Return D a D* with powers of i: Hermitian and exact."""
    if d.dtype.kind != "c":
        return a
    units = np.array([1, 1j, -1, -1j])[d.rng.integers(0, 4, len(a))]
    return units[:, None] * a * units.conj()
