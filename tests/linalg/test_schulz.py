from __future__ import annotations

import numpy as np
import pytest

from matinv.errors import Code
from matinv.linalg.inverse import invert
from matinv.linalg.kernels import STANDARD
from matinv.linalg.schulz import CONVERGED, SHORT_N, invert_short

ORDERS = [4, 5, 8, 9, 13, SHORT_N]


def stack(n, count=200, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((count, n, n))
    if np.dtype(dtype).kind == "c":
        a = a + 1j * rng.standard_normal((count, n, n))
    return a.astype(dtype)


def routines(inverses):
    return {how.routine for how in inverses.how}


@pytest.mark.parametrize("n", ORDERS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_random_matrices_have_residuals_below_those_of_lu(n, dtype):
    inverses = invert(stack(n, dtype=dtype))
    # Of 200, single precision cannot tell one or two from singular ones.
    assert {error.code for error in inverses.failures.values()} <= {Code.SINGULAR}
    assert len(inverses.failures) <= (2 if np.dtype(dtype).char in "fF" else 0)
    assert STANDARD.short.routine in routines(inverses)
    assert inverses.residual.max() < 0.5
    assert np.median(inverses.residual) < 0.2


@pytest.mark.parametrize("n", ORDERS)
@pytest.mark.parametrize("count", [1, 3])
def test_the_input_is_left_alone(n, count):
    a = stack(n, count)
    kept = a.copy()
    invert_short(a)
    assert (a == kept).all()


@pytest.mark.parametrize("n", ORDERS)
def test_what_elimination_without_interchanges_cannot_do_is_done_by_lu(n):
    a = stack(n, 3)
    a[1, 0, 0] = 0  # breaks down at once
    a[2, 0, 0] = 1e-14  # and loses all digits
    inverses = invert(a)
    assert inverses.failures == {}
    assert [how.routine for how in inverses.how][1:] == [STANDARD.stacked.routine] * 2
    assert inverses.residual.max() < 1
    assert np.allclose(inverses.x @ a, np.eye(n), atol=1e-9)


@pytest.mark.parametrize("n", ORDERS)
def test_a_singular_neighbour_changes_nothing(n):
    a = stack(n, 3)
    expected = invert(a).x
    a[1] = np.ones((n, n))
    inverses = invert(a)
    assert inverses.failures[1].code is Code.SINGULAR
    assert (inverses.x[::2] == expected[::2]).all()


@pytest.mark.parametrize("n", ORDERS)
@pytest.mark.parametrize("kappa", [1e4, 1e8, 1e11])
def test_ill_conditioned_matrices_keep_a_small_residual_and_the_right_digits(n, kappa):
    rng = np.random.default_rng(n)
    left, right = (np.linalg.qr(rng.standard_normal((50, n, n)))[0] for _ in range(2))
    a = (left * kappa ** -np.linspace(0, 1, n)) @ right
    inverses = invert(a)
    assert inverses.failures == {}
    assert inverses.residual.max() < 1
    exact = right.swapaxes(1, 2) * kappa ** np.linspace(0, 1, n) @ left.swapaxes(1, 2)
    error = np.linalg.norm(inverses.x - exact, axis=(1, 2)) / np.linalg.norm(exact, axis=(1, 2))
    assert (error < 100 * n * kappa * 2.0**-53).all()


def test_the_limit_is_one_that_random_matrices_keep():
    lu = sum(
        np.count_nonzero([h.routine != STANDARD.short.routine for h in invert(a).how])
        for a in (stack(n, 2000, seed=n) for n in ORDERS)
    )
    assert lu < 0.005 * 2000 * len(ORDERS)
    assert STANDARD.short.limit == CONVERGED
