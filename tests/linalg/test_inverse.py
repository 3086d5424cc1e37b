from __future__ import annotations

import numpy as np
import pytest

from matinv.errors import Code, Transient
from matinv.linalg.certificate import Checked, Side
from matinv.linalg.inverse import SMALL_N, invert
from matinv.linalg.types import Method, OnIllConditioned

DTYPES = ["float32", "float64", "complex64", "complex128"]
ORDERS = [1, 2, 3, 4, 8, SMALL_N, SMALL_N + 1, 150]
REAL_METHODS = [Method.AUTO, Method.GENERAL, Method.SPD]


def definite(n, dtype="float64", seed=0):
    """A well-conditioned Hermitian positive definite matrix, which every method inverts."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((n, n))
    if np.dtype(dtype).kind == "c":
        a = a + 1j * rng.standard_normal((n, n))
    return (a @ a.conj().T / n + np.eye(n)).astype(dtype)


def symmetric(a):
    lower = np.tril(a, -1)
    return (lower + np.diag(np.diagonal(a).real) + lower.conj().T).astype(a.dtype)


def general(n, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((n, n)) / np.sqrt(n) + 2 * np.eye(n)
    if np.dtype(dtype).kind == "c":
        a = a + 1j * rng.standard_normal((n, n)) / np.sqrt(n)
    return a.astype(dtype)


def code(inverses, index=0):
    error = inverses.failures.get(index)
    return error.code if error else None


def test_the_seed_is_exact():
    inverses = invert(np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert inverses.x.tolist() == [[-2.0, 1.0], [1.5, -0.5]]
    assert inverses.certificate().routine == "closed-form"
    assert inverses.certificate().residual == 0


@pytest.mark.parametrize("n", [1, 2, 3, 4, 8, SMALL_N])
def test_the_identity_is_its_own_inverse_without_negative_zeros(n):
    x = invert(np.eye(n)).x
    assert (x == np.eye(n)).all()
    assert not np.signbit(x).any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", ORDERS)
@pytest.mark.parametrize("method", list(Method))
def test_every_method_order_and_precision(n, dtype, method):
    a = symmetric(definite(n, dtype))
    inverses = invert(a, method)
    certificate = inverses.certificate()
    assert inverses.failures == {}
    assert inverses.x.dtype == a.dtype
    wide = inverses.x.astype(np.complex128)
    unit = np.finfo(dtype).eps / certificate.rcond_1
    assert np.abs(wide @ a - np.eye(n)).max() < 4 * unit
    assert certificate.residual < 4
    assert certificate.method == {Method.SPD: "spd", Method.PINV: "pinv"}.get(
        method, "spd" if method is Method.AUTO and n > SMALL_N else "general"
    )


@pytest.mark.parametrize("n", [2, 3, 5, SMALL_N, 100])
@pytest.mark.parametrize("dtype", DTYPES)
def test_memory_order_changes_nothing_but_the_side(n, dtype):
    a = general(n, dtype)
    c, f = invert(a), invert(np.asfortranarray(a))
    padded = np.zeros((2 * n, 3 * n), dtype)
    padded[::2, ::3] = a
    view = invert(padded[::2, ::3])
    assert np.allclose(c.x, f.x, rtol=0, atol=100 * np.finfo(dtype).eps)
    assert (c.x == view.x).all()
    assert c.certificate().rcond_1 == pytest.approx(f.certificate().rcond_1, rel=1e-3)
    if n > SMALL_N:
        assert (c.certificate().side, f.certificate().side) == (Side.LEFT, Side.RIGHT)
        assert c.certificate().checked is f.certificate().checked is Checked.PROBE


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("n", [2, 5, 70])
@pytest.mark.parametrize("broken", [False, True])
def test_the_input_stays_as_it_was(n, method, broken):
    a = symmetric(definite(n))
    a[0, 0] = -1 if broken else 1e-9
    before = a.copy()
    a.flags.writeable = False
    invert(a, method)
    invert(a, method, overwrite=True)  # read-only: allowed to, not able to
    assert (a == before).all()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("n", [3, 20, 100])
def test_overwrite_uses_the_inputs_memory(n, order):
    a = np.array(general(n), order=order)
    expected = invert(a).x
    inverses = invert(a, overwrite=True)
    assert np.shares_memory(inverses.x, a)
    assert (inverses.x == expected).all()


@pytest.mark.parametrize("n", [2, 3, 6, 66])
@pytest.mark.parametrize("position", range(5))
@pytest.mark.parametrize("bad", [0.0, np.nan])
def test_one_bad_slice_fails_alone(n, position, bad):
    stack = np.stack([general(n, seed=i) for i in range(5)])
    expected = invert(stack).x
    stack[position] = bad
    inverses = invert(stack)
    assert list(inverses.failures) == [position]
    assert code(inverses, position) is (Code.SINGULAR if bad == 0 else Code.NON_FINITE)
    assert np.isnan(inverses.x[position]).all()
    others = [i for i in range(5) if i != position]
    assert (inverses.x[others] == expected[others]).all()


def test_a_stack_larger_than_a_chunk_gives_what_each_slice_alone_gives():
    stack = np.random.default_rng(1).standard_normal((9000, 2, 2))
    stack[[0, 4095, 4096, 8999]] = 1
    inverses = invert(stack)
    assert sorted(inverses.failures) == [0, 4095, 4096, 8999]
    for index in range(0, 9000, 450):
        alone = invert(stack[index])
        assert np.array_equal(inverses.x[index], alone.x, equal_nan=True)
        if not alone.failures:
            assert inverses.certificate(index) == alone.certificate()


def test_parts_of_a_stack():
    stack = np.stack([np.eye(3), np.zeros((3, 3)), 2 * np.eye(3), 4 * np.eye(3)])
    inverses = invert(stack)
    assert inverses[2].x.shape == (3, 3)
    assert inverses[1].failures[0].code is Code.SINGULAR
    part = inverses[1:3]
    assert part.x.shape == (2, 3, 3)
    assert list(part.failures) == [0]
    assert part.certificate(1) == inverses.certificate(2)
    assert inverses[-1].x[0, 0] == 0.25
    with pytest.raises(IndexError):
        inverses[::2]
    with pytest.raises(IndexError):
        inverses[4]


def test_the_worst_of_a_stack_leaves_out_failures():
    stack = np.stack([np.eye(2), np.diag([1.0, 0.5]), np.ones((2, 2))])
    inverses = invert(stack)
    worst = inverses.worst()
    assert worst is not None
    assert worst.rcond_1 == 0.5
    assert worst.digits == inverses.digits[:2].min()
    assert invert(np.ones((2, 2))).worst() is None


@pytest.mark.parametrize("n", [2, 5, 80])
def test_ill_conditioned_is_a_warning_or_an_error(n):
    a = np.eye(n)
    a[0, 1], a[0, 0], a[1, 0] = 1, 1, 1 - 1e-10
    inverses = invert(a)
    assert inverses.ill_conditioned.tolist() == [True]
    assert inverses.failures == {}
    failed = invert(a, Method.AUTO, OnIllConditioned.FAIL)
    assert code(failed) is Code.ILL_CONDITIONED
    assert failed.ill_conditioned.tolist() == [False]
    assert np.isnan(failed.x).all()


@pytest.mark.parametrize("n", [3, 70])
def test_spd_refuses_what_is_not(n):
    a = symmetric(definite(n))
    a[1, 1] = -1
    indefinite = invert(a, Method.SPD)
    assert code(indefinite) is Code.NOT_POSITIVE_DEFINITE
    assert "not positive definite" in indefinite.failures[0].info.message
    a[0, 1] = np.nextafter(a[0, 1], 9)
    lopsided = invert(a, Method.SPD)
    assert code(lopsided) is Code.NOT_POSITIVE_DEFINITE
    assert "not symmetric" in lopsided.failures[0].info.message


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [66, 129])
@pytest.mark.parametrize("order", ["C", "F"])
def test_auto_falls_back_to_lu_when_cholesky_fails_late(n, dtype, order):
    a = np.array(symmetric(definite(n, dtype)), order=order)
    a[-1, -1] = 0.1  # a positive diagonal all the same: only the last pivot says no
    inverses = invert(a)
    certificate = inverses.certificate()
    assert certificate.routine == "getrf+getri"
    assert certificate.residual < 1
    expected = invert(a, Method.GENERAL).x
    tolerance = float(np.finfo(dtype).eps) / certificate.rcond_1
    assert np.abs(inverses.x - expected).max() < tolerance * np.abs(expected).max()


def test_large_hermitian_result_is_hermitian():
    x = invert(symmetric(definite(150, "complex128"))).x
    assert (x == x.conj().T).all()


@pytest.mark.parametrize("n", [2, 3, 5, 70])
@pytest.mark.parametrize("dtype", DTYPES)
def test_pinv_is_never_singular(n, dtype):
    rng = np.random.default_rng(0)
    thin = rng.standard_normal((n, max(1, n // 2)))
    a = (thin @ thin.T).astype(dtype)
    inverses = invert(a, Method.PINV)
    certificate = inverses.certificate()
    assert inverses.failures == {}
    assert certificate.side is Side.PINV
    assert certificate.residual < 10
    expected = np.linalg.pinv(a.astype(np.complex128), rcond=n * float(np.finfo(dtype).eps))
    tolerance = 100 * float(np.finfo(dtype).eps) / certificate.rcond_1
    assert np.abs(inverses.x - expected).max() <= tolerance * np.abs(expected).max()


def test_pinv_of_zero_is_zero():
    inverses = invert(np.zeros((3, 3)), Method.PINV)
    assert (inverses.x == 0).all()
    assert inverses.certificate().residual == 0


def test_pinv_of_the_smallest_and_the_largest():
    a = np.array([[1e308, 1e308], [1e308, 1e308]])
    assert invert(a, Method.PINV).x == pytest.approx(np.full((2, 2), 2.5e-309), rel=1e-6, abs=0)
    assert code(invert(np.diag([5e-324, 0.0]), Method.PINV)) is Code.OVERFLOW


def test_errors_say_what_was_found_and_never_a_value():
    a = np.array([[1.0, 2.0], [2.0, 4.0]]) * 7.7251
    info = invert(a).failures[0].info
    assert info.observed == "rank 1"
    assert info.limit == "full rank"
    assert "proven" in info.message
    assert "pinv" in info.hint
    assert "7.7" not in f"{info}"


@pytest.mark.deep  # 3 s
def test_errors_of_a_large_stack_are_made_when_asked_for():
    inverses = invert(np.zeros((200_000, 2, 2)))
    assert len(inverses.failures) == 200_000
    assert 199_999 in inverses.failures
    assert not {200_000, -1, "0"} & inverses.failures.keys()
    assert next(iter(inverses.failures.items()))[1].code is Code.SINGULAR
    with pytest.raises(KeyError):
        inverses.failures[200_000]
    assert inverses.worst() is None


def test_nothing_is_transient_about_a_bad_matrix():
    stack = np.stack([np.ones((4, 4)), np.full((4, 4), np.inf), np.diag([1, 1, 1, 5e-324])])
    inverses = invert(stack)
    assert [code(inverses, i) for i in range(3)] == [
        Code.SINGULAR,
        Code.NON_FINITE,
        Code.OVERFLOW,
    ]
    assert not any(isinstance(error, Transient) for error in inverses.failures.values())
