from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from matinv.errors import Code
from matinv.linalg import crew, gauss_jordan, hermitian, scaling
from matinv.linalg.budget import Budget
from matinv.linalg.inverse import invert
from matinv.linalg.kernels import LAPACK_N
from matinv.linalg.types import Method
from support.matrices import cases

DTYPES = ["float32", "float64", "complex64", "complex128"]
ORDERS = [1, 2, 31, 32, 33, 100, pytest.param(257, marks=pytest.mark.deep)]  # 2 s
WIDTHS = [0, 1, 7, 64]


def matrix(n, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((n, n))
    if np.dtype(dtype).kind == "c":
        a = a + 1j * rng.standard_normal((n, n))
    return a.astype(dtype)


def definite(n, dtype="float64"):
    a = matrix(n, dtype)
    a = (a @ a.conj().T / n + np.eye(n)).astype(dtype)
    np.fill_diagonal(a, np.diagonal(a).real)
    return np.triu(a) + np.triu(a, 1).conj().T


def ratio(x, a, side):
    """LAPACK's ratio of the residual, in full and in double precision."""
    x, a = (m.astype(np.promote_types(m.dtype, np.float64)) for m in (x, a))
    error = (x @ a if side == "left" else a @ x) - np.eye(len(a))
    norms = np.linalg.norm(a, 1) * np.linalg.norm(x, 1)
    return np.linalg.norm(error, 1) / (len(a) * norms)


def numpys_ratio(a):
    x = np.linalg.inv(a)
    return max(ratio(x, a, side) for side in ("left", "right"))


@pytest.fixture(
    params=[
        pytest.param(1, id="one thread"),
        pytest.param(2, id="two threads", marks=pytest.mark.deep),
    ]
)
def threads(request, monkeypatch):
    monkeypatch.setattr(crew, "_SHARED_N", 1)  # small ones too, in many panels
    monkeypatch.setattr(crew, "_ROWS", 16)
    monkeypatch.setattr(crew, "_TILE", 16)
    crew.set_threads(request.param)
    yield
    crew.set_threads(1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", ORDERS)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_general_matrix_is_replaced_by_its_inverse(n, dtype, width):
    a = matrix(n, dtype)
    x = a.copy()
    assert gauss_jordan.invert_general(x, width) == 0
    assert ratio(x, a, "left") < 2 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", ORDERS)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_upper_triangle_is_replaced_and_the_lower_one_is_left_alone(n, dtype, width):
    a = definite(n, dtype)
    x = a.copy()
    below = np.tril_indices(n, -1)
    x[below] = np.nan
    assert gauss_jordan.invert_hermitian(x, width) == 0
    assert np.isnan(x[below]).all()
    hermitian.complete(x)
    assert ratio(x, a, "left") < 2 * np.finfo(dtype).eps


@pytest.mark.parametrize("place", [1, 40, 100])
def test_a_zero_pivot_is_reported_by_its_place(place):
    a = np.triu(np.ones((100, 100)))
    a[place - 1 :, place - 1] = 0
    assert gauss_jordan.invert_general(a, 32) == place


@pytest.mark.parametrize("place", [1, 40, 100])
def test_a_minor_that_is_not_positive_is_reported_by_its_order(place):
    a = 2 * np.eye(100)
    a[place - 1, place - 1] = -1
    assert gauss_jordan.invert_hermitian(a, 32) == place


def test_interchanges_of_every_kind_are_followed():
    rng = np.random.default_rng(3)
    for n in (5, 17, 64):
        for _ in range(20):
            a = rng.permutation(np.eye(n))
            x = a.copy()
            assert gauss_jordan.invert_general(x, 8) == 0
            assert (x == a.T).all()


@pytest.mark.parametrize("kappa", [1e2, 1e6, 1e10])
@pytest.mark.parametrize("spectrum", ["geometric", "one small", "one large"])
@pytest.mark.usefixtures("threads")
def test_ill_conditioned_matrices_leave_at_most_3_times_the_residual_of_numpy(kappa, spectrum):
    n = LAPACK_N + 1
    values = {
        "geometric": kappa ** -np.linspace(0, 1, n),
        "one small": np.r_[np.ones(n - 1), 1 / kappa],
        "one large": np.r_[1, np.full(n - 1, 1 / kappa)],
    }[spectrum]
    left, right = (np.linalg.qr(matrix(n, seed=seed))[0] for seed in (1, 2))
    a = (left * values) @ right
    x = a.copy()
    gauss_jordan.invert_general(x)
    assert ratio(x, a, "left") <= 3 * numpys_ratio(a)

    a = (left * values) @ left.T
    a = np.triu(a) + np.triu(a, 1).T
    x = a.copy()
    assert gauss_jordan.invert_hermitian(x) == 0
    hermitian.complete(x)
    assert ratio(x, a, "left") <= 3 * numpys_ratio(a)


@pytest.mark.parametrize("case", list(cases.gallery()), ids=str)
@pytest.mark.usefixtures("threads")
def test_the_gallery_leaves_at_most_3_times_the_residual_of_numpy(case):
    """Most of these are small, so that each width is one that makes several blocks of them.

    A ratio that is a tenth of the rounding of one element says nothing about either.
    """
    a = case.a.copy()
    scaling.scale(a, *scaling.equilibrate(a))  # as all matrices are that come to a kernel
    limit = 3 * max(numpys_ratio(a), 0.1 * np.finfo(float).eps)
    for width in (3, 16):
        x = a.copy()
        assert gauss_jordan.invert_general(x, width) == 0
        assert ratio(x, a, "left") <= limit


@pytest.mark.parametrize(
    "dtype",
    [
        *(pytest.param(single, marks=pytest.mark.deep) for single in ("float32", "complex64")),
        *("float64", "complex128"),
    ],
)
@pytest.mark.parametrize("kind", range(1, 12), ids=lambda kind: cases.LAPACK_TYPES[kind - 1])
@pytest.mark.usefixtures("threads")
def test_lapacks_types_pass_all_gates_above_the_crossover(kind, dtype):
    case = cases.lapack_type(kind, LAPACK_N + 40, dtype, np.random.default_rng(kind))
    no_other_ways = Budget(lambda: 0, case.a.size * 16)
    inverses = invert(case.a, Method.GENERAL, budget=no_other_ways)
    codes = {error.code for error in inverses.failures.values()}
    if case.code:
        assert codes == {case.code}
    elif not codes:
        assert inverses.certificate().routine == "gauss-jordan"
        assert inverses.certificate().residual < 1
    else:  # what double precision cannot tell from a singular matrix
        assert kind == 9
        assert codes == {Code.SINGULAR}


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_definite_matrix_is_swept_and_one_that_is_not_ends_with_lu(dtype):
    a = definite(LAPACK_N + 44, dtype)
    inverses = invert(a)
    assert inverses.certificate().routine == "sweep"
    assert inverses.certificate().residual < 1
    assert (inverses.x == inverses.x.conj().T).all()

    a[-1, -1] = -1  # found out in the last block, when all others have been overwritten
    inverses = invert(a.copy(), overwrite=True)
    assert inverses.certificate().routine == "gauss-jordan"
    assert ratio(inverses.x, a, "left") < 2 * np.finfo(dtype).eps


@pytest.mark.parametrize("n", [300, 900, 1600])
def test_the_workspace_is_three_panels_and_the_rows_that_pivots_displace(n):
    a = matrix(n)
    tracemalloc.start()
    gauss_jordan.invert_general(a)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    panel = n * gauss_jordan.width_of(n) * 8
    assert peak < 4.5 * panel
