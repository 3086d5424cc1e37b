"""Which routine inverts which matrix: the one place where a faster one goes in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matinv.core import lapack
from matinv.core.closed_form import CLOSED_N, invert_closed
from matinv.core.job import Matrix

# Up to this order a call takes the whole stack through numpy, above it each matrix alone through
# LAPACK in place: there stacking gains nothing (50 us against 40 at n = 64).
SMALL_N: Final = 64


@dataclass(frozen=True, slots=True)
class StackKernel:
    """Inverts a stack.

    Parameters
    ----------
    routine : str
        Its name in certificates.
    invert : callable
        From a stack (k, n, n) of float64 or complex128, which it leaves alone, to the inverses and
        a bool for each slice that has none; those slices of the result may hold anything.
    """

    routine: str
    invert: Callable[[Matrix], tuple[Matrix, NDArray[np.bool_]]]


@dataclass(frozen=True, slots=True)
class InPlaceKernel:
    """Inverts one matrix in its own memory.

    Parameters
    ----------
    routine : str
        Its name in certificates.
    invert : callable
        From a C-contiguous matrix, which it overwrites, to 0, or another number where there is no
        inverse. A kernel for Hermitian matrices reads and writes the upper triangle only.
    """

    routine: str
    invert: Callable[[Matrix], int]


@dataclass(frozen=True, slots=True)
class Kernels:
    """One kernel for each kind of matrix; tests of the gates pass broken ones.

    ``plain`` computes an inverse once more, in another way, when the first one failed its check.
    """

    closed: StackKernel
    stacked: StackKernel
    stacked_hermitian: StackKernel
    general: InPlaceKernel
    hermitian: InPlaceKernel
    plain: StackKernel

    def for_stack(self, n: int) -> StackKernel:
        """Return the kernel for a stack of general matrices of order `n`."""
        return self.closed if n <= CLOSED_N else self.stacked


def solve_stacked(a: Matrix) -> tuple[Matrix, NDArray[np.bool_]]:
    """Invert a stack by ``numpy.linalg.inv``, which raises for all of it if one is singular.

    Then an exactly zero pivot is found by ``slogdet`` (the same factorisation at a quarter of the
    price) and the identity takes the place of those slices.
    """
    regular = np.ones(len(a), dtype=np.bool_)
    try:
        return np.linalg.inv(a), ~regular
    except np.linalg.LinAlgError:
        regular = np.linalg.slogdet(a)[0] != 0
    others = np.where(regular[:, None, None], a, np.eye(a.shape[-1], dtype=a.dtype))
    return np.linalg.inv(others), ~regular


def orthogonal_stacked(a: Matrix) -> tuple[Matrix, NDArray[np.bool_]]:
    """Invert a stack by QR: ``X = inv(R) @ Q^H``.

    Slower than LU, but another routine, and right where pivots grow as 2**n: on a relative of
    Wilkinson's matrix with kappa_1 = 67 and n = 60, ``numpy.linalg.inv`` is wrong by 38.
    """
    q, r = np.linalg.qr(a)
    x, broken = solve_stacked(r)
    return x @ q.conj().swapaxes(1, 2), broken


def cholesky_stacked(a: Matrix) -> tuple[Matrix, NDArray[np.bool_]]:
    """Invert a stack of Hermitian matrices by LAPACK's ``potrf`` and ``potri``, one by one."""
    x = np.array(a, order="C")
    broken = np.array([lapack.potrf_potri(matrix) != 0 for matrix in x], dtype=np.bool_)
    upper: Any = np.triu(x)
    return upper + np.triu(x, 1).conj().swapaxes(1, 2), broken


STANDARD: Final = Kernels(
    closed=StackKernel("closed-form", invert_closed),
    stacked=StackKernel("gesv", solve_stacked),
    stacked_hermitian=StackKernel("potrf+potri", cholesky_stacked),
    general=InPlaceKernel("getrf+getri", lapack.getrf_getri),
    hermitian=InPlaceKernel("potrf+potri", lapack.potrf_potri),
    plain=StackKernel("geqrf", orthogonal_stacked),
)
