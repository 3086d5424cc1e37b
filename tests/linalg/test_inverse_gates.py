from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from matinv.errors import Code, Transient
from matinv.linalg.budget import Budget
from matinv.linalg.determinant import Determinants
from matinv.linalg.inverse import SMALL_N, invert
from matinv.linalg.kernels import STANDARD, InPlaceKernel, Kernels, StackKernel
from matinv.linalg.types import Method

ORDERS = [1, 2, 3, 4, 20, SMALL_N]
LARGE = [SMALL_N + 1, 100, pytest.param(300, marks=pytest.mark.deep)]  # 3 s
DTYPES = ["float32", "float64", "complex64", "complex128"]


def matrix(n, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((n, n)) / np.sqrt(n) + 2 * np.eye(n)
    if np.dtype(dtype).kind == "c":
        a = a + 1j * rng.standard_normal((n, n)) / np.sqrt(n)
    return a.astype(dtype)


def flip_bit(x, bit):
    """Flip one bit of the real part of an element in the middle: what a faulty machine does."""
    word = x.real[len(x) // 2 : len(x) // 2 + 1, len(x) // 3]
    exact = word.astype(np.float64 if x.dtype.char in "dD" else np.float32)
    exact.view(np.uint64 if exact.dtype.char == "d" else np.uint32)[0] ^= 1 << bit
    word[...] = exact


def faulty(change, *, also_plain=False) -> Kernels:
    """Kernels whose results `change` spoils."""

    def stack(kernel):
        def run(a):
            x, broken = kernel.invert(a)
            for slice_ in x:
                change(slice_)
            return x, broken

        return replace(kernel, invert=run)

    def in_place(kernel):
        def run(a):
            info = kernel.invert(a)
            change(a)
            return info

        return replace(kernel, invert=run)

    kernels = {field.name: getattr(STANDARD, field.name) for field in fields(Kernels)}
    spoilt = {
        name: stack(kernel) if isinstance(kernel, StackKernel) else in_place(kernel)
        for name, kernel in kernels.items()
        if name != "plain" or also_plain
    }
    return replace(STANDARD, **spoilt)


@pytest.mark.parametrize("bit", [63, 62, 55, 52, 51, 45, 40])
@pytest.mark.parametrize("n", ORDERS + LARGE)
def test_a_flipped_bit_is_caught_and_mended(n, bit):
    a = matrix(n)
    inverses = invert(a, Method.GENERAL, kernels=faulty(lambda x: flip_bit(x, bit)))
    assert inverses.failures == {}
    assert inverses.certificate().routine == "geqrf"
    assert inverses.certificate().residual < 1
    assert np.abs(inverses.x @ a - np.eye(n)).max() < 1e-12


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [2, 3, 20, 100])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_precision_and_order_is_mended(n, dtype, order):
    a = np.array(matrix(n, dtype), order=order)

    def change(x):
        x[0] *= 4

    inverses = invert(a, kernels=faulty(change))
    assert inverses.certificate().routine == "geqrf"
    assert np.abs(inverses.x @ a - np.eye(n)).max() < 200 * np.finfo(dtype).eps


@pytest.mark.parametrize("n", ORDERS + LARGE)
def test_what_fails_twice_is_transient(n):
    def change(x):
        x[-1] = 0.125

    error = invert(matrix(n), kernels=faulty(change, also_plain=True)).failures[0]
    assert isinstance(error, Transient)
    assert error.code is Code.RESIDUAL


@pytest.mark.parametrize("n", ORDERS + LARGE)
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e200, 1e300, 1.7e308])
def test_a_regular_matrix_is_not_called_singular_for_one_wild_result(n, value):
    def change(x):
        x[-1, 0] = value

    inverses = invert(matrix(n), kernels=faulty(change))
    assert inverses.failures == {}
    assert np.abs(inverses.x @ matrix(n) - np.eye(n)).max() < 1e-12


@pytest.mark.parametrize("n", LARGE)
def test_an_overwritten_large_matrix_cannot_be_mended_and_is_transient(n):
    a = matrix(n)
    error = invert(a, overwrite=True, kernels=faulty(lambda x: flip_bit(x, 52))).failures[0]
    assert isinstance(error, Transient)
    assert np.isnan(a).all()


def test_an_overwritten_small_matrix_is_mended():
    a = matrix(8)
    kept = a.copy()
    inverses = invert(a, overwrite=True, kernels=faulty(lambda x: flip_bit(x, 52)))
    assert np.allclose(inverses.x @ kept, np.eye(8))


def test_a_faulty_slice_is_mended_alone():
    def change(x):
        if x[0, 0] < 0.3:
            x[0, 0] += 1

    stack = np.stack([matrix(6), matrix(6) + 2 * np.eye(6), matrix(6)])
    inverses = invert(stack, kernels=faulty(change))
    routine = STANDARD.short.routine
    assert [how.routine for how in inverses.how] == [routine, "geqrf", routine]
    expected = invert(stack).x
    assert (inverses.x[::2] == expected[::2]).all()
    assert np.allclose(inverses.x[1], expected[1], rtol=1e-13)


@pytest.mark.parametrize("n", [3, 6, 100])
def test_a_kernel_that_inverts_the_singular_is_found_out(n):
    """The plain routine meets the zero pivot that the faulty kernel did not see."""
    a = matrix(n)
    a[:, 1] = 0

    def blind(a):
        return np.tile(np.eye(n), (len(a), 1, 1)), Determinants.of(np.ones(len(a)))

    def blind_in_place(a):
        a[...] = np.eye(n)
        return Determinants.of(np.ones(1))

    kernels = replace(
        STANDARD,
        closed=StackKernel("blind", blind),
        short=StackKernel("blind", blind),
        stacked=StackKernel("blind", blind),
        general=InPlaceKernel("blind", blind_in_place),
    )
    assert invert(a, kernels=kernels).failures[0].code is Code.SINGULAR


