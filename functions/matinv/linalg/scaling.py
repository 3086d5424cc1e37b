"""Scaling by powers of two, which is exact: as LAPACK's geequ and poequ, on exponents.

``B[i, j] = A[i, j] * 2**(rows[i] + cols[j])`` has the inverse Y, and then
``X[i, j] = Y[i, j] * 2**(cols[i] + rows[j])`` is the inverse of A. Both shifts are added up before
anything is moved, so nothing is lost on the way, however small or large the elements are.

All functions take one matrix (n, n) or a stack (k, n, n).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matinv.linalg.types import Matrix

Sizes = NDArray[Any]

Shifts = NDArray[np.int32]
"""Exponents of two, shape (n,) or (k, n)."""

# LAPACK's laqge: rows or columns whose sizes stay within a factor of ten are left alone.
WIDE: Final = 0.1

# Sizes outside of 2**-limit .. 2**limit are scaled whatever their ratios: products of three
# elements and their rounding errors (2**-106 of them) then stay in range. float64 reaches from
# 2**-1074 to 2**1024, float32 from 2**-149 to 2**128.
_SAFE_EXPONENT: Final = {"d": 256, "D": 256, "f": 32, "F": 32}

BLOCK_ELEMENTS: Final = 2**16  # of float64: 512 KiB, half of the second cache of a Graviton2 core

_SWEEPS: Final = 4  # of geometric scaling; more change little

_NOTHING: Final = -(2**20)  # stands for the exponent of zero; far below -1074


def uneven(rows: Sizes, cols: Sizes, dtype: np.dtype[Any]) -> NDArray[np.bool_]:
    """Whether matrices need scaling, given the sizes of their rows and columns.

    Parameters
    ----------
    rows, cols : ndarray, shape (n,) or (n, k)
        Sums of the sizes of elements.
    dtype : dtype
        Its range is at stake.

    Returns
    -------
    ndarray of bool, shape () or (k,)
        True also where sizes are NaN or infinite.
    """
    smallest, largest = np.minimum.reduce(cols, axis=0), np.maximum.reduce(cols, axis=0)
    even = _in_range(largest, dtype) & (smallest >= WIDE * largest) & _alike(rows)
    return np.asarray(~even)


def level(a: Matrix, dtype: np.dtype[Any]) -> tuple[Shifts, Shifts]:
    """Return shifts that bring whole matrices to [0.5, 1) whose size endangers products.

    Parameters
    ----------
    a : ndarray, shape (k, n, n)
        The stack.
    dtype : dtype
        Its range is at stake.
    """
    largest = magnitude(a).max(axis=(1, 2), keepdims=True)[:, 0]
    shifts = np.where(_in_range(largest, dtype) | (largest == 0), 0, -np.frexp(largest)[1])
    rows = np.broadcast_to(shifts, a.shape[:2])
    return rows, np.zeros_like(rows)


def _in_range(largest: Sizes, dtype: np.dtype[Any]) -> NDArray[np.bool_]:
    limit = 2.0 ** _SAFE_EXPONENT[dtype.char]
    return np.asarray((largest <= limit) & (largest >= 1 / limit))


def _alike(sizes: Sizes) -> NDArray[np.bool_]:
    return np.asarray(np.minimum.reduce(sizes, axis=0) >= WIDE * np.maximum.reduce(sizes, axis=0))


def equilibrate(a: Matrix) -> tuple[Shifts, Shifts]:
    """Return shifts of rows and columns that bring the largest of each to [0.5, 1).

    Rows (or columns) that do not differ widely keep their ratios: they are shifted together.
    """
    return equilibrate_by(
        lambda: tops(a), lambda rows: tops_below(a, rows), lambda top: sums(a, top)
    )


def equilibrate_by(
    row_tops: Callable[[], Shifts],
    col_tops: Callable[[Shifts], Shifts],
    sizes: Callable[[Shifts], tuple[Sizes, Sizes]],
) -> tuple[Shifts, Shifts]:
    """Return the shifts of `equilibrate` for matrices that lie anywhere.

    Parameters
    ----------
    row_tops, col_tops, sizes : callable
        Return what `tops`, `tops_below` and `sums` do.
    """
    exponents = row_tops()
    top = exponents.max(axis=-1, keepdims=True)
    row_sizes, col_sizes = sizes(top)
    rows = -_settle(exponents, top, ~_alike(row_sizes.T))
    exponents = col_tops(rows)
    top = exponents.max(axis=-1, keepdims=True)
    return rows, -_settle(exponents, top, ~_alike(col_sizes.T))


def tops(a: Matrix) -> Shifts:
    """Return the exponent of the largest element of each row."""
    return np.concatenate([element_exponents(b).max(axis=-1) for b in row_blocks(a)], axis=-1)


def tops_below(a: Matrix, rows: Shifts) -> Shifts:
    """Return the exponent of the largest element of each column, with rows shifted so far."""
    shifted = [
        (element_exponents(block) + row_shifts[..., None]).max(axis=-2)
        for block, row_shifts in zip(row_blocks(a), _like_blocks(a, rows), strict=True)
    ]
    return np.asarray(np.maximum.reduce(shifted))


def geometric(a: Matrix) -> tuple[Shifts, Shifts]:
    """Return shifts that bring the largest and smallest of each row and column around 1.

    A few sweeps of Fulkerson and Wolfe's scaling ("An algorithm for scaling matrices", SIAM Review
    4, 1962): it spreads the sizes of a sparse matrix less than its rows' largest elements do.

    Parameters
    ----------
    a : ndarray, shape (n, n)
        The matrix.
    """
    exponents = element_exponents(a)
    filled = exponents > _NOTHING // 2
    rows, cols = np.zeros(len(a), np.int32), np.zeros(len(a), np.int32)
    for _ in range(_SWEEPS):
        for axis in (1, 0):
            now = exponents + rows[:, None] + cols
            top = np.where(filled, now, _NOTHING).max(axis=axis)
            low = np.where(filled, now, -_NOTHING).min(axis=axis)
            middle = np.where(filled.any(axis=axis), (top + low) // 2, 0).astype(np.int32)
            np.subtract((cols, rows)[axis], middle, out=(cols, rows)[axis])
    top = np.where(filled, exponents + rows[:, None] + cols, _NOTHING).max(axis=0)
    cols -= np.where(filled.any(axis=0), top, 0).astype(np.int32)
    return rows, cols


def equilibrate_hermitian(diagonal: Sizes) -> tuple[Shifts, Shifts]:
    """Return equal shifts of rows and columns that bring a positive diagonal to [0.5, 4).

    One that does not differ widely keeps its ratios. Counted from the first element, the shifts of
    ``D A D`` are those of A less D's, and those of ``2**k A`` all move by the same number.
    """
    exponents = np.frexp(diagonal)[1]
    first = exponents[..., :1]
    wide = ~_alike(diagonal.T)[..., None]
    shifts: Shifts = -(np.where(wide, (exponents - first) // 2, 0) + first // 2)
    return shifts, shifts


def may_be_definite(a: Matrix) -> NDArray[np.bool_]:
    """Whether ``abs(a[i, j])**2 < a[i, i] * a[j, j]`` may hold everywhere, judged by exponents.

    It is necessary for a positive definite matrix. Scaled by its diagonal, one that breaks it could
    overflow.
    """
    own = np.frexp(np.diagonal(a, axis1=-2, axis2=-1).real)[1]
    return below_diagonal(a, own, own)


def below_diagonal(a: Matrix, rows: Shifts, cols: Shifts) -> NDArray[np.bool_]:
    """As `may_be_definite` of some rows and columns, given the exponents of their diagonal."""
    fits = np.ones(a.shape[:-2], dtype=np.bool_)
    for span in spans(a):
        # 2**(x - 1) <= |a_ij| of the larger part, and a_ii < 2**rows
        least = 2 * (element_exponents(a[..., span, :]) - 1)
        fits &= (least < rows[..., span, None] + cols[..., None, :]).all(axis=(-2, -1))
    return fits


def evening_out(a: Matrix) -> Sizes:
    """Return 1 or 2 for each definite matrix: what makes its first element 4**k times [1, 4).

    The root of 2 A has other bits than that of A, the root of 4 A has not. Factored after this, 2 A
    has the inverse of A, halved, bit for bit.
    """
    first = a[..., 0, 0].real
    return np.asarray(2 - np.frexp(first)[1] % 2, dtype=first.dtype)


def scale(a: Matrix, rows: Shifts, cols: Shifts) -> None:
    """Multiply ``a[i, j]`` by ``2**(rows[i] + cols[j])``, in place."""
    for block, row_shifts in zip(row_blocks(a), _like_blocks(a, rows), strict=True):
        shifts = row_shifts[..., :, None] + cols[..., None, :]
        np.ldexp(block.real, shifts, out=block.real)
        if np.iscomplexobj(a):
            np.ldexp(block.imag, shifts, out=block.imag)


def underflows(a: Matrix, rows: Shifts, cols: Shifts, dtype: np.dtype[Any]) -> NDArray[np.bool_]:
    """Whether elements that are not zero, scaled like `scale`, are no normal numbers of a dtype."""
    least = np.finfo(dtype).minexp + 1
    found = np.zeros(a.shape[:-2], dtype=np.bool_)
    for block, row_shifts in zip(row_blocks(a), _like_blocks(a, rows), strict=True):
        exponents = element_exponents(block)
        filled = exponents > _NOTHING // 2
        exponents += row_shifts[..., :, None] + cols[..., None, :]
        found |= (filled & (exponents < least)).any(axis=(-2, -1))
    return found


def row_blocks(a: Matrix) -> Iterator[Matrix]:
    """Yield `a` by rows: a stack whole, a large matrix in blocks that fit a core's cache."""
    for span in spans(a):
        yield a[..., span, :]


