"""Named matrices of an order that ranks share: galleries, LAPACK's types, failures of pivoting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from matinv.linalg.inverse import SMALL_N
from matinv.linalg.types import Matrix, Method
from support.matrices import cases, gallery
from support.matrices.exact import Exact
from support.matrices.families import FAMILIES

DTYPES = ("float32", "float64", "complex64", "complex128")


@dataclass(frozen=True, slots=True)
class Named:
    """A matrix, and how it is to be inverted.

    Parameters
    ----------
    name : str
        Another one for each.
    make : callable
        Returns it.
    method : Method
        As it is asked for.
    invert : callable or None
        Returns its exact inverse, given the matrix, where that is known.
    """

    name: str
    make: Callable[[], Matrix]
    method: Method = Method.AUTO
    invert: Callable[[Matrix], Exact] | None = None


def named() -> Iterator[Named]:
    """Yield them all, by columns every second one."""
    for number, one in enumerate(_all()):
        order = "F" if number % 2 else "C"
        yield replace(one, make=partial(_ordered, one.make, order))


def _ordered(make: Callable[[], Matrix], order: Any) -> Matrix:
    return np.array(make(), order=order)


def _all() -> Iterator[Named]:
    for name, family in FAMILIES.items():
        yield Named(f"{name}-66", partial(family, SMALL_N + 2))
    for entry in gallery.entries():
        if f"-{SMALL_N + 1}-" in entry.name:
            yield Named(entry.name, entry.make, invert=entry.invert)
    for dtype in DTYPES:
        for kind, name in enumerate(cases.LAPACK_TYPES, 1):
            yield Named(f"{name}-{dtype}", partial(_lapack, kind, dtype))
        for name, make in _UNPIVOTED.items():
            yield Named(f"{name}-{dtype}", partial(_typed, make, dtype))
        for name, make in _DEFINITE.items():
            for method in (Method.AUTO, Method.GENERAL, Method.SPD):
                yield Named(f"{name}-{method}-{dtype}", partial(_typed, make, dtype), method)
    for case in cases.refused():
        yield Named(f"padded-{case.name}", partial(_padded, case.a))
    yield Named("not-symmetric-spd", partial(_typed, _gaussian, "float64"), Method.SPD)
    yield Named("indefinite-spd", partial(_typed, _saddle, "float64"), Method.SPD)
    yield Named("last-pivot-negative-spd", partial(_typed, _nearly_definite, "float64"), Method.SPD)


def _lapack(kind: int, dtype: str) -> Matrix:
    return cases.lapack_type(kind, SMALL_N + 6, dtype, np.random.default_rng([kind, 7])).a


def _typed(make: Callable[[np.random.Generator, bool], Matrix], dtype: str) -> Matrix:
    a = make(np.random.default_rng(5), dtype.startswith("c"))
    return (a if dtype.startswith("c") else a.real).astype(dtype)


def _padded(a: Matrix) -> Matrix:
    padded = np.eye(len(a) + SMALL_N)
    padded[: len(a), : len(a)] = a
    return padded


def _gaussian(rng: np.random.Generator, complex_: bool, n: int = 130) -> Matrix:
    return rng.standard_normal((n, n)) + 1j * complex_ * rng.standard_normal((n, n))


def _permutation(rng: np.random.Generator, complex_: bool) -> Matrix:
    one = np.eye(65)[rng.permutation(65)] * (1j if complex_ else 1)
    return np.block([[np.zeros((65, 65)), one], [np.eye(65), np.zeros((65, 65))]])


def _saddle(rng: np.random.Generator, complex_: bool) -> Matrix:
    b, h = _gaussian(rng, complex_, 65), _gaussian(rng, complex_, 65)
    return np.block([[np.zeros((65, 65)), b], [b.conj().T, h + h.conj().T]])


def _zero_block(rng: np.random.Generator, complex_: bool) -> Matrix:
    a = _gaussian(rng, complex_)
    a[:50, :50] = 0
    return a


def _gram(rng: np.random.Generator, complex_: bool) -> Matrix:
    a = _gaussian(rng, complex_)
    return a @ a.conj().T / 130 + np.eye(130)


def _scaled_gram(rng: np.random.Generator, complex_: bool) -> Matrix:
    d = 2.0 ** rng.integers(-20, 20, 130)
    return d[:, None] * _gram(rng, complex_) * d


def _nearly_definite(rng: np.random.Generator, complex_: bool) -> Matrix:
    a = _gram(rng, complex_)
    a[-1, -1] = 0.5
    return a


_UNPIVOTED = {"permutation": _permutation, "saddle": _saddle, "zero-block": _zero_block}
_DEFINITE = {"gram": _gram, "scaled-gram": _scaled_gram}
