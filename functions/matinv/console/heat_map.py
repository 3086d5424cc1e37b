"""Heat: a matrix as a small picture, each cell the largest magnitude of a block of it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matinv.linalg.types import Matrix

CELLS: Final = 64  # along a side, at most


@dataclass(frozen=True, slots=True)
class Heat:
    """The picture.

    Parameters
    ----------
    n : int
        Order of the matrix.
    slices : int
        How many the stack has; 1 for a matrix.
    logs : list of list of (float or None)
        Row by row, log10 of the largest magnitude in each block; None for zeros alone, or for what
        is no number (a slice without an inverse).
    """

    n: int
    slices: int
    logs: list[list[float | None]]


def heat_of(matrix: Matrix, slice_: int) -> Heat:
    """Return the picture of a matrix (n, n), or of one slice of a stack (k, n, n).

    Examples
    --------
    >>> heat_of(np.array([[100.0, 0.0], [0.0, 1e-3]]), 0).logs
    [[2.0, None], [None, -3.0]]
    """
    stack = matrix.reshape(-1, *matrix.shape[-2:])
    chosen = stack[slice_]
    # The largest magnitudes of the blocks, a band of rows at a time.
    edges = np.linspace(0, len(chosen), min(len(chosen), CELLS) + 1).astype(int)
    bands: list[NDArray[Any]] = []
    for begin, end in pairwise(edges):
        columns = np.abs(chosen[begin:end]).max(axis=0)
        bands.append(np.maximum.reduceat(columns, edges[:-1]))
    with np.errstate(divide="ignore"):
        logs = np.log10(np.asarray(bands, np.float64))
    cells = [[round(x, 2) if np.isfinite(x) else None for x in row] for row in logs.tolist()]
    return Heat(stack.shape[-1], len(stack), cells)
