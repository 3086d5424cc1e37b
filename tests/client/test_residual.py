"""The residual that the client measures by itself."""

from __future__ import annotations

import numpy as np

from matinv.client.residual import residual
from matinv.linalg.certificate import Side


def test_residual_is_nan_for_another_shape_and_for_nothing_but_nan() -> None:
    assert np.isnan(residual(np.eye(2), np.eye(3)))
    assert np.isnan(residual(np.eye(2), np.full((2, 2), np.nan)))


def test_residual_is_judged_on_the_side_that_the_certificate_names() -> None:
    rng = np.random.default_rng(0)
    u, v = (np.linalg.qr(rng.standard_normal((6, 6)))[0] for _ in range(2))
    matrix = u @ np.diag([1, 1, 1, 1, 1, 1e-6]) @ v.T
    # Wrong along the largest singular value on the right, along the smallest on the left.
    wrong = np.linalg.inv(matrix) + 1e-6 * np.outer(v[:, 0], u[:, -1])
    assert residual(matrix, wrong, Side.LEFT) < 30
    assert residual(matrix, wrong, Side.RIGHT) > 30
