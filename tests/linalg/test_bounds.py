"""Digits that are claimed, beside those that exact rationals show to be right."""

from __future__ import annotations

import numpy as np
import pytest

from matinv.linalg.inverse import invert
from support.matrices import rational

TOLERANCE = 0.3


def companion(n):
    """The companion matrix of (x - 1) ... (x - n), transposed."""
    a = np.eye(n, k=1)
    a[:, 0] = -np.poly(np.arange(1.0, n + 1))[1:]
    return a


def arrow(rng, n):
    a = np.diag(10.0 ** rng.uniform(-12, 12, n))
    a[0, 1:] = 10.0 ** rng.uniform(-12, 12, n - 1)
    a[1:, 0] = 10.0 ** rng.uniform(-12, 12, n - 1)
    return a


def sparse(rng, n):
    a = np.where(rng.random((n, n)) < 0.3, 10.0 ** rng.uniform(-30, 30, (n, n)), 0)
    return a + np.diag(10.0 ** rng.uniform(-30, 30, n))


def physical(rng, n):
    units = 10.0 ** rng.integers(-9, 10, (2, n))
    return rng.standard_normal((n, n)) * units[0][:, None] * units[1]


def equal_terms(rng, n):
    """Sums of equal products, whose rounding errors all have one sign."""
    return rng.random() / 10 * np.ones((n, n)) + 10 * np.eye(n)


def growing(rng, n):
    a = np.tril(-(1 - 1e-3 * rng.random((n, n))), -1) + np.eye(n)
    a[:, -1] = 1
    return (a @ np.diag(1 + 0.3 * rng.random(n))).T.copy()


def ill_conditioned(rng, n):
    left, right = (np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(2))
    return left * 10.0 ** -np.linspace(0, rng.uniform(0, 20), n) @ right


FAMILIES = [arrow, sparse, physical, equal_terms, growing, ill_conditioned]


def test_an_element_that_scaling_made_tiny_is_no_noise_times_a_power_of_two():
    a = np.array([[0, 0, 1e4, 0], [3e-9, 0, 2e-9, 2e-9], [1e9, 0, 2e-8, 0], [3e12, 2e-10, 1e3, 0]])
    inverses = invert(a)
    assert inverses.x[1, 1] == 0
    claimed = inverses.certificate().digits
    assert 15 < claimed < rational.digits(inverses.x, rational.inverse(a)) + TOLERANCE


@pytest.mark.parametrize("n", [20, 33, pytest.param(50, marks=pytest.mark.deep)])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
def test_companion_matrices_are_inverted_in_full_in_either_memory_order(n, transposed, order):
    a = np.array(companion(n).T if transposed else companion(n), order=order)
    inverses = invert(a)
    assert inverses.certificate().digits > 14
    assert rational.digits(inverses.x, rational.inverse(a)) > 15


@pytest.mark.deep  # 4 s of exact rationals
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_digits_are_at_most_the_right_ones(family, dtype):
    rng = np.random.default_rng(20261128)
    for n in [2, 3, 5, 8, 12, 18] * 3:
        a = family(rng, n).astype(dtype)
        if not np.isfinite(a).all():
            continue
        inverses = invert(a)
        try:
            exact = rational.inverse(a)
        except ZeroDivisionError:
            assert inverses.failures[0].info.message.startswith("the matrix is singular")
            continue
        if inverses.failures:
            assert inverses.failures[0].code == "OVERFLOW"
            continue
        assert inverses.certificate().regular
        assert inverses.digits[0] <= rational.digits(inverses.x, exact) + TOLERANCE
        assert inverses.digits[0] > 1
