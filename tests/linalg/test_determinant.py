"""Logarithms and signs of determinants, against rationals and against FLINT."""

from __future__ import annotations

import math
from fractions import Fraction

import flint
import numpy as np
import pytest

from linalg.campaign.cases import Case
from linalg.campaign.judge import judge
from matinv.linalg.inverse import invert
from matinv.linalg.types import Accuracy, Method

DTYPES = ["float32", "float64", "complex64", "complex128"]


def exact(a):
    """Return the determinant of a real matrix as a rational, from FLINT's integers."""
    shared = max(Fraction(float(x)).denominator for x in a.flat)
    whole = flint.fmpz_mat([[int(Fraction(float(x)) * shared) for x in row] for row in a])
    return Fraction(int(whole.det()), 1) / shared ** len(a)


def log_of(number):
    """Return the logarithm of a rational of any size."""
    shift = abs(number.numerator).bit_length() - number.denominator.bit_length()
    return math.log(abs(number) / Fraction(2) ** shift) + shift * math.log(2)


def random(n, dtype, seed=0):
    rng = np.random.default_rng([n, seed])
    a = rng.standard_normal((n, n))
    if np.dtype(dtype).kind == "c":
        a = a + 1j * rng.standard_normal((n, n))
    return a.astype(dtype)


def right(inverses, log_abs_det, sign):
    certificate = inverses.certificate()
    n = inverses.x.shape[-1]
    room = 3 * n * 10.0**-certificate.digits + 1e-15 * (1 + abs(log_abs_det))
    assert abs(certificate.log_abs_det - log_abs_det) < room
    assert abs(certificate.sign - sign) < room


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 8, 9, 20, 33, 64, 65, 130])
@pytest.mark.parametrize("method", [Method.AUTO, Method.SPD])
def test_determinant_of_every_kernel_is_that_of_rationals(n, dtype, method):
    a = random(n, dtype)
    if method is Method.SPD:
        a = (a @ a.T + np.eye(n)).astype(dtype)
        a = np.tril(a) + np.tril(a, -1).T
    truth = exact(a)
    for order in "CF":
        inverses = invert(np.array(a, order=order), method)
        right(inverses, log_of(truth), 1 if truth > 0 else -1)


@pytest.mark.parametrize("n", [330, 400])
@pytest.mark.parametrize("dtype", DTYPES)
def test_determinant_of_blocked_elimination_is_that_of_numpy(n, dtype):
    for a in (random(n, dtype), random(n, dtype)[::-1].copy()):
        sign, log_abs_det = np.linalg.slogdet(a.astype(np.promote_types(dtype, "float64")))
        right(invert(a), log_abs_det, sign)
        gram = a @ a.conj().T + np.eye(n, dtype=dtype)
        gram = np.tril(gram) + np.tril(gram, -1).conj().T
        np.fill_diagonal(gram, gram.diagonal().real)
        sign, log_abs_det = np.linalg.slogdet(gram.astype(np.promote_types(dtype, "float64")))
        inverses = invert(gram)
        assert inverses.certificate().routine == "sweep"
        right(inverses, log_abs_det, 1)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("n", [1, 2, 3, 6, 17, 40, 70])
def test_sign_of_a_complex_determinant_has_modulus_1(n, dtype):
    a = random(n, dtype)
    with flint.ctx.workprec(300):
        det = flint.acb_mat(a.astype("complex128").tolist()).det()
        size = abs(det)
        right(invert(a), float(size.log()), complex(det / size))


@pytest.mark.parametrize("n", [2, 3, 5, 12, 40, 66])
def test_permutations_have_determinant_1_or_minus_1(n):
    for seed in range(8):
        order = np.random.default_rng(seed).permutation(n)
        certificate = invert(np.eye(n)[order]).certificate()
        assert certificate.sign == exact(np.eye(n)[order])
        assert certificate.log_abs_det == 0


@pytest.mark.parametrize("n", [2, 3, 8, 20, 64, 200])
@pytest.mark.parametrize("power", [-1000, -300, 300, 1000])
def test_determinant_that_no_float_holds_has_a_logarithm(n, power):
    a = 2.0**power * (np.eye(n) + np.eye(n, k=1))
    certificate = invert(a).certificate()
    assert certificate.log_abs_det == pytest.approx(n * power * math.log(2), rel=1e-15)
    assert certificate.sign == 1


def test_scaling_is_undone_exactly():
    a = random(5, "float64")
    d = 2.0 ** np.array([300, -200, 0, 150, -400])
    expected = invert(a).certificate()
    scaled = invert(d[:, None] * a).certificate()
    assert scaled.scaled
    assert scaled.sign == expected.sign
    assert scaled.log_abs_det - expected.log_abs_det == pytest.approx(-150 * math.log(2), abs=1e-13)


@pytest.mark.parametrize("n", [6, 12, 30])
def test_determinant_survives_pivots_that_elimination_without_interchanges_loses(n):
    """The leading minor is nearly zero: the Schulz step saves the inverse, not the pivots."""
    stack = np.stack([random(n, "float64", seed) for seed in range(12)])
    stack[::2, 0, 0] = 1e-9
    stack[1::3, 0, 0] = 0
    inverses = invert(stack)
    for i, a in enumerate(stack):
        truth = exact(a)
        right(inverses[i], log_of(truth), 1 if truth > 0 else -1)


@pytest.mark.parametrize("n", [3, 12])
def test_verified_and_ill_conditioned_inverses_have_the_exact_determinant(n):
    hilbert = 1 / np.add.outer(np.arange(1.0, n + 1), np.arange(n))
    for accuracy in Accuracy:
        inverses = invert(hilbert, accuracy=accuracy)
        truth = exact(hilbert)
        assert inverses.certificate().log_abs_det == pytest.approx(log_of(truth), rel=1e-13)
        assert inverses.certificate().sign == 1
    assert inverses.certificate().log_abs_det == pytest.approx(log_of(truth), rel=4e-16)


def test_determinant_is_right_where_both_eliminations_grow_and_where_balls_are_wide():
    for case in (
        "growth-in-a-corner/32/complex128/257264232/auto/C/standard",
        "nilpotent-shift/21/float64/757756892/auto/F/standard",
    ):
        assert not judge(Case.parse(case)).findings


def test_each_slice_has_its_own_and_none_where_there_is_no_inverse():
    inverses = invert(np.array([[[1.0, 2], [3, 4]], [[1, 2], [2, 4]], [[0, 1], [1, 0]]]))
    np.testing.assert_allclose(inverses.log_abs_det, [math.log(2), np.nan, 0], rtol=1e-15)
    np.testing.assert_array_equal(inverses.sign, [-1, np.nan, -1])
    assert inverses.worst().log_abs_det is None
    assert inverses[2].certificate().sign == -1


def test_pseudo_inverses_have_none():
    for a in (np.diag([1.0, 2]), np.ones((3, 3))):
        certificate = invert(a, Method.PINV).certificate()
        assert certificate.log_abs_det is None
        assert certificate.sign is None


@pytest.mark.parametrize("n", [8, 16, 32])
def test_determinants_of_badly_scaled_stacks_are_as_right_as_certificates_say(n):
    rng = np.random.default_rng(3)
    a = rng.standard_normal((1500, n, n)) * np.exp(1.5 * rng.standard_normal((1500, 1, n)))
    found = invert(a)
    sign, log_abs = np.linalg.slogdet(a)
    assert (np.abs(found.log_abs_det - log_abs) <= 10 * n * 10.0**-found.digits).all()
    np.testing.assert_array_equal(found.sign, sign)
