"""More than 1,300 named matrices with exact inverses: families at many orders, in four dtypes.

Well and ill conditioned, badly scaled, near overflow and underflow, some of them singular. Elements
are rounded to the dtype first; the exact inverse is that of the rounded matrix. Nothing is computed
before a matrix is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matinv.linalg.types import Matrix
from support.matrices.exact import Exact
from support.matrices.families import FAMILIES, WIDE, Family, indices, lower_ones, tridiagonal


@dataclass(frozen=True, slots=True)
class Entry:
    """A matrix of the gallery.

    Parameters
    ----------
    name : str
        Its family, order and dtype.
    make : callable
        Returns the matrix.
    invert : callable
        Returns its exact inverse, given the matrix; raises ZeroDivisionError if it is singular.
    """

    name: str
    make: Callable[[], Matrix]
    invert: Callable[[Matrix], Exact] = Exact.inverse_of


def entries() -> Iterator[Entry]:
    """Yield the gallery, every entry under another name."""
    names = list(FAMILIES)
    for index, name in enumerate(names):
        other = names[(index + 7) % len(names)]
        for dtype, orders in _ORDERS.items():
            for n in orders:
                yield _entry(name, other, n, dtype)
    for name, family in WIDE.items():
        for n in (1, 2, 3, 5, 13):
            yield Entry(f"{name}-{n}-float64", partial(family, n))
    for name in _CLOSED:
        for n in (65, 130, 330):
            for dtype in _ORDERS:
                yield _closed_entry(name, n, dtype)


_ORDERS: Final = {
    "float64": (1, 2, 3, 4, 6, 8, 13, 24),
    "float32": (2, 3, 5, 9, 17),
    "complex128": (2, 3, 5, 9),
    "complex64": (2, 4, 7),
}


def _entry(name: str, other: str, n: int, dtype: str) -> Entry:
    """Return one of a family; of complex dtype, with another family as imaginary part."""

    def make() -> Matrix:
        a = FAMILIES[name](n)
        if dtype.startswith("c"):
            b = FAMILIES[other](n)
            a = a / np.abs(a).max() + 1j * (b / max(np.abs(b).max(), np.finfo(float).tiny))
        with np.errstate(over="ignore", under="ignore"):
            return a.astype(dtype)

    return Entry(f"{name}{'+i-' + other if dtype.startswith('c') else ''}-{n}-{dtype}", make)


def _closed_entry(name: str, n: int, dtype: str) -> Entry:
    """Return a matrix of integers whose inverse is known; of complex dtype, turned by powers of i.

    With d a vector of powers of i, ``diag(d) A diag(d)^H`` has the inverse turned alike.
    """
    family, closed = _CLOSED[name]

    def make() -> Matrix:
        real, imag = _turns(n, dtype)
        return (family(n) * (real + 1j * imag if dtype.startswith("c") else real)).astype(dtype)

    def invert(_a: Matrix) -> Exact:
        numerators, denominator = closed(n)
        return Exact(np.stack([numerators * part for part in _turns(n, dtype)]), denominator)

    return Entry(f"{name}-{n}-{dtype}", make, invert)


def _turns(n: int, dtype: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    turns = np.arange(n) * np.arange(n, 0, -1) % 4 * dtype.startswith("c")
    quarter = (turns[:, None] - turns) % 4
    return np.array([1, 0, -1, 0])[quarter], np.array([0, 1, 0, -1])[quarter]


def _objects(a: NDArray[Any]) -> NDArray[np.object_]:
    return a.astype(np.int64).astype(np.object_)


def _minij_inverse(n: int) -> tuple[NDArray[np.object_], int]:
    a = tridiagonal(-1, 2, -1, n)
    a[-1, -1] = 1
    return _objects(a), 1


def _tridiag_inverse(n: int) -> tuple[NDArray[np.object_], int]:
    i, j = indices(n)
    return _objects(np.minimum(i, j) * (n + 1 - np.maximum(i, j))), n + 1


def _fiedler_inverse(n: int) -> tuple[NDArray[np.object_], int]:
    a = (n - 1) * tridiagonal(1, -2, 1, n)
    a[0, 0] = a[-1, -1] = 2 - n
    a[0, -1] = a[-1, 0] = 1
    return _objects(a), 2 * (n - 1)


def _triw_inverse(n: int) -> tuple[NDArray[np.object_], int]:
    a = _objects(np.eye(n))
    for i in range(n):
        a[i, i + 1 :] = [2**k for k in range(n - i - 1)]
    return a, 1


# Of each: the matrix, and numerators and denominator of its inverse.
_CLOSED: Final[dict[str, tuple[Family, Callable[[int], tuple[NDArray[np.object_], int]]]]] = {
    "minij": (FAMILIES["minij"], _minij_inverse),
    "tridiag": (FAMILIES["tridiag"], _tridiag_inverse),
    "fiedler": (FAMILIES["fiedler"], _fiedler_inverse),
    "triw": (FAMILIES["triw"], _triw_inverse),
    "pei-1": (lambda n: np.eye(n) + 1, lambda n: (_objects((n + 1) * np.eye(n) - 1), n + 1)),
    "jordbloc-1": (lambda n: np.eye(n) - np.eye(n, k=1), lambda n: (_objects(lower_ones(n).T), 1)),
}