def _like_blocks(a: Matrix, of_rows: Shifts) -> Iterator[Shifts]:
    for span in spans(a):
        yield of_rows[..., span]


def spans(a: Matrix) -> Iterator[slice]:
    """Yield the rows of each of those blocks."""
    m, n = a.shape[-2:]
    step = m if a.ndim > 2 else max(1, BLOCK_ELEMENTS // n)
    for begin in range(0, m, step):
        yield slice(begin, begin + step)


def magnitude(a: Matrix) -> NDArray[np.floating[Any]]:
    """Return the size of each element's larger part."""
    return np.maximum(np.abs(a.real), np.abs(a.imag)) if a.dtype.kind == "c" else np.abs(a)


def element_exponents(a: Matrix) -> Shifts:
    """Return the exponents of the larger part of each element; that of zero is far below."""
    size = magnitude(a)
    found: Shifts = np.frexp(size)[1]
    found[size == 0] = _NOTHING
    return found


def sums(a: Matrix, top: Shifts) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the sums of rows and of columns once the largest element is in [0.5, 1)."""
    blocks = (np.ldexp(magnitude(block), -top[..., None]) for block in row_blocks(a))
    sums = [(block.sum(axis=-1), block.sum(axis=-2)) for block in blocks]
    rows, cols = zip(*sums, strict=True)
    return np.concatenate(rows, axis=-1), np.add.reduce(cols)


def _settle(exponents: Shifts, top: Shifts, wide: NDArray[np.bool_]) -> Shifts:
    """Give each row of a matrix its own exponent where they differ widely, else one for all."""
    own = wide[..., None] & (exponents > _NOTHING // 2)
    settled: Shifts = np.where(own, exponents, top)
    return np.where(settled > _NOTHING // 2, settled, 0)
