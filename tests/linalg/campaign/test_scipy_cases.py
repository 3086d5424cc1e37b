"""The matrices of scipy's own tests of inv, pinv, pinvh and solve, judged by exact arithmetic.

They are those of ``scipy/linalg/tests/test_basic.py`` in scipy 1.17.1: TestInv, TestPinv,
TestPinvSymmetric and TestSolve, written down or drawn as there. scipy itself is no dependency, not
even of the tests: it would add 111 MB for these few lines.
"""

from __future__ import annotations

import numpy as np
import pytest

from linalg.campaign import product
from linalg.campaign.cases import DTYPES
from linalg.campaign.judge import judge_matrix

COUNTED = np.arange(9.0).reshape(3, 3)
SHAPED = np.arange(25.0).reshape(5, 5)
TENTH = np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 10]])
BACKWARDS = np.array([[10.0, 8, 7], [6, 5, 4], [3, 2, 1]])
POSITIVE = SHAPED + SHAPED.T + 21 * np.eye(5)
SINGULAR = np.array(
    [
        [1.0, 0, 0, 0, 0, 0, 1, 0, 1],
        [1, 1, 1, 0, 0, 0, 1, 0, 1],
        [0, 1, 1, 0, 0, 0, 1, 0, 1],
        *4 * [[1, 0, 1, 1, 1, 1, 0, 0, 0]],
        *2 * [[1, 1, 1, 1, 1, 1, 1, 1, 1]],
    ]
)
UPPER = np.array(
    [
        [-1.84, 0.11 - 0.11j, -1.78 - 1.18j, 3.91 - 1.50j],
        [0, -4.63, -1.84 + 0.03j, 2.21 + 0.21j],
        [0, 0, -8.87, 1.58 - 0.90j],
        [0, 0, 0, -1.36],
    ]
)
NOT_HERMITIAN = np.array(  # gh-24359
    [
        [182.56985285 - 64.28859483j, -177.24879835 + 11.0780499j],
        [-177.24879835 + 11.0780499j, 177.24879835 - 11.0780499j],
    ]
)

REGULAR = {
    "simple 2": np.array([[1.0, 2], [3, 4]]),
    "simple 3": TENTH,
    "simple complex": np.array([[1, 2], [3, 4j]]),
    "overwritten": np.arange(1.0, 10).reshape(3, 3) + np.eye(3),
    "counted": np.arange(4.0).reshape(2, 2),
    "graded": np.diag([1.0, 1e-20]),
    "graded up": np.diag([1e30, 1.0]),
    "over 50 decades": np.diag(np.logspace(0, 50, 10)),
    "positive": POSITIVE,
    "ones and twos": np.eye(4) + np.ones(4),
    "zeros and ones": np.ones(4) - np.eye(4),
    "not quite symmetric": np.ones(4) - np.eye(4) + 2 * np.eye(4, k=3),
    "symmetric complex": 1j * np.eye(4) + np.ones(4),
    "Hermitian": np.array([[2, 1 + 1j], [1 - 1j, 2]]),
    "Hermitian indefinite": np.array([[-1, 1 + 1j], [1 - 1j, -1]]),
    "symmetric indefinite": COUNTED + COUNTED.T + np.eye(3),
    "symmetric indefinite complex": (1 + 1j) * (COUNTED + COUNTED.T) + np.eye(3),
    "Hermitian counted": (1 + 1j) * COUNTED + (1 - 1j) * COUNTED.T + np.eye(3),
    "gh-24359": NOT_HERMITIAN,
    "upper triangle": np.triu(np.ones((5, 5))),
    "lower triangle": np.tril(np.ones((5, 5))),
    "diagonal": np.diag([1.0, 2, 3]),
    "bug of 20 February 2004": np.array([[1, 1], [1.2, 0]]),
    "solve 1": np.array([[1.0, 20], [-30, 4]]),
    "solve 2": np.array([[5, 2], [2j, 4]]),
    "solve 3": np.array([[2.0, 3], [3, 5]]),
    "solve 4": np.array([[2.0, 3], [3, -5]]),
    "solve 5": np.array([[5, 2 + 1j], [2 - 1j, -4]]),
    "solve 6": np.array(
        [
            [1.80, 2.88, 2.05, -0.89],
            [525.00, -295.00, -95.00, -380.00],
            [1.58, -2.69, -2.90, -1.04],
            [-1.11, -0.66, -0.59, 0.80],
        ]
    ),
    "solve 7": np.array(
        [
            [-1.34 + 2.55j, 0.28 + 3.17j, -6.39 - 2.20j, 0.72 - 0.92j],
            [-1.70 - 14.10j, 33.10 - 1.50j, -1.50 + 13.40j, 12.90 + 13.80j],
            [-3.29 - 2.39j, -1.91 + 4.42j, -0.14 - 1.35j, 1.72 + 1.35j],
            [2.41 + 0.39j, -0.56 + 1.47j, -0.83 - 0.69j, -1.96 + 0.67j],
        ]
    ),
    "solve symmetric": UPPER + np.triu(UPPER, 1).T,
    "solve Hermitian": UPPER + np.triu(UPPER, 1).conj().T,
    "solve a triangle": np.tril(np.arange(1.0, 10).reshape(3, 3)) / 9,
}
DEFICIENT = {
    "ones": np.ones((2, 2)),
    "zeros": np.zeros((10, 10)),
    "zero": np.zeros((1, 1)),
    "a zero row": np.diag([0.0, 1.0]),
    "counted": np.arange(1.0, 10).reshape(3, 3),
    "solve": SINGULAR,
    "gh-12515": np.array([[1.0, -1, 0], [-1, 2, -1], [0, -1, 1]]),
}
GRAMS = {
    "real": TENTH @ TENTH.T,
    "complex": (TENTH + 1j * BACKWARDS) @ (TENTH + 1j * BACKWARDS).conj().T,
    "nonpositive": -(DEFICIENT["counted"] @ DEFICIENT["counted"].T),
}


