"""``spd`` publishes what is positive definite and refuses what is not, however near the border.

The oracle eliminates with fractions and knows nothing of floating point.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from matinv.errors import Code
from matinv.linalg import definite
from matinv.linalg.budget import Budget, default_budget
from matinv.linalg.inverse import invert
from matinv.linalg.types import Accuracy, Method

DTYPES = ["float32", "float64", "complex64", "complex128"]
NO_TIME = Budget(lambda: 0.0, 2**30)


def exactly_definite(a):
    """Whether all leading minors of a Hermitian matrix are positive, each an exact integer.

    Times a power of two all elements are integers. Bareiss's elimination divides them without a
    rest, and its pivots are the minors.
    """
    if a.dtype.kind == "c":  # as definite as the real matrix of twice the order
        a = np.block([[a.real, -a.imag], [a.imag, a.real]])
    fractions = [[Fraction(float(v)) for v in row] for row in a]
    unit = max(v.denominator for row in fractions for v in row)
    rows = [[int(v * unit) for v in row] for row in fractions]
    last = 1
    for k, pivot_row in enumerate(rows):
        pivot = pivot_row[k]
        if pivot <= 0:
            return False
        for row in rows[k + 1 :]:
            below = row[k]
            for j in range(k + 1, len(row)):
                row[j] = (row[j] * pivot - below * pivot_row[j]) // last
        last = pivot
    return True


def hermitian(a, dtype):
    a = a.astype(dtype)
    upper = np.triu(a, 1)
    return upper + upper.conj().T + np.diag(np.diagonal(a).real).astype(dtype)


def near_the_border(rng, n, dtype):
    """Return a Hermitian matrix whose smallest eigenvalues are of the size of roundings."""

    def normal(*shape):
        real = rng.standard_normal(shape)
        return real + 1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else real

    kind = rng.integers(5)
    lost = int(rng.integers(1, min(n, 3)))
    factor = normal(n, n - lost)
    if kind == 0:  # integers, so that it is exactly singular
        factor = np.round(4 * factor)
    a = hermitian(factor @ factor.conj().T, dtype)
    diagonal = np.diagonal(a).real.copy()
    if kind in (1, 2):  # its diagonal a few units in the last place up or down, in part
        ulps = rng.integers(-3, 4, n) if kind == 1 else np.eye(n, dtype=int)[-1] * rng.integers(8)
        diagonal += ulps * np.spacing(diagonal)
    elif kind == 3:  # one row as large as it may be beside the others
        a[:-1, :-1] += hermitian(np.eye(n - 1) * diagonal.mean(), dtype)
        diagonal[:-1] = np.diagonal(a).real[:-1]
        wide = a.astype(np.promote_types(dtype, np.float64))
        row = wide[:-1, -1]
        diagonal[-1] = (row.conj() @ np.linalg.solve(wide[:-1, :-1], row)).real
        diagonal[-1] += rng.integers(-2, 3) * np.spacing(diagonal[-1])
    np.fill_diagonal(a, diagonal)
    if rng.random() < 0.4:  # scaled by powers of two, which changes nothing
        d = np.ldexp(1.0, rng.integers(-12, 13, n))
        a = hermitian(d[:, None] * a * d, dtype)
    return a


def verdicts_on(matrices, **options):
    """Return what is wrong with the answers to a stack, and to each of its slices alone."""
    together = invert(np.stack(matrices), Method.SPD, **options)
    wrong = []
    for i, a in enumerate(matrices):
        truth = exactly_definite(a)
        for inverses, k in ((together, i), (invert(a, Method.SPD, **options), 0)):
            failure = inverses.failures.get(k)
            if failure is None:
                good = truth and abs(inverses.sign[k] - 1) < 1e-15 and inverses.regular[k]
            else:
                proof = "proven" in failure.info.message
                good = not truth and failure.code is Code.NOT_POSITIVE_DEFINITE and proof
            if not good:
                wrong.append((truth, failure, a.tolist()))
    return wrong


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "n", [2, 3, 4, 5, *(pytest.param(n, marks=pytest.mark.deep) for n in (6, 7, 8))]
)
def test_no_verdict_near_the_border_is_wrong(n, dtype):
    rng = np.random.default_rng([n, ord(np.dtype(dtype).char)])
    matrices = [near_the_border(rng, n, dtype) for _ in range(20)]
    assert {exactly_definite(a) for a in matrices} == {True, False}
    assert not verdicts_on(matrices)
    assert not verdicts_on(matrices[:4], accuracy=Accuracy.VERIFIED)


@pytest.mark.deep
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", range(2, 9))
def test_no_verdict_near_the_border_is_wrong_of_many(n, dtype):
    rng = np.random.default_rng([n, ord(np.dtype(dtype).char), 1])
    assert not verdicts_on([near_the_border(rng, n, dtype) for _ in range(250)])


def bordered(a, n):
    """Return a matrix of order `n` that is as definite as `a` and not diagonal."""
    b = np.eye(n, dtype=a.dtype)
    b[: len(a), : len(a)] = a
    return b[::-1, ::-1].copy()


DEFINITE = [
    [0.15272540380756114, -0.18834472880218725],
    [-0.18834472880218725, 0.23227135750295677],
]
INDEFINITE = [
    [2.4515849972952113, 0.33640682812654793],
    [0.33640682812654793, 0.04616179089651089],
]


@pytest.mark.parametrize("n", [2, 64, 70])
@pytest.mark.parametrize("overwrite", [False, True])
def test_definite_matrix_at_which_cholesky_breaks_down_is_inverted(n, overwrite):
    a = bordered(np.array(DEFINITE), n)
    inverses = invert(a.copy(), Method.SPD, overwrite=overwrite and n == 2)
    assert not inverses.failures
    assert inverses.sign[0] == 1
    assert inverses.digits[0] > 15


@pytest.mark.parametrize("n", [2, 64, 70])
@pytest.mark.parametrize("accuracy", Accuracy)
def test_indefinite_matrix_that_other_ways_invert_is_refused(n, accuracy):
    a = bordered(np.array(INDEFINITE), n)
    failure = invert(a, Method.SPD, accuracy=accuracy).failures[0]
    assert failure.code is Code.NOT_POSITIVE_DEFINITE
    assert failure.info.message.endswith("proven")
    assert invert(a, accuracy=accuracy).sign[0] == -1  # auto takes it as it is


@pytest.mark.parametrize("n", [2, 70])
def test_refusal_without_the_time_for_a_proof_says_so(n):
    for a in (DEFINITE, INDEFINITE):
        failure = invert(bordered(np.array(a), n), Method.SPD, budget=NO_TIME).failures[0]
        assert failure.code is Code.NOT_POSITIVE_DEFINITE
        assert "cannot be distinguished" in failure.info.message
        assert "proven" not in failure.info.message


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 5, 64, 65, 200])
def test_far_from_the_border_cholesky_proves_both_and_restores_the_matrix(n, dtype):
    rng = np.random.default_rng(n)
    g = rng.standard_normal((n, n)) + (1j * rng.standard_normal((n, n)) if "c" in dtype else 0)
    a = hermitian(g @ g.conj().T / n + 3 * np.eye(n), dtype)
    assert definite.prove(a, Budget(lambda: 0.1, 2**30)) is True
    indefinite = a.copy()
    indefinite[0, 0] = 1e-3
    indefinite = hermitian(indefinite + (0.1 * (np.eye(n, k=1) + np.eye(n, k=-1))), dtype)
    if n > 1:
        for overwrite in (False, True):
            work = indefinite.copy()
            assert definite.prove(work, default_budget(), overwrite=overwrite) is False
            np.testing.assert_array_equal(work, indefinite)
