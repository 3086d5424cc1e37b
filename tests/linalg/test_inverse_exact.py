"""Computed inverses of the gallery beside exact ones: errors, certificates, verdicts."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from matinv.errors import Code
from matinv.linalg.inverse import invert
from support.matrices.gallery import entries

pytestmark = pytest.mark.deep

ENTRIES = {entry.name: entry for entry in entries()}

# Normwise: at most 0.84 n kappa_1 u, by the problem that rcond_1 is of, the scaled one where there
# was any scaling. Digits are those of the published inverse in the scale of the matrix given.
ERROR = 2.0
DIGITS = 0.3

# By how much rcond_1 may be off: inverses are right to 5 %. Where
# matrices are scaled, more: rows and columns may be brought to size by other powers of two.
RCOND, SCALED_RCOND = 1.05, 6.0


def by_powers(x, shifts):
    if np.iscomplexobj(x):
        return np.ldexp(x.real, shifts) + 1j * np.ldexp(x.imag, shifts)
    return np.ldexp(x, shifts)


def evening_shifts(a):
    """Return exponents that bring the largest of each row, then of each column, to [0.5, 1)."""
    size = np.maximum(np.abs(a.real), np.abs(a.imag))
    rows = -np.frexp(size.max(axis=1))[1]
    return rows, -np.frexp(np.ldexp(size, rows[:, None]).max(axis=0))[1]


def norm_1(a):
    return np.abs(a).sum(axis=0).max()


class Truth:
    """The exact inverse, where the matrix has one, scaled as a certificate says."""

    def __init__(self, a, exact, *, scaled):
        wide = a.astype(np.promote_types(a.dtype, np.float64))
        rows, cols = evening_shifts(wide) if scaled else np.zeros((2, len(a)), dtype=int)
        magnitude = exact.magnitude
        back = partial(by_powers, shifts=-cols[:, None] - rows + magnitude)
        self.high, self.low = map(back, exact.parts(-magnitude))
        self.back = partial(by_powers, shifts=-cols[:, None] - rows)
        self.a_norm = norm_1(by_powers(wide, rows[:, None] + cols))
        self.rcond = min(1.0, 1 / (self.a_norm * norm_1(self.high)))

    def error(self, x):
        """Return the relative error of an inverse in the 1-norm."""
        wide = x.astype(np.promote_types(x.dtype, np.float64))
        return norm_1((self.back(wide) - self.high) - self.low) / norm_1(self.high)


@pytest.mark.parametrize("name", ENTRIES)
def test_inverse_certificate_and_verdict_are_true(name):
    entry = ENTRIES[name]
    a = entry.make()
    u = np.finfo(a.dtype).eps / 2
    inverses = invert(a)
    certificate = inverses.certificate()
    codes = [error.code for error in inverses.failures.values()]
    try:
        exact = entry.invert(a)
    except ZeroDivisionError:
        assert codes == [Code.SINGULAR]
        return
    truth = Truth(a, exact, scaled=certificate.scaled)
    near = SCALED_RCOND if certificate.scaled else RCOND
    assert certificate.rcond_1 / near < truth.rcond < certificate.rcond_1 * near
    if exact.overflows(float(np.finfo(a.dtype).max)):
        assert codes == [Code.OVERFLOW]
        return
    assert codes == []
    error = truth.error(inverses.x)
    assert error <= ERROR * len(a) * u / truth.rcond
    given = Truth(a, exact, scaled=False).error(inverses.x)
    assert certificate.digits <= -np.log10(max(given, u / 4)) + DIGITS
    assert certificate.regular


def test_the_gallery_has_over_600_distinct_matrices_in_each_kind_of_precision():
    matrices = [entry.make() for entry in ENTRIES.values()]
    distinct = {(a.dtype.char, a.shape, a.tobytes()) for a in matrices}
    double = [key for key in distinct if key[0] in "dD"]
    assert len(double) > 600
    assert len(distinct) - len(double) > 500
    assert {key[0] for key in distinct} == set("fdFD")


@pytest.mark.parametrize("name", [name for name in ENTRIES if "-65-" in name or "-3-" in name])
def test_exact_inverses_are_inverses(name):
    """By integers, numpy's arithmetic apart; closed forms are not taken on trust."""
    a = ENTRIES[name].make()
    try:
        exact = ENTRIES[name].invert(a)
    except ZeroDivisionError:
        assert np.linalg.matrix_rank(a) < len(a)
        return
    re, im = (in_units(part) for part in (a.real, a.imag))
    x, y = exact.numerators
    identity = np.eye(len(a), dtype=np.int64).astype(object) * UNIT * exact.denominator
    assert (re @ x - im @ y == identity).all()
    assert not (re @ y + im @ x).any()


UNIT = 2**1074  # of which all numbers are multiples


def in_units(a):
    ratios = [x.as_integer_ratio() for x in a.astype(float).ravel().tolist()]
    integers = np.empty(a.size, dtype=object)
    integers[:] = [p * (UNIT // q) for p, q in ratios]
    return integers.reshape(a.shape)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("n", [2, 3, 5, 20, 40, 65, 130])
def test_one_last_bit_tells_the_regular_from_the_singular(n, dtype):
    a = np.eye(n, dtype=dtype)
    a[:2, :2] = 1
    assert invert(a).failures[0].code is Code.SINGULAR
    eps = np.finfo(dtype).eps
    a[1, 1] += eps
    inverses = invert(a)
    assert inverses.failures == {}
    assert inverses.ill_conditioned[0]
    expected = np.eye(n)
    expected[:2, :2] = np.array([[1 + eps, -1], [-1, 1]]) / eps
    np.testing.assert_array_equal(inverses.x, expected.astype(dtype))
