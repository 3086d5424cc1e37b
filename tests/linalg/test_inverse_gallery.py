from __future__ import annotations

import numpy as np
import pytest

from matinv.errors import Code
from matinv.linalg.inverse import SMALL_N, invert
from matinv.linalg.types import Method
from support.matrices import cases

pytestmark = pytest.mark.deep

DTYPES = ["float32", "float64", "complex64", "complex128"]
U = 2.0**-53


@pytest.mark.parametrize("case", list(cases.gallery()), ids=str)
def test_gallery_is_right_by_its_residual_and_by_its_exact_inverse(case):
    inverses = invert(case.a)
    certificate = inverses.certificate()
    assert inverses.failures == {}
    assert certificate.residual <= 1
    # Both sides by 2**k: exact inverses reach from 1e-309 to 1e300.
    shift = -np.frexp(np.abs(case.inverse).max(axis=1, keepdims=True))[1]
    expected = np.ldexp(case.inverse, shift)
    error = np.abs(np.ldexp(inverses.x, shift) - expected).max()
    assert error <= 4 * len(case.a) * U / certificate.rcond_1 or error <= 1e-15


@pytest.mark.parametrize("case", list(cases.refused()), ids=str)
@pytest.mark.parametrize("padding", [0, SMALL_N])
def test_refused(case, padding):
    n = len(case.a)
    a = np.eye(n + padding)
    a[:n, :n] = case.a
    inverses = invert(a)
    assert inverses.failures[0].code is case.code
    assert np.isnan(inverses.x).all()


@pytest.mark.parametrize("case", list(cases.regular_as_written()), ids=str)
def test_a_matrix_that_is_regular_as_it_is_written_is_inverted_with_a_warning(case):
    inverses = invert(case.a)
    assert inverses.failures == {}
    assert inverses.ill_conditioned.all()
    assert inverses.certificate().regular
    error = np.linalg.norm(inverses.x - case.inverse, 1) / np.linalg.norm(case.inverse, 1)
    assert error <= 10 ** -inverses.certificate().digits < 3 * U


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", range(1, 12), ids=lambda kind: cases.LAPACK_TYPES[kind - 1])
@pytest.mark.parametrize("n", [3, 5, 16, 50, SMALL_N + 1, 130])
@pytest.mark.parametrize("order", ["C", "F"])
def test_lapacks_types_pass_with_ratio_1_where_lapack_allows_30(kind, n, dtype, order):
    case = cases.lapack_type(kind, n, dtype, np.random.default_rng([kind, n]))
    inverses = invert(np.array(case.a, order=order))
    if case.code:
        assert inverses.failures[0].code is case.code
        return
    assert inverses.failures == {}
    assert inverses.certificate().residual <= 1
    if kind == 8:
        assert inverses.rcond_1[0] < 1e-3
        single = np.finfo(dtype).eps > 1e-10  # computed in double, so no digit is lost
        assert inverses.digits[0] > 7 if single else inverses.digits[0] > 4
    if kind == 9:
        assert inverses.ill_conditioned[0]
        assert inverses.digits[0] > (7 if np.finfo(dtype).eps > 1e-10 else 15)


def test_1000_singular_matrices_of_small_integers_are_all_refused():
    rng = np.random.default_rng(2026)
    codes = [invert(a).failures[0].code for a in cases.singular_integers(1000, rng)]
    assert set(codes) == {Code.SINGULAR}


def test_numpy_lets_singular_matrices_through():
    """Why the gate exists."""
    matrices = cases.singular_integers(500, np.random.default_rng(2026))
    passed = sum(np.linalg.det(a) != 0 for a in matrices)
    assert passed > 50


def test_1000_matrices_up_to_kappa_1e10_are_all_accepted_and_right():
    rng = np.random.default_rng(2026)
    for a in cases.conditioned(1000, rng):
        inverses = invert(a)
        assert inverses.failures == {}
        error = np.linalg.norm(a @ inverses.x - np.eye(len(a)), 1)
        assert error <= 4 * len(a) * U * np.linalg.cond(a, 1)
        assert inverses.certificate().residual < 2


@pytest.mark.parametrize("n", [2, 3])
def test_closed_forms_are_right_to_the_last_bits_where_lapack_is_not(n):
    """Elements within a few units of rounding of their exact values, times kappa for n = 3."""
    rng = np.random.default_rng(5)
    for _ in range(50):
        a = rng.integers(-99, 100, (n, n)).astype(float)
        if abs(np.linalg.det(a)) < 0.5:
            continue
        inverses = invert(a)
        expected = cases.exact_inverse(a)
        assert np.abs(inverses.x / np.where(expected, expected, 1) - (expected != 0)).max() < 4 * U


@pytest.mark.parametrize("n", [2, 3])
def test_complex_closed_forms(n):
    rng = np.random.default_rng(6)
    a = rng.integers(-99, 100, (200, n, n)) + 1j * rng.integers(-99, 100, (200, n, n))
    inverses = invert(a)
    assert inverses.failures == {}
    assert inverses.residual.max() < 2
    singular = a.copy()
    singular[:, -1] = (2 - 3j) * singular[:, 0]
    assert {error.code for error in invert(singular).failures.values()} == {Code.SINGULAR}
    assert len(invert(singular).failures) == 200


@pytest.mark.parametrize("method", [Method.AUTO, Method.GENERAL])
@pytest.mark.parametrize("n", [2, 4, 70])
def test_rows_and_columns_of_widely_different_size(n, method):
    rng = np.random.default_rng(n)
    a = rng.standard_normal((n, n)) + 2 * np.sqrt(n) * np.eye(n)
    rows, cols = rng.integers(-300, 300, (2, n))
    scaled = np.ldexp(a, rows[:, None] + cols)
    inverses = invert(scaled, method)
    certificate = inverses.certificate()
    assert certificate.scaled
    assert certificate.rcond_1 > 1e-4
    expected = np.ldexp(invert(a).x, -cols[:, None] - rows)
    assert np.allclose(inverses.x / expected, 1, rtol=1e-9)


@pytest.mark.parametrize("n", [3, 70])
@pytest.mark.parametrize("method", [Method.AUTO, Method.SPD])
def test_a_definite_matrix_is_scaled_on_both_sides_alike(n, method):
    rng = np.random.default_rng(n)
    a = rng.standard_normal((n, n))
    a = a @ a.T / n + np.eye(n)
    a = np.tril(a) + np.tril(a, -1).T
    shift = rng.integers(-200, 200, n)
    inverses = invert(np.ldexp(a, shift[:, None] + shift), method)
    certificate = inverses.certificate()
    assert certificate.scaled
    assert certificate.rcond_1 > 1e-3
    if n > SMALL_N:
        assert certificate.routine == "potrf+potri"
    expected = np.ldexp(invert(a).x, -shift[:, None] - shift)
    assert np.allclose(inverses.x / expected, 1, rtol=1e-9)
