"""Ball arithmetic beside exact rationals: each element rounded correctly, ranks proven."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from matinv.linalg import ball
from matinv.linalg.budget import Budget, default_budget
from support.matrices import rational


def verified(a):
    return ball.invert(a, a.dtype, default_budget(), all_rounded=True)


def unimodular(rng, n):
    lower = np.tril(rng.integers(-99, 100, (n, n)), -1) + np.eye(n)
    upper = np.triu(rng.integers(-99, 100, (n, n)), 1) + np.eye(n)
    return lower @ upper


def wide(rng, n):
    return rng.standard_normal((n, n)) * 2.0 ** rng.integers(-60, 61, (n, n))


MATRICES = {
    "random": lambda rng, n: rng.standard_normal((n, n)),
    "triangular": lambda rng, n: np.tril(rng.standard_normal((n, n))),
    "unimodular": unimodular,
    "wide": wide,
    "hilbert": lambda rng, n: 1 / (np.arange(n)[:, None] + np.arange(n) + 1.0),
}


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n", [1, 2, 3, 6, 10])
def test_each_element_is_the_exact_one_rounded_once(name, dtype, n):
    rng = np.random.default_rng(n)
    for _ in range(5):
        a = MATRICES[name](rng, n).astype(dtype)
        found = verified(a)
        assert found.rounded
        expected = [[rational.nearest(x, dtype) for x in row] for row in rational.inverse(a)]
        np.testing.assert_array_equal(found.x, np.array(expected))


@pytest.mark.parametrize("dtype", ["complex128", "complex64"])
def test_complex_inverses_are_those_of_real_matrices_of_twice_the_order(dtype):
    rng = np.random.default_rng(0)
    for n in (1, 2, 5):
        a = (rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n))).astype(dtype)
        exact = rational.inverse(np.block([[a.real, -a.imag], [a.imag, a.real]]))
        found = verified(a).x
        for i in range(n):
            for j in range(n):
                assert found[i, j].real == rational.nearest(exact[i][j], found.real.dtype)
                assert found[i, j].imag == rational.nearest(exact[n + i][j], found.real.dtype)


def test_a_tie_is_rounded_to_even_though_no_ball_ever_tells():
    a = np.array([[1, 2.0**24 + 1], [0, 1]])  # -(2**24 + 1) lies in the middle between two float32
    found = ball.invert(a, np.dtype(np.float32), default_budget(), all_rounded=True)
    assert found.rounded
    assert found.x[0, 1] == -(2.0**24)


@pytest.mark.parametrize("dtype", ["float64", "complex64"])
@pytest.mark.parametrize("rank", [0, 1, 4, 6])
def test_the_rank_of_a_singular_matrix_is_exact(dtype, rank):
    rng = np.random.default_rng(rank)
    a = rng.integers(-9, 10, (7, rank)) @ rng.integers(-9, 10, (rank, 7))
    a = a.astype(dtype) * 2.0 ** rng.integers(-40, 40, (7, 1)).astype(a.real.dtype)
    assert verified(a.astype(dtype)) == ball.Deficient(rank)


def test_without_time_nothing_is_known():
    assert ball.invert(np.eye(3), np.dtype(float), Budget(lambda: 0, 2**30)) is None


def test_flint_is_imported_when_it_is_needed_first():
    script = """
import sys, numpy as np
from matinv.linalg.inverse import invert
invert(np.eye(3))
assert "flint" not in sys.modules
invert(np.ones((3, 3)))
assert "flint" in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)
