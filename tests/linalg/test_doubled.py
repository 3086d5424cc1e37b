"""Residuals as if in twice the precision, against rationals."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from matinv.linalg.doubled import residual


def exact(numbers):
    return np.array([Fraction(float(x)) for x in numbers.flat], object).reshape(numbers.shape)


def exact_product(x, y):
    """Return the real and the imaginary part."""
    a, b, c, d = (exact(part) for part in (x.real, x.imag, y.real, y.imag))
    return a @ c - b @ d, a @ d + b @ c


@pytest.mark.parametrize("kind", ["d", "D"])
@pytest.mark.parametrize("n", [1, 2, 7, 16])
def test_residual_of_an_inverse_has_all_its_digits(n, kind):
    rng = np.random.default_rng(n)
    a = rng.standard_normal((n, n)) * 10.0 ** rng.uniform(-4, 4, (n, 1))
    if kind == "D":
        a = a + 1j * rng.standard_normal((n, n))
    a, x = np.array(a, kind), np.linalg.inv(a).astype(kind)
    found = residual(a[None], x[None], np.eye(n, dtype=kind)[None])[0]
    real, imag = exact_product(a, x)
    real = real - exact(np.eye(n))
    largest = np.abs(a).max(axis=1)[:, None] * np.abs(x).max(axis=0)
    for part, true in ((found.real, real), (found.imag, imag)):
        off = (exact(part) - true).astype(float)
        assert (np.abs(off) <= n * 2.0**-72 * largest + 2.0**-53 * np.abs(true.astype(float))).all()


def test_nothing_is_lost_at_any_size():
    a = np.full((1, 2, 2), 2.0**-500)
    a[0, 0, 0] = 3 * 2.0**-500
    x = np.linalg.inv(a)
    assert residual(a, x, np.eye(2)[None]) == pytest.approx(np.zeros((1, 2, 2)), abs=1e-15)
    assert (residual(0 * a, x, np.eye(2)[None]) == -np.eye(2)).all()
