"""What `--verify` lets pass, and what it does not."""

from __future__ import annotations

import numpy as np
import pytest

from matinv.client.residual import residual, right_digits
from matinv.linalg.certificate import Side
from matinv.linalg.gates import RESIDUAL_LIMIT
from support.matrices import rational


def test_a_matrix_that_meets_one_condition_of_penrose_is_no_pseudo_inverse() -> None:
    a, x = np.diag([1.0, 2.0, 0.0]), np.diag([1.0, 0.5, 3.0])
    assert (a @ x @ a == a).all()
    assert residual(a, x, Side.PINV) > RESIDUAL_LIMIT
    assert residual(a, np.diag([1.0, 0.5, 0.0]), Side.PINV) == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rank", [1, 3, 6])
def test_pseudo_inverses_of_numpy_pass(rank: int, dtype: str) -> None:
    rng = np.random.default_rng(rank)
    a = (rng.standard_normal((6, rank)) @ rng.standard_normal((rank, 6))).astype(dtype)
    eps = float(np.finfo(dtype).eps)
    x = np.linalg.pinv(a.astype(float), rcond=6 * eps).astype(dtype)
    assert residual(a, x, Side.PINV) < RESIDUAL_LIMIT


def test_digits_are_those_in_the_scale_of_the_matrix() -> None:
    """An inverse that is right where it was scaled, and wrong in the element that counts."""
    a = np.array([[0, 0, 1e4, 0], [3e-9, 0, 2e-9, 2e-9], [1e9, 0, 2e-8, 0], [3e12, 2e-10, 1e3, 0]])
    right = np.array([[float(x) for x in row] for row in rational.inverse(a)])
    wrong = right.copy()
    wrong[1, 1] = -6.5536e14
    assert residual(a, wrong) < RESIDUAL_LIMIT
    assert right_digits(a, right, 15.9) > 15
    assert right_digits(a, wrong, 15.0) == 0


def test_digits_of_an_ill_conditioned_matrix_are_shown_by_balls() -> None:
    n = 14
    a = 1 / (np.arange(n)[:, None] + np.arange(n) + 1.0)
    right = np.array([[float(x) for x in row] for row in rational.inverse(a)])
    assert right_digits(a, right, 15.9) > 15
    assert right_digits(a, right * (1 + 1e-6), 15.9) < 6.1
