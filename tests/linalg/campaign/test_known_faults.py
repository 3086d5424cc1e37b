"""Faults that were once in the product, each by the way that found it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from linalg.campaign import product
from linalg.campaign.cases import DTYPES, Case
from linalg.campaign.judge import Kind, judge, judge_matrix
from linalg.campaign.oracle import Truth, regular
from support.matrices.hostile.table import draw

SHIPPED = Path(__file__).parent / "matrices"
BOTH = pytest.mark.parametrize("order", ["C", "F"])


def shipped(name):
    return np.load(SHIPPED / f"{name}.npz")["a"]


def nothing_is_wrong_with(a, method="auto"):
    """Judge every answer about a matrix, and return the first."""
    faults = [f for f in judge_matrix(a, method).findings if f.kind is not Kind.MEMORY_ORDER_DIGITS]
    assert not faults, "\n".join(map(str, faults))
    return product.ask(a, method)[0]


def companion(n):
    c = np.eye(n, k=1)
    c[:, 0] = -np.poly(np.arange(1.0, n + 1))[1:]
    return c


def test_published_with_15_digits_and_an_error_of_4370_percent():
    a = np.array([[0, 0, 1e4, 0], [3e-9, 0, 2e-9, 2e-9], [1e9, 0, 2e-8, 0], [3e12, 2e-10, 1e3, 0]])
    assert Truth(a).rounded()[1, 1] == 0
    answer = nothing_is_wrong_with(a)
    assert abs(answer.x[1, 1]) <= 10.0**-answer.digits * np.abs(answer.x).sum(axis=0).max()
    nothing_is_wrong_with(a.T.copy())


@pytest.mark.parametrize("n", [20, 26, 33, 47, 60])
def test_companion_matrices_either_way_round(n):
    for a in (companion(n), companion(n).T.copy(), companion(n)[::-1, ::-1].copy()):
        assert nothing_is_wrong_with(a).code is None


def test_graded_arrow():
    assert nothing_is_wrong_with(shipped("arrow_graded_6")).code is None


@pytest.mark.parametrize("n", [66, 100])
def test_exactly_singular_single_precision_behind_pivot_growth(n):
    assert nothing_is_wrong_with(shipped(f"singular_float32_{n}")).code == "SINGULAR"


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_no_singular_matrix_passes_in_place_behind_pivot_growth(dtype):
    for seed in range(600):
        a = draw("singular-behind-growth", 66 + seed % 40, dtype, seed)
        assert product.ask(a.copy(), "auto", overwrite=True)[0].code is not None, seed
    assert not regular(a)


def wright(n, h=0.3):
    values, vectors = np.linalg.eigh(h * np.array([[-1 / 6, 1.0], [1.0, -1 / 6]]))
    a = np.eye(n)
    for k in range(2, n, 2):
        a[k : k + 2, k - 2 : k] = -(vectors * np.exp(values)) @ vectors.T
    a[:2, -2:] = np.eye(2)
    return a


@pytest.mark.parametrize("n", [58, 64, 72])
def test_digits_know_of_pivot_growth(n):
    assert nothing_is_wrong_with(wright(n).T.copy()).code is None
    assert nothing_is_wrong_with(wright(n)).code is None


@pytest.mark.parametrize("small", [1e-15, 1e-16, 1e-300])
def test_pseudo_inverse_says_that_the_rank_was_cut(small):
    answer = nothing_is_wrong_with(np.diag([1, small]), "pinv")
    assert answer.rank == 1 or answer.x[1, 1] == pytest.approx(1 / small)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [2, 3, 8, 20])
def test_pseudo_inverse_near_the_identity_and_of_rotations(n, dtype):
    rng = np.random.default_rng(n)
    for scale in (1e-15, 1e-14, 1e-13):
        a = np.eye(n) + scale * rng.standard_normal((n, n))
        assert nothing_is_wrong_with(a.astype(dtype), "pinv").code is None
    q = np.linalg.qr(rng.standard_normal((n, n)))[0].astype(dtype)
    assert nothing_is_wrong_with(q, "pinv").code is None
    if n == 2:
        a = [
            [1.000000000000029, -3.275980285837815e-14],
            [2.538537659835581e-14, 1.0000000000000266],
        ]
        assert nothing_is_wrong_with(np.array(a), "pinv").code is None


@BOTH
@pytest.mark.parametrize(("n", "dtype"), [(40, "float32"), (66, "float32"), (128, "float64")])
def test_pivot_that_elimination_absorbs(n, dtype, order):
    a = np.eye(n) - np.tril(np.ones((n, n)), -1)
    a[:, -2:] = 1
    a[-1, -1] = -1
    assert nothing_is_wrong_with(np.asarray(a.T, dtype, order=order)).code is None


@pytest.mark.parametrize("n", [3, 40, 66])
def test_hermitian_with_a_tiny_positive_diagonal(n):
    a = np.eye(n)[::-1] * 1e10
    np.fill_diagonal(a, a.diagonal() + 1e-300)
    assert nothing_is_wrong_with(a).code is None
    assert nothing_is_wrong_with(a, "spd").code == "NOT_POSITIVE_DEFINITE"
    j = np.ones((n, n), "float32") - np.eye(n, dtype="float32")
    np.fill_diagonal(j, np.float32(1e-40))
    assert nothing_is_wrong_with(j).code is None
    assert nothing_is_wrong_with(j, "spd").code == "NOT_POSITIVE_DEFINITE"


@BOTH
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["fs_183_1", "mcca"])
def test_real_matrices_whose_scales_differ(name, dtype, order):
    a = shipped(name)
    if dtype == "float32":
        a = np.where(np.abs(a) < np.finfo(dtype).tiny, 0, a)
    assert nothing_is_wrong_with(np.asarray(a, dtype, order=order)).code is None


@BOTH
def test_scaling_rows_first_makes_nothing_singular(order):
    a = np.array([[2e3, 1e2, 0], [1e-9, 0, 3e9], [0, 0, 2e-6]], order=order)
    assert nothing_is_wrong_with(a).code is None


def test_hilbert_of_order_14_has_an_inverse():
    i = np.arange(1.0, 15)
    assert nothing_is_wrong_with(1 / np.add.outer(i, i - 1)).code is None


def test_diagonal_that_spans_20_decades_has_an_inverse():
    assert nothing_is_wrong_with(np.diag([1, 1e-20])).code is None


def test_subnormal_elements_are_not_rounded_by_scaling():
    for n in (20, 65):
        a = np.eye(n, dtype="float32")
        a[0, 0], a[1, 1], a[0, 1] = 2.0**100, 2.0**-20, 3 * 2.0**-30
        a[1, 0] = np.float32(2.0**-60) * np.float32(1.2345678)
        nothing_is_wrong_with(a)


def test_exactly_singular_and_badly_scaled_is_singular():
    a = np.array([[1e30, 2e30, 1e-30], [2e30, 4e30, 2e-30], [1e-30, 5e-30, 7e-35]], "float32")
    a[1] = 2 * a[0]
    assert nothing_is_wrong_with(a).code == "SINGULAR"


@pytest.mark.parametrize(
    "case",
    [
        "tiny-orders-at-the-ends/3/float64/411546832/auto/F/standard",
        "any-exponent/18/complex128/2090126640/auto/F/standard",
    ],
)
def test_regular_matrix_at_the_ends_of_the_range(case):
    assert not judge(Case.parse(case)).findings


def test_ill_conditioned_pseudo_inverse_satisfies_the_fourth_condition():
    case = "cluster-at-the-cut/7/float64/1396814894/pinv/C/standard"
    assert not judge(Case.parse(case)).findings


@pytest.mark.parametrize("order", ["C", "F"])
def test_inverse_at_the_very_end_of_the_range_is_no_overflow(order):
    case = Case("inverse-at-the-largest", 20, "float64", 895378180, order=order)
    assert nothing_is_wrong_with(case.matrix()).code is None
    for seed in range(20):
        dtype = DTYPES[seed % 4]
        nothing_is_wrong_with(Case("inverse-at-the-largest", 6, dtype, seed, order=order).matrix())
    assert nothing_is_wrong_with(np.diag([2.0**-1024, 1.0])).code == "OVERFLOW"
    assert nothing_is_wrong_with(np.diag([2.0**-1060, 1.0])).code == "OVERFLOW"
