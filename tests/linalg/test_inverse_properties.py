from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from matinv.errors import Refused
from matinv.linalg.inverse import SMALL_N, invert
from support.examples import examples

ORDERS = st.sampled_from([1, 2, 3, 4, 5, 9, SMALL_N, SMALL_N + 1, 80])
SEEDS = st.integers(0, 2**32 - 1)
DTYPES = st.sampled_from(["float32", "float64", "complex64", "complex128"])

quick = examples(40)


def regular(n, seed, dtype="float64"):
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((n, n)) / np.sqrt(n) + 2 * np.eye(n)
    if np.dtype(dtype).kind == "c":
        a = a + 1j * rng.standard_normal((n, n)) / np.sqrt(n)
    return a.astype(dtype)


def close(x, y, inverses):
    """Equal up to what the certificate promises."""
    unit = float(np.finfo(x.dtype).eps) / inverses.certificate().rcond_1
    return np.abs(x - y).max() <= 10 * unit * np.abs(y).max()


@quick
@given(ORDERS, SEEDS, DTYPES)
def test_permuted_rows_permute_columns_of_the_inverse(n, seed, dtype):
    a = regular(n, seed, dtype)
    order = np.random.default_rng(seed).permutation(n)
    inverses = invert(a[order])
    assert close(inverses.x, invert(a).x[:, order], inverses)


@quick
@given(ORDERS, SEEDS, DTYPES)
def test_the_transpose_has_the_transposed_inverse(n, seed, dtype):
    a = regular(n, seed, dtype)
    inverses = invert(a.T)
    assert close(inverses.x, invert(a).x.T, inverses)
    assert close(invert(np.ascontiguousarray(a.T)).x, invert(a).x.T, inverses)


@quick
@given(ORDERS, SEEDS, DTYPES, st.integers(-140, 120))
def test_a_power_of_two_moves_through_bit_by_bit(n, seed, dtype, exponent):
    wide = np.dtype(dtype).char in "dD"
    exponent = 6 * exponent if wide else exponent // 2
    a = regular(n, seed, dtype)
    factor = np.ldexp(np.ones((), a.real.dtype), exponent)
    inverses = invert(a * factor)
    expected = invert(a)
    assert inverses.failures == {}
    assert (inverses.x * factor == expected.x).all()
    assert inverses.rcond_1.tolist() == pytest.approx(expected.rcond_1.tolist(), rel=1e-12)


@quick
@given(ORDERS, SEEDS, DTYPES)
def test_the_inverse_of_the_inverse_is_the_matrix(n, seed, dtype):
    a = regular(n, seed, dtype)
    there = invert(a)
    back = invert(there.x)
    unit = float(np.finfo(dtype).eps) / there.certificate().rcond_1
    assert np.abs(back.x - a).max() <= 20 * n * unit * np.abs(a).max()


@examples(200)
@given(
    hnp.arrays(
        np.float64,
        st.integers(1, 5).map(lambda n: (n, n)),
        elements=st.floats(allow_nan=True, allow_infinity=True, width=64),
    )
)
def test_any_floats_end_in_a_small_residual_or_a_permanent_error(a):
    """Whatever the elements are: never an exception, never a fault of the machine."""
    inverses = invert(a)
    for error in inverses.failures.values():
        assert isinstance(error, Refused)
    if not inverses.failures:
        assert np.isfinite(inverses.x).all()
        assert inverses.certificate().residual < 30


@examples(100)
@given(hnp.arrays(np.int64, (3, 3), elements=st.integers(-1000, 1000)))
def test_integers_of_order_3_are_singular_exactly_when_their_determinant_is_zero(a):
    exact = [[int(x) for x in row] for row in a]
    (p, q, r), (s, t, u), (v, w, x) = exact
    determinant = p * (t * x - u * w) - q * (s * x - u * v) + r * (s * w - t * v)
    inverses = invert(a.astype(float))
    assume(determinant == 0 or inverses.rcond_1[0] > 1e-12)
    assert bool(inverses.failures) == (determinant == 0)
