"""Triangles of large Hermitian matrices: compare them and copy one into the other, by tiles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matinv.core.job import Matrix

# A tile and its transposed twin in float64 take 64 KiB: a core's first cache holds one of them.
_TILE: Final = 64


def is_hermitian(a: Matrix) -> bool:
    """Whether `a` equals its conjugate transpose, exactly; ends at the first tile that differs."""
    return all(np.array_equal(upper, lower.conj().T) for upper, lower in _tiles(a))


def positive_diagonal(a: Matrix) -> NDArray[Any] | None:
    """Return a copy of the diagonal if all of it is real and above zero."""
    diagonal = np.diagonal(a).copy()
    return diagonal if bool((diagonal.real > 0).all() and (diagonal.imag == 0).all()) else None


def complete(a: Matrix) -> None:
    """Make `a` Hermitian from its upper triangle."""
    for upper, lower in _tiles(a):
        if upper.base is lower.base and np.shares_memory(upper, lower):
            lower[...] = np.triu(upper) + np.triu(upper, 1).conj().T
        else:
            lower[...] = upper.conj().T


def restore(a: Matrix, diagonal: NDArray[Any]) -> None:
    """Make `a` Hermitian from its lower triangle and a saved diagonal."""
    for upper, lower in _tiles(a):
        if np.shares_memory(upper, lower):
            upper[...] = np.tril(lower) + np.tril(lower, -1).conj().T
        else:
            upper[...] = lower.conj().T
    np.fill_diagonal(a, diagonal)


def _tiles(a: Matrix) -> Iterator[tuple[Matrix, Matrix]]:
    """Yield each tile on or above the diagonal with its mirror image."""
    n = len(a)
    for i in range(0, n, _TILE):
        for j in range(i, n, _TILE):
            yield a[i : i + _TILE, j : j + _TILE], a[j : j + _TILE, i : i + _TILE]