@pytest.mark.parametrize("n", [2, 5, 20, 70])
def test_noise_instead_of_an_inverse_is_refused_whatever_it_claims(n):
    def change(x):
        x[...] = 1e40 * np.random.default_rng(0).standard_normal((n, n))

    in_place = invert(matrix(n), overwrite=True, kernels=faulty(change, also_plain=True))
    assert list(in_place.failures) == [0]


@pytest.mark.parametrize("n", [*LARGE, 700])
@pytest.mark.parametrize("error", [1e-13, 1e-12])
def test_probes_estimate_the_full_residual(n, error):
    a = matrix(n)
    noise = 1 + error * np.random.default_rng(1).standard_normal((n, n))

    def change(x):
        x *= noise

    x = np.linalg.inv(a) * noise
    norms = np.linalg.norm(a, 1) * np.linalg.norm(x, 1)
    full = np.linalg.norm(x @ a - np.eye(n), 1) / (n * norms * np.finfo(float).eps / 2)
    kernels = replace(faulty(change), plain=STANDARD.plain)
    if full < 20:
        spoilt = invert(a, kernels=kernels, budget=Budget(lambda: 0, 0))
        assert 1 / 3 < spoilt.certificate().residual / full < 3
    if full > 60:
        assert invert(a, kernels=kernels).certificate().routine == "geqrf"


@pytest.mark.parametrize("n", [60, 100])
def test_a_matrix_on_which_elimination_breaks_down_is_inverted_by_qr(n):
    """Pivots grow by 2**n; numpy.linalg.inv is wrong by 38 at n = 60, where kappa_1 is 67."""
    a = np.tril(-(1 - 1e-3 * np.random.default_rng(0).random((n, n))), -1) + np.eye(n)
    a[:, -1] = 1
    a = a @ np.diag(1 + 0.3 * np.random.default_rng(1).random(n))
    # LAPACK reads rows as columns; in memory order F, only a large matrix is read as it is.
    a = np.asfortranarray(a) if n > SMALL_N else a.T.copy()
    inverses = invert(a)
    assert inverses.certificate().routine == "geqrf"
    assert np.abs(inverses.x @ a - np.eye(n)).max() < 1e-12
    assert invert(a, overwrite=True).failures.keys() == ({0} if n > SMALL_N else set())


def rank_deficient(rng, n, kind):
    """Return a float32 matrix without full rank, exactly so for the first two kinds."""
    a = rng.integers(-9, 10, (n, n)).astype(np.float32)
    if kind == 0:
        a[:, -1] = a[:, 0] + a[:, 1]
    elif kind == 1:
        a[-1] = a[:-1].sum(axis=0)
    else:
        a = (rng.normal(size=(n, n - 1)) @ rng.normal(size=(n - 1, n))).astype(np.float32)
    return a


@pytest.mark.parametrize(
    "n",
    [4, 8, 33, 64, 130, 300, pytest.param(700, marks=pytest.mark.deep)],  # 3 s
)
@pytest.mark.parametrize("kind", [0, 1])
def test_singular_matrices_of_single_precision_are_refused_at_any_order(n: int, kind: int) -> None:
    rng = np.random.default_rng(n)
    for _ in range(10 if n < 100 else 1):
        a = rank_deficient(rng, n, kind)
        error = invert(a).failures[0]
        assert error.code is Code.SINGULAR
        rank = np.linalg.matrix_rank(a.astype(float))
        assert error.info.observed in {f"rank {rank}", "a row or a column of zeros"}


@pytest.mark.parametrize(
    "n",
    [4, 8, 33, 64, 130, 300, pytest.param(700, marks=pytest.mark.deep)],  # 3 s
)
def test_a_matrix_that_rounding_made_regular_is_inverted_as_it_is_written(n: int) -> None:
    """Without full rank until it was rounded to single precision: kappa is about 1e8."""
    rng = np.random.default_rng(n)
    a = rank_deficient(rng, n, 2)
    inverses = invert(a)
    assert not inverses.failures
    assert inverses.ill_conditioned[0]
    exact = np.linalg.inv(a.astype(float))  # right to about 8 digits
    claimed = 10 ** -inverses.certificate().digits
    error = np.linalg.norm(inverses.x - exact, 1) / np.linalg.norm(exact, 1)
    assert error < claimed + n * 1e-16 / inverses.certificate().rcond_1


@pytest.mark.parametrize("n", [100, 300, 600])
def test_random_matrices_of_single_precision_are_inverted_with_a_warning(n: int) -> None:
    a = np.random.default_rng(n).normal(size=(n, n)).astype(np.float32)
    inverses = invert(a)
    assert not inverses.failures
    assert inverses.ill_conditioned[0]
    assert inverses.certificate().digits > 1.5
    assert np.abs(a.astype(float) @ inverses.x - np.eye(n)).max() < 0.05


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_machine_that_computes_rubbish_is_not_the_matrix_s_fault(value):
    def rubbish(a):
        a[:] = value
        return Determinants.of(np.ones(1))

    kernels = replace(STANDARD, general=replace(STANDARD.general, invert=rubbish))
    error = invert(matrix(100), overwrite=True, kernels=kernels).failures[0]
    assert isinstance(error, Transient)
    assert error.code is Code.RESIDUAL
    assert not invert(matrix(100), kernels=kernels).failures  # repaired from the copy
