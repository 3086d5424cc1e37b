"""Inverses proven by pairs of float64, against exact rationals."""

from __future__ import annotations

from fractions import Fraction

import flint
import numpy as np
import pytest

import matinv.linalg.kernels  # noqa: F401 - says how LAPACK is tested
from matinv.linalg import ball, pairs
from matinv.linalg.budget import default_budget

DTYPES = [np.float32, np.float64, np.complex64, np.complex128]


def exact_inverse(a):
    """Both parts of the inverse of a matrix of floats, as fractions."""
    n = len(a)

    def rationals(part):
        return [[flint.fmpq(*map(int, float(v).as_integer_ratio())) for v in row] for row in part]

    real, imag = rationals(a.real), rationals(a.imag)
    rows = [r + [-v for v in i] for r, i in zip(real, imag, strict=True)]
    rows += [i + r for r, i in zip(real, imag, strict=True)]
    found = flint.fmpq_mat(rows).inv().tolist()
    return [
        [[Fraction(int(v.p), int(v.q)) for v in row[:n]] for row in found[first : first + n]]
        for first in (0, n)
    ]


def nearest(number, dtype):
    """A rational rounded once to a float of some dtype, ties to even."""
    found = np.array(float(number)).astype(dtype)
    candidates = [found, np.nextafter(found, -np.inf), np.nextafter(found, np.inf)]
    best = min(abs(Fraction(float(c)) - number) for c in candidates)
    closest = [c for c in candidates if abs(Fraction(float(c)) - number) == best]
    unsigned = {np.dtype(np.float32): np.uint32, np.dtype(np.float64): np.uint64}[np.dtype(dtype)]
    return closest[0] if len(closest) == 1 else next(c for c in closest if not c.view(unsigned) & 1)


def is_rounded(a, x):
    real, imag = exact_inverse(a)
    parts = [(x.real, real)] + ([(x.imag, imag)] if np.iscomplexobj(x) else [])
    return all(
        part[i, j] == nearest(true[i][j], part.dtype)
        for part, true in parts
        for i, j in np.ndindex(x.shape)
    )


def random_matrix(rng, n, dtype, spread):
    """A matrix whose singular values spread over so many powers of ten."""
    shape = (n, n)
    values = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    if np.dtype(dtype).kind != "c":
        values = values.real
    u, _, v = np.linalg.svd(values)
    return ((u * np.logspace(0, -spread, n)) @ v).astype(dtype)


def invert(a):
    return pairs.invert(a, a.dtype, default_budget())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 3, 8, 17])
def test_each_element_is_the_true_one_correctly_rounded(n, dtype):
    rng = np.random.default_rng(n)
    for spread in (0, 2, 4):
        a = random_matrix(rng, n, dtype, spread)
        found = invert(a)
        assert found is not None
        assert found.rounded
        assert is_rounded(a, found.x)


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_the_bound_on_a_pair_holds_however_ill_conditioned_the_matrix(n, dtype):
    rng, checked = np.random.default_rng(n), 0
    for spread in range(14):
        b = random_matrix(rng, n, dtype, spread)
        x = np.linalg.inv(b)
        x *= 1 + rng.uniform(-1, 1, x.shape) * 10.0 ** -rng.uniform(6, 17)  # a worse start
        corrected = pairs._correct(b, x)
        if corrected is None:
            continue
        low, error, rho = corrected
        exact, first = exact_inverse(b), error.copy()
        for settled in (False, True):
            if settled:
                pairs._settle(b, x, low, error, rho, np.arange(0, n, 2))
                assert (error[:, ::2] < first[:, ::2] / 4).all()
                np.testing.assert_array_equal(error[:, 1::2], first[:, 1::2])
            for part, rest, true in zip((x.real, x.imag), (low.real, low.imag), exact, strict=True):
                for i, j in np.ndindex(x.shape):
                    sum_of_both = Fraction(float(part[i, j])) + Fraction(float(rest[i, j]))
                    assert abs(sum_of_both - true[i][j]) <= Fraction(float(error[i, j]))
                    checked += 1
    assert checked >= 20 * n**2


def test_an_exact_tie_is_rounded_to_even_or_left_to_balls():
    rng, ties = np.random.default_rng(1), 0
    for _ in range(300):
        lower = np.tril(rng.integers(-180, 180, (3, 3)), -1) + np.eye(3, dtype=int)
        upper = np.triu(rng.integers(-180, 180, (3, 3)), 1) + np.eye(3, dtype=int)
        whole = lower @ upper  # of determinant 1, so that the inverse is one of integers
        a = whole.astype(np.float32)
        inverse = np.array(exact_inverse(a)[0])
        halfway = [abs(v) % 2 == 1 and 2**24 < abs(v) < 2**25 for v in inverse.ravel()]
        ties += any(halfway)
        found = invert(a)
        assert found is None or (is_rounded(a, found.x) and not any(halfway))
    assert ties > 15


def test_elements_that_are_zero_or_no_normal_numbers_are_left_to_balls():
    assert invert(np.diag([1.0, 2.0])) is None
    assert invert(np.full((2, 2), 2.0**-1040) + np.diag([2.0**-1041, 0])) is None
    assert invert((np.eye(2) + 1) * 1e300) is not None
    assert invert(((np.eye(2) + 1) * 1e38).astype(np.float32)) is None  # its inverse is subnormal


@pytest.mark.parametrize("a", [np.ones((3, 3)), np.zeros((2, 2)), np.array([[1, 2], [2, 4.0]])])
def test_a_singular_matrix_is_never_inverted(a):
    assert invert(a) is None


def test_the_determinant_is_that_of_balls():
    rng = np.random.default_rng(5)
    for n, dtype, spread in [(2, np.float64, 6), (20, np.float32, 3), (33, np.complex128, 4)]:
        a = random_matrix(rng, n, dtype, spread) * 2.0**60
        found = invert(a)
        balls = ball.invert(a, a.dtype, default_budget(), all_rounded=True)
        assert found.determinant.sign == pytest.approx(balls.determinant.sign, abs=1e-14)
        assert found.determinant.log_abs == pytest.approx(balls.determinant.log_abs, rel=1e-14)


def test_rows_and_columns_of_any_scale_are_proven():
    rng = np.random.default_rng(6)
    a = rng.standard_normal((6, 6)) * 2.0 ** rng.integers(-200, 200, 6)[:, None]
    a = a * 2.0 ** rng.integers(-200, 200, 6)
    found = invert(a)
    assert found is not None
    assert is_rounded(a, found.x)


def test_nothing_begins_without_time():
    budget = default_budget()
    assert pairs.invert(np.eye(2) + 1, np.dtype(float), type(budget)(lambda: 0.0, 2**30)) is None


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_columns_that_are_uncertain_are_corrected_once_more(dtype, monkeypatch):
    settled, settle = [], pairs._settle
    monkeypatch.setattr(pairs, "_settle", lambda *given: settled.append(1) or settle(*given))
    for seed in range(20):
        a = np.random.default_rng(seed).standard_normal((128, 128)).astype(dtype)
        if a.dtype.kind == "c":
            a += 1j * np.random.default_rng(seed).standard_normal((128, 128))[::-1]
        found = invert(a)
        assert found is not None
        if settled:
            break
    else:
        pytest.fail("no element was uncertain")
    balls = ball.invert(a, a.dtype, default_budget(), all_rounded=True)
    np.testing.assert_array_equal(found.x, balls.x)
