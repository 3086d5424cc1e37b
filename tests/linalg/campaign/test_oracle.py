"""The oracle against others: fractions of Python's integers, and mpmath."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from linalg.campaign.oracle import Truth, nearest, rank, regular
from linalg.campaign.pinv_oracle import PinvTruth, rational_pinv
from support.matrices.hostile.table import FAMILIES, draw

SAMPLE = sorted(name for name, family in FAMILIES.items() if family.low <= 6 <= family.high)


def fractions_inverse(a):
    """Return the inverse by Gauss-Jordan on fractions, or None."""
    n = len(a)
    table = [
        [Fraction(float(x)) for x in row] + [Fraction(int(i == j)) for j in range(n)]
        for i, row in enumerate(a)
    ]
    for k in range(n):
        below = next((i for i in range(k, n) if table[i][k]), None)
        if below is None:
            return None
        table[k], table[below] = table[below], table[k]
        table[k] = [x / table[k][k] for x in table[k]]
        for i in range(n):
            if i != k and table[i][k]:
                table[i] = [x - table[i][k] * y for x, y in zip(table[i], table[k], strict=True)]
    return [row[n:] for row in table]


@pytest.mark.parametrize("name", SAMPLE)
def test_error_and_singularity_agree_with_fractions(name):
    for dtype in ("float32", "float64"):
        a = draw(name, 6, dtype, 1)
        truth, exact = Truth(a), fractions_inverse(a)
        assert truth.regular == (exact is not None)
        if exact is None:
            continue
        rng = np.random.default_rng(1)
        rounded = [[nearest(x.numerator, x.denominator, a.dtype) for x in row] for row in exact]
        x = np.array(rounded)
        x = (x * (1 + 1e-3 * rng.standard_normal(x.shape))).astype(dtype)
        if not np.isfinite(x).all():
            assert truth.overflows
            continue
        off = sum_of_columns(
            [
                [Fraction(v) - y for v, y in zip(r, e, strict=True)]
                for r, e in zip(x.tolist(), exact, strict=True)
            ]
        )
        expected = off / sum_of_columns(exact)
        assert truth.error(x) == pytest.approx(float(expected), rel=1e-9)
        np.testing.assert_array_equal(truth.rounded(), np.array(rounded, a.dtype))


def sum_of_columns(rows):
    return max(sum(abs(row[j]) for row in rows) for j in range(len(rows)))


@pytest.mark.parametrize("name", SAMPLE[::4])
def test_error_agrees_with_mpmath_for_complex_matrices(name):
    a = draw(name, 6, "complex128", 2)
    truth = Truth(a)
    if not truth.regular or truth.overflows:
        return
    with mpmath.workdps(700):
        exact = mpmath.matrix(a.tolist()) ** -1
        x = truth.rounded() * (1 + 1e-5j)
        expected = mpmath.mnorm(mpmath.matrix(x.tolist()) - exact, 1) / mpmath.mnorm(exact, 1)
        det = mpmath.det(mpmath.matrix(a.tolist()))
        assert truth.error(x) == pytest.approx(float(expected), rel=1e-9)
        assert truth.determinant[0] == pytest.approx(float(mpmath.log(abs(det))), rel=1e-13)
        assert truth.determinant[1] == pytest.approx(complex(det / abs(det)), rel=1e-13)


def test_ranks_are_exact():
    a = np.arange(25.0).reshape(5, 5)
    assert rank(a) == 2
    assert not regular(a)
    assert regular(np.diag([1, 1e-300, 5e-324]))
    assert rank(np.outer([1, 1j, 2], [1j, 3, 4])) == 1
    wide = np.array([[1e200, 1e-200], [2.0**60 * 1e200, 2.0**60 * 1e-200]])
    assert not regular(wide)
    wide[1, 1] *= 1 + 2.0**-52
    assert regular(wide)


def test_nearest_rounds_once_and_ties_to_even():
    double, single = np.dtype("float64"), np.dtype("float32")
    assert nearest((1 << 54) + 2, 1, double) == 2.0**54
    assert nearest((1 << 54) + 6, 1, double) == 2.0**54 + 8
    assert nearest(3, 1 << 1075, double) == np.ldexp(1.0, -1073)
    assert nearest(1, 1 << 1075, double) == 0
    assert nearest((1 << 24) + 1, 1, single) == 2.0**24
    assert nearest(-(1 << 128), 1, single) == -np.inf
    rng = np.random.default_rng(0)
    for _ in range(2000):
        p, q = int(rng.integers(1, 1 << 62)), int(rng.integers(1, 1 << 62))
        assert nearest(p, q, double) == p / q
        assert nearest(p, q << 1010, double) == p / (q << 1010)


@pytest.mark.parametrize("n", [2, 5, 9])
@pytest.mark.parametrize("name", ["rank-given", "low-rank-scaled", "centred-projector"])
def test_pseudo_inverse_agrees_with_rationals(name, n):
    for seed in range(3):
        a = draw(name, max(n, 3), "float64", seed)
        r = rank(a)
        if r == 0:
            continue
        exact = np.array([[float(int(x.p) / int(x.q)) for x in row] for row in rational_pinv(a)])
        truth = PinvTruth(a, r)
        assert truth.error(exact) < 1e-15
        assert max(truth.penrose(exact)) < 1e-15
        wrong = exact * 1.001
        assert truth.error(wrong) == pytest.approx(1e-3, rel=1e-6)
