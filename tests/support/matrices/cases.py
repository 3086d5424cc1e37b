"""Named matrices: what they are, their exact inverses, or the code that refuses them.

Exact inverses are computed in rational arithmetic from the elements as float64 holds them, then
rounded once. The gallery is that of Higham, *Accuracy and Stability of Numerical Algorithms*
(2002), chapter 28; the eleven types are those of LAPACK's test program (dchkge, dlatb4).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from matinv.errors import Code
from matinv.linalg.types import Matrix
from support.matrices.exact import Exact


@dataclass(frozen=True, slots=True)
class Case:
    """A matrix and what must become of it.

    Parameters
    ----------
    name : str
        For test ids.
    a : ndarray, shape (n, n)
        The matrix.
    inverse : ndarray or None
        Its inverse, correctly rounded, where it has one.
    code : Code or None
        The error that refuses it; None if it must be accepted.
    """

    name: str
    a: Matrix
    inverse: Matrix | None = None
    code: Code | None = None

    def __str__(self) -> str:
        return self.name


LAPACK_TYPES: Final = (
    "diagonal",
    "upper-triangular",
    "lower-triangular",
    "random-cond-2",
    "first-column-zero",
    "last-column-zero",
    "last-half-zero",
    "cond-sqrt-0.1-by-eps",
    "cond-0.1-by-eps",
    "near-underflow",
    "near-overflow",
)


def exact_inverse(a: Matrix) -> Matrix:
    """Return the inverse of a real matrix, each element rounded once.

    Raises
    ------
    ZeroDivisionError
        If it is singular.
    """
    return Exact.inverse_of(a).parts()[0]


def gallery() -> Iterator[Case]:
    """Yield regular matrices with exact inverses: well, ill and badly scaled."""
    for n in (2, 3, 5, 8):
        for name, a in _of_order(n):
            yield Case(f"{name}-{n}", a, exact_inverse(a))
    seed = np.array([[1.0, 2.0], [3.0, 4.0]])
    yield Case("seed", seed, np.array([[-2.0, 1.0], [1.5, -0.5]]))
    huge = np.array([[1e308, 1e308], [1e308, -1e308]])
    yield Case("largest", huge, exact_inverse(huge))
    tiny = np.diag([1e-200, 1.0])
    yield Case("tiny-beside-one", tiny, exact_inverse(tiny))
    graded = np.array([[1e300, 1e-300], [1e300, 2e-300]])
    yield Case("columns-600-decades-apart", graded, exact_inverse(graded))
    for exponent in (-900, 900):
        a = np.ldexp(_lehmer(5), exponent)
        yield Case(f"lehmer-5-by-2**{exponent}", a, exact_inverse(a))


def refused() -> Iterator[Case]:
    """Yield matrices without an inverse, and those whose inverse no float64 holds."""
    singular = {
        "zero-1": np.zeros((1, 1)),
        "zeros-4": np.zeros((4, 4)),
        "multiple-rows": np.array([[1.0, 2.0], [2.0, 4.0]]),
        "count-to-9": np.arange(1.0, 10.0).reshape(3, 3),
        "even-3": np.array([[2.0, 4.0, 6.0], [2.0, 0.0, 2.0], [6.0, 8.0, 14.0]]),
        "ones-8": np.ones((8, 8)),
        "magic-4": np.array(
            [[16.0, 2, 3, 13], [5, 11, 10, 8], [9, 7, 6, 12], [4, 14, 15, 1]],
        ),
        "tenths": np.array([[0.1, 0.2], [0.3, 0.6]]) * 1.0,
    }
    for name, a in singular.items():
        yield Case(name, a, code=Code.SINGULAR)
    yield Case("smallest-beside-one", np.diag([5e-324, 1.0]), code=Code.OVERFLOW)
    yield Case("smallest", np.array([[5e-324]]), code=Code.OVERFLOW)
    for name, value in {"nan": np.nan, "infinite": -np.inf}.items():
        a = np.eye(3)
        a[2, 2] = value
        yield Case(f"{name}-in-the-corner", a, code=Code.NON_FINITE)


def regular_as_written() -> Iterator[Case]:
    """Yield matrices that rounding could make singular, with their exact inverses."""
    for name, a in {
        "hilbert-14": _hilbert(14),
        "thirds": np.array([[0.1, 0.3], [0.3, 0.9]]),
    }.items():
        yield Case(name, a, exact_inverse(a))


def lapack_type(kind: int, n: int, dtype: DTypeLike, rng: np.random.Generator) -> Case:
    """Return a random matrix of one of LAPACK's eleven types.

    Parameters
    ----------
    kind : int
        1 to 11, the position in `LAPACK_TYPES`.
    n : int
        The order, at least 2.
    dtype : dtype
        Of the matrix.
    rng : Generator
        Source of randomness.
    """
    info = np.finfo(np.dtype(dtype))
    u = float(info.eps) / 2
    # dlatb4: "safe minimum" shrunk by 0.25 / eps, so that reciprocals stay in range.
    edge = 0.25 * float(info.tiny) / u
    cond = {8: np.sqrt(0.1 / u), 9: 0.1 / u}.get(kind, 2.0)
    norm = {10: edge, 11: 1 / edge}.get(kind, 1.0)
    values = cond ** (-np.arange(n) / (n - 1.0))
    a = _unitary(n, dtype, rng) * values @ _unitary(n, dtype, rng)
    match kind:
        case 1:
            a = np.diag(rng.permutation(values))
        case 2:
            a = np.linalg.qr(a)[1]
        case 3:
            a = np.linalg.qr(a)[1].T
        case 5 | 6 | 7:
            a[:, {5: slice(0, 1), 6: slice(n - 1, n), 7: slice(n // 2, n)}[kind]] = 0
    code = Code.SINGULAR if kind in {5, 6, 7} else None
    return Case(f"{LAPACK_TYPES[kind - 1]}-{n}", (a * norm).astype(dtype), code=code)


def singular_integers(count: int, rng: np.random.Generator) -> Iterator[Matrix]:
    """Yield exactly singular matrices of small integers, of orders 2 to 8, none obviously so."""
    for index in range(count):
        n = 2 + index % 7
        a = rng.integers(-9, 10, (n, n)).astype(np.float64)
        weights = rng.integers(-2, 3, n - 1).astype(np.float64)
        a[-1] = weights @ a[:-1]
        yield a[rng.permutation(n)][:, rng.permutation(n)]


def conditioned(count: int, rng: np.random.Generator) -> Iterator[Matrix]:
    """Yield random matrices of orders 2 to 8 whose condition reaches from 1 to 1e10."""
    for index in range(count):
        n = 2 + index % 7
        values = 10.0 ** (-rng.uniform(0, 10) * np.linspace(0, 1, n))
        yield _unitary(n, np.float64, rng) * values @ _unitary(n, np.float64, rng)


def _unitary(n: int, dtype: DTypeLike, rng: np.random.Generator) -> NDArray[Any]:
    a = rng.standard_normal((n, n))
    if np.dtype(dtype).kind == "c":
        a = a + 1j * rng.standard_normal((n, n))
    return np.linalg.qr(a)[0]


def _of_order(n: int) -> Iterator[tuple[str, Matrix]]:
    i, j = np.mgrid[1.0 : n + 1, 1.0 : n + 1]
    yield "identity", np.eye(n)
    yield "hilbert", _hilbert(n)
    yield "pascal", np.array([[float(comb(r + c, r)) for c in range(n)] for r in range(n)])
    yield "frank", np.where(j >= i - 1, n + 1 - np.maximum(i, j), 0.0)
    yield "kahan", _kahan(n)
    yield "lehmer", _lehmer(n)
    yield "cauchy", 1 / (i + 2 * j)
    yield "vandermonde", (1 + i / n) ** (j - 1)
    yield "minij", np.minimum(i, j)
    yield "second-difference", 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    yield "anti-diagonal", np.fliplr(np.diag(2.0 ** np.arange(n)))
    yield "graded", 10.0 ** (3 * (j - i)) * (1 + (i == j))


def _hilbert(n: int) -> Matrix:
    i, j = np.mgrid[0:n, 0:n]
    return np.asarray(1.0 / (i + j + 1.0))


def _lehmer(n: int) -> Matrix:
    i, j = np.mgrid[1.0 : n + 1, 1.0 : n + 1]
    return np.asarray(np.minimum(i, j) / np.maximum(i, j))


def _kahan(n: int, theta: float = 1.2) -> Matrix:
    rows = np.sin(theta) ** np.arange(n)
    upper = np.eye(n) - np.cos(theta) * np.triu(np.ones((n, n)), 1)
    return np.asarray(rows[:, None] * upper)
