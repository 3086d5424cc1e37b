"""Matrices as small pictures."""

from __future__ import annotations

import numpy as np
import pytest

from matinv.console.heat_map import heat_of


@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 200, 1000])
def test_each_cell_is_the_largest_magnitude_of_its_block(n: int) -> None:
    matrix = np.random.default_rng(n).normal(size=(n, n))
    edges = np.linspace(0, n, min(n, 64) + 1).astype(int)
    cells = heat_of(matrix, 0).logs
    assert len(cells) == len(cells[0]) == min(n, 64)
    for i, j in [(0, 0), (len(cells) - 1, 0), (len(cells) // 2, len(cells) - 1)]:
        block = matrix[edges[i] : edges[i + 1], edges[j] : edges[j + 1]]
        assert cells[i][j] == pytest.approx(np.log10(np.abs(block).max()), abs=0.006)


def test_a_single_large_element_is_seen_in_a_large_matrix() -> None:
    matrix = np.ones((1000, 1000), np.float32)
    matrix[517, 3] = 1e6
    assert max(map(max, heat_of(matrix, 0).logs)) == 6


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_any_dtype_and_slice_can_be_drawn(dtype: type) -> None:
    stack = np.stack([np.eye(3), 100 * np.eye(3)]).astype(dtype)
    drawn = heat_of(stack, 1)
    assert (drawn.n, drawn.slices) == (3, 2)
    assert drawn.logs == [[2, None, None], [None, 2, None], [None, None, 2]]


def test_a_slice_without_an_inverse_is_drawn_empty() -> None:
    assert heat_of(np.full((2, 2), np.nan), 0).logs == [[None, None], [None, None]]
