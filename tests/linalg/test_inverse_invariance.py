"""What must not change a bit of a result: its matrix's scale, and its neighbours in a batch."""

from __future__ import annotations

import numpy as np
import pytest

from matinv.linalg.inverse import invert
from matinv.linalg.types import Method

pytestmark = pytest.mark.deep

DTYPES = ["float32", "float64", "complex64", "complex128"]
KINDS = ["general", "definite", "spd"]

# Of each kernel, alone and at the borders between two of them.
ORDERS = [1, 2, 3, 4, 8, 9, 16, 32, 33, 40, 64, 65, 200, 330, 400]
SMALL = [n for n in ORDERS if n <= 64]

# Odd and even, small and beyond what is inverted unscaled (2**256; in single precision 2**32). None
# makes an element of an inverse subnormal: a Hermitian one by LU has imaginary parts of 1e-18.
EXPONENTS = {
    "float32": (-45, -40, -33, -32, -7, -2, -1, 1, 2, 3, 25, 32, 35, 44),
    "float64": (-901, -300, -257, -256, -61, -2, -1, 1, 2, 3, 250, 256, 259, 900),
}


def matrix(kind, n, dtype, seed=0):
    rng = np.random.default_rng([n, seed])
    a = rng.standard_normal((n, n))
    if np.dtype(dtype).kind == "c":
        a = a + 1j * rng.standard_normal((n, n))
    if kind == "general":
        return (a / np.sqrt(n) + 2 * np.eye(n)).astype(dtype)
    a = a @ a.conj().T / n + (1 + seed) * np.eye(n)
    below = np.tril(a, -1)
    return (below + below.conj().T + np.diag(a.diagonal().real)).astype(dtype)


def options(kind):
    return {"method": Method.SPD if kind == "spd" else Method.AUTO}


def by_power(a, exponent):
    return a * np.ldexp(np.ones((), a.real.dtype), exponent)


def exponents(dtype):
    return EXPONENTS["float64" if np.dtype(dtype).char in "dD" else "float32"]


def assert_same(found, expected, *, in_one_scale=True):
    """All that is said of slices is the same, to the last bit.

    Digits are those of the inverse in the scale of its own matrix.
    """
    np.testing.assert_array_equal(found.rcond_1, expected.rcond_1)
    np.testing.assert_array_equal(found.residual, expected.residual)
    if in_one_scale:
        np.testing.assert_array_equal(found.digits, expected.digits)
    assert found.how.tolist() == expected.how.tolist()
    assert list(found.failures) == list(expected.failures)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", ORDERS)
def test_a_power_of_two_changes_no_bit_but_the_exponents(n, kind, dtype):
    a = matrix(kind, n, dtype)
    expected = invert(a, **options(kind))
    assert not expected.failures
    for exponent in exponents(dtype):
        found = invert(by_power(a, exponent), **options(kind))
        assert_same(found, expected)
        np.testing.assert_array_equal(by_power(found.x, exponent), expected.x)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", SMALL)
def test_powers_of_two_change_no_bit_in_a_stack(n, kind, dtype):
    powers = exponents(dtype)
    stack = np.stack([matrix(kind, n, dtype, seed) for seed in range(len(powers))])
    expected = invert(stack, **options(kind))
    scaled = np.stack([by_power(a, k) for a, k in zip(stack, powers, strict=True)])
    found = invert(scaled, **options(kind))
    assert_same(found, expected)
    back = np.stack([by_power(x, k) for x, k in zip(found.x, powers, strict=True)])
    np.testing.assert_array_equal(back, expected.x)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("n", [n for n in ORDERS if n > 1])
def test_powers_of_two_of_uneven_rows_change_no_bit(n, dtype):
    """Both matrices are scaled, to the same one."""
    rng = np.random.default_rng(n)
    first, second = rng.integers(-60, 60, (2, n, 1))
    first[:2, 0] = second[:2, 0] = -90, 90
    a = matrix("general", n, dtype)
    expected, found = invert(a * 2.0**first), invert(a * 2.0**second)
    assert expected.certificate().scaled
    assert_same(found, expected, in_one_scale=False)
    np.testing.assert_array_equal(found.x * 2.0**second.T, expected.x * 2.0**first.T)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("n", [n for n in ORDERS if n > 1])
def test_powers_of_two_on_both_sides_of_a_definite_matrix_change_no_bit(n, dtype):
    rng = np.random.default_rng(n)
    first, second = rng.integers(-60, 60, (2, n))
    first[:2] = second[:2] = -90, 90
    a = matrix("spd", n, dtype)
    for odd in (0, 1):
        expected, found = (
            invert(a * 2.0 ** (d[:, None] + d + k), Method.SPD)
            for d, k in ((first, 0), (second, odd))
        )
        assert expected.certificate().scaled
        assert_same(found, expected, in_one_scale=False)
        one, other = (2.0 ** (d[:, None] + d + k) for d, k in ((first, 0), (second, odd)))
        np.testing.assert_array_equal(found.x * other, expected.x * one)


def neighbours(n, dtype):
    """Return matrices that take each of the ways: even and not, regular and not, by LU and QR."""
    kinds = [matrix("general", n, dtype, seed) for seed in range(6)]
    kinds[1] = np.ones_like(kinds[1])
    kinds[2] *= 2.0 ** np.arange(0, 3 * n, 3)[:, None].clip(0, 100)
    kinds[3] = np.ascontiguousarray(np.eye(n, dtype=dtype)[::-1])  # no pivot where Schulz seeks it
    kinds[4][0, 0] = np.nan
    return [*kinds, matrix("spd", n, dtype)]


@pytest.mark.parametrize("method", [Method.AUTO, Method.SPD])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 31, 32, 33, 40, 63, 64])
def test_neighbours_change_no_bit_of_a_result(n, dtype, method):
    matrices = neighbours(n, dtype)
    alone = [invert(a, method) for a in matrices]
    rng = np.random.default_rng(n)
    for count in (2, 3, len(matrices), 40):  # 40 of order 64 are worked off in three chunks
        chosen = rng.integers(0, len(matrices), count)
        batch = invert(np.stack([matrices[i] for i in chosen]), method)
        for place, i in enumerate(chosen):
            found, expected = batch[place], alone[i]
            assert_same(found, expected)
            np.testing.assert_array_equal(found.x, expected.x)


def test_a_place_beyond_the_first_chunk_changes_no_bit():
    a = matrix("general", 2, "float64")
    batch = invert(np.stack([a, a.T] * 5000))
    for place in (0, 1, 4094, 4095, 4096, 4097, 9999):
        assert_same(batch[place], invert(a.T if place % 2 else a))
        np.testing.assert_array_equal(batch[place].x, invert(a.T if place % 2 else a).x)