def hermitian_part(a):
    """Half of a matrix and its transpose: products of complex numbers are rounded unevenly."""
    return (a + a.conj().T) / 2


def drawn(kind, n, dtype):
    """A random matrix of a kind that scipy names: general, symmetric, …"""
    rng = np.random.default_rng(1234)
    a = rng.standard_normal((n, n)).astype(dtype)
    if a.dtype.kind == "c":
        a += (1j * rng.standard_normal((n, n))).astype(dtype)
    kinds = {
        "general": lambda: a,
        "diagonal dominates": lambda: a + 20 * np.diag(0.1 + np.diag(np.abs(a))),
        "symmetric": lambda: a + a.T,
        "Hermitian": lambda: a + a.T.conj(),
        "positive": lambda: hermitian_part(a.T.conj() @ a + 0.1 * np.eye(n)),
        "tridiagonal": lambda: np.triu(np.tril(a, 1), -1),
    }
    return kinds[kind]().astype(dtype)


def nothing_is_wrong_with(a, method="auto", **options):
    """Judge every answer about a matrix, and return the first."""
    faults = judge_matrix(a, method, **options).findings
    assert not faults, "\n".join(map(str, faults))
    return product.ask(a, method)[0]


@pytest.mark.parametrize("name", REGULAR)
def test_what_scipy_inverts(name):
    a = REGULAR[name]
    assert nothing_is_wrong_with(a).code is None
    assert nothing_is_wrong_with(a, "general", verified=True).code is None
    nothing_is_wrong_with(a, "spd")
    nothing_is_wrong_with(a, "pinv")


@pytest.mark.parametrize("name", DEFICIENT)
def test_what_scipy_refuses_and_what_its_pseudo_inverse_takes(name):
    a = DEFICIENT[name]
    assert nothing_is_wrong_with(a).code == "SINGULAR"
    assert nothing_is_wrong_with(a, "spd").code == "NOT_POSITIVE_DEFINITE"
    assert nothing_is_wrong_with(a, "pinv").code is None


@pytest.mark.parametrize("name", GRAMS)
def test_pseudo_inverses_of_hermitian_matrices(name):
    nothing_is_wrong_with(hermitian_part(GRAMS[name]), "pinv")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "kind",
    ["general", "diagonal dominates", "symmetric", "Hermitian", "positive", "tridiagonal"],
)
def test_every_dtype_kind_and_order(kind, dtype):
    for n in (10, 20):
        a = drawn(kind, n, dtype)
        assert nothing_is_wrong_with(a).code is None
        code = nothing_is_wrong_with(a, "spd").code
        assert code in ({None} if kind == "positive" else {"NOT_POSITIVE_DEFINITE"})


def test_slices_of_any_strides_are_as_they_are_alone():
    base = np.arange(48.0).reshape(2, 3, 2, 4) + 5 * np.eye(2, 4)
    for stack in (
        base[0, ::-1, :, :2],
        base[1, :, ::-1, 1:3],
        base[0, ..., ::2],
        base[0, ::2, :, 2:],
    ):
        answers = product.ask(stack, "auto")
        for a, answer in zip(stack, answers, strict=True):
            assert answer.same_as(product.ask(np.ascontiguousarray(a), "auto")[0])
    broadcast = np.broadcast_to(TENTH, (3, 3, 3))
    assert all(
        answer.same_as(product.ask(TENTH, "auto")[0]) for answer in product.ask(broadcast, "auto")
    )
