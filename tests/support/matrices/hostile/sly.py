"""Families aimed at a certificate: at what a bound, a probe or a rounding may leave out."""

from __future__ import annotations

import numpy as np

from support.matrices.hostile.drawing import Draw, Drawn, family


@family("sly", 2)
def same_rounding_everywhere(d: Draw) -> Drawn:
    """Return a I + b J of thirds and sevenths: all rounding errors of a sum have one sign."""
    n = d.n
    b = float(d.rng.choice([1 / 3, 1 / 7, 0.1, 1 - 2.0**-20]))
    a = float(d.rng.choice([1 / 3, 10.0, n * b, 2.0**-10, 1e-6]))
    return d.turned(a * np.eye(n) + b * np.ones((n, n)))


@family("sly", 2, 200)
def long_positive_sums(d: Draw) -> Drawn:
    """Return an M-matrix that is almost singular: its inverse and all products are positive."""
    n = d.n
    p = d.rng.random((n, n)) / n
    a = np.diag(p.sum(axis=1) * (1 + d.log(-7, -1))) - p
    return d.turned(d.either(a))


@family("sly", 1, 70)
def top_of_the_range(d: Draw) -> Drawn:
    """Return elements at the end of the range, so that the inverse is subnormal."""
    high = 128 if d.single else 1024
    a = (np.eye(d.n) if d.rng.random() < 0.5 else d.orthogonal(d.n)) * np.ldexp(
        1 - d.rng.random() / 2, high
    )
    a = np.where(np.abs(a) < np.ldexp(1.0, high - 60), 0, a)
    return d.turned(a) if not np.iscomplexobj(a) else a * 0.7


@family("sly", 2, 60)
def lopsided_complex(d: Draw) -> Drawn:
    """Return R + i e S: for complex dtypes, parts of very different size."""
    a = d.rng.standard_normal((d.n, d.n))
    if d.dtype.kind != "c":
        return a @ np.diag(d.twos(30, d.n)) @ np.linalg.qr(a)[0]
    e = d.log(-20, 0) if d.single else d.log(-100, 0)
    return (a + 1j * e * d.rng.standard_normal((d.n, d.n))) * d.rng.choice([1, 1j])


@family("sly", 2, 150)
def slightly_skew(d: Draw) -> Drawn:
    """Return a definite matrix plus a skew part, also on a complex diagonal."""
    v = d.normal(d.n, 2 * d.n)
    a = v @ v.conj().T
    size = d.log(-9, -1) if d.single else d.log(-18, -1)
    if d.dtype.kind == "c" and d.rng.random() < 0.5:
        return a + 1j * size * np.diag(d.rng.random(d.n))
    k = np.triu(d.normal(d.n, d.n), 1) * (d.rng.random((d.n, d.n)) < 3 / d.n)
    return a + size * (k - k.conj().T)


@family("sly", 3, 40)
def zeros_in_a_wide_inverse(d: Draw) -> Drawn:
    """Return the rounded-free inverse of a sparse integer triangle product, with wide scales."""
    n, most = d.n, 8 if d.single else 100
    left = np.eye(n) + np.tril(
        np.where(d.rng.random((n, n)) < 1.5 / n, d.rng.integers(-2, 3, (n, n)), 0), -1
    )
    r = np.eye(n) + np.triu(
        np.where(d.rng.random((n, n)) < 1.5 / n, d.rng.integers(-2, 3, (n, n)), 0), 1
    )
    return d.turned(d.twos(most, n)[:, None] * (left @ r)[d.rng.permutation(n)] * d.twos(most, n))


@family("sly", 66, 130)
def error_in_one_column(d: Draw) -> Drawn:
    """Return a good matrix with one column that nearly depends on the rest."""
    n = d.n
    a = d.orthogonal(n)
    j = int(d.rng.integers(n))
    a[:, j] = (
        a[:, (j + 1) % n] + d.log(-6, -2) * a[:, j]
        if d.single
        else (a[:, (j + 1) % n] + d.log(-13, -3) * a[:, j])
    )
    return d.either(a)


@family("sly", 2, 60)
def one_element_rules(d: Draw) -> Drawn:
    """Return a matrix whose inverse is one huge element and details far below it."""
    n = d.n
    a = d.orthogonal(n)
    u, v = a[:, :1], a[:, 1:2] if n > 1 else a[:, :1]
    huge = d.log(2, 14 if not d.single else 6)
    return np.linalg.inv(d.orthogonal(n) + huge * u @ v.conj().T)


@family("sly", 2, 3)
def closed_form_cancels(d: Draw) -> Drawn:
    """Return orders 2 and 3 whose minors cancel to the last bits, on any scale."""
    n = d.n
    a = np.round(d.normal(n, n) * 2.0 ** (d.digits // 2))
    a[-1] = a[0] * 3 + d.whole(1, 1, n)[0] * 2.0 ** d.rng.integers(0, d.digits // 2)
    return a * d.twos(25, n)[:, None] * (1 if d.single else d.twos(25, n))


@family("sly", 2, 40)
def graded_jordan_chain(d: Draw) -> Drawn:
    """Return lambda I + N with growing couplings: inverses over hundreds of decades."""
    n, most = d.n, d.decades(40) / max(d.n, 4)
    coupling = d.log(-most, 2 * most, n - 1)
    a = np.diag(d.rng.choice([-1.0, 1.0], n)) + np.diag(coupling, 1)
    a[-1, 0] = d.rng.choice([0, 2.0**-40])
    return d.turned(d.either(a))


@family("sly", 2, 100)
def swallowed_identity(d: Draw) -> Drawn:
    """Return B with a product that swallows it: [[I, B], [0, I]] times its transpose."""
    n = d.n
    k = n // 2
    a = np.eye(n, dtype=np.complex128 if d.dtype.kind == "c" else float)
    a[:k, k:] = d.log(1, 3.5 if d.single else 7.5) * d.normal(k, n - k)
    return a @ a.conj().T if d.rng.random() < 0.6 else d.either(a)
