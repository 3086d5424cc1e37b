"""Which routine inverts which matrix: the one place where a faster one goes in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matinv.linalg import gauss_jordan, lapack, scaling, self_test
from matinv.linalg.certificate import Side
from matinv.linalg.closed_form import CLOSED_N, invert_closed
from matinv.linalg.gates import RESIDUAL_LIMIT
from matinv.linalg.schulz import CONVERGED, SHORT_N, invert_short
from matinv.linalg.types import Matrix

# Up to this order a call takes the whole stack and checks full residuals, above it each matrix
# alone, in its own memory: there stacking gains nothing.
SMALL_N: Final = 64

# Up to this order LAPACK's routines, above it the blocked ones. On a quiet machine LU takes 1.5 ms
# against 1.7 at n = 256 and 4.8 against 3.8 at 384; on one whose memory others used as well, both
# took the same time at 512. Measured by scripts/crossovers.
LAPACK_N: Final = 320

lapack.test_with(self_test.check_lapack)


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
    side : Side
        On which side its residuals are small.
    limit : float
        From which residual on an inverse is not taken but computed by another kernel.
    method : str
        What it does: ``general`` or ``spd``.
    """

    routine: str
    invert: Callable[[Matrix], tuple[Matrix, NDArray[np.bool_]]]
    side: Side = Side.RIGHT
    limit: float = RESIDUAL_LIMIT
    method: str = "general"


@dataclass(frozen=True, slots=True)
class InPlaceKernel:
    """Inverts one matrix in its own memory.

    Parameters
    ----------
    routine : str
        Its name in certificates.
    invert : callable
        From a C-contiguous matrix, which it overwrites, to 0, or another number where there is no
        inverse. A kernel for Hermitian matrices reads and inverts the upper triangle only; where
        there is no inverse, it leaves the lower one as it was.
    """

    routine: str
    invert: Callable[[Matrix], int]


@dataclass(frozen=True, slots=True)
class Kernels:
    """One kernel for each kind of matrix; tests of the gates pass broken ones.

    ``plain`` computes an inverse once more, in another way, when the first one failed its check.
    """

    closed: StackKernel
    short: StackKernel
    stacked: StackKernel
    stacked_hermitian: StackKernel
    general: InPlaceKernel
    hermitian: InPlaceKernel
    blocked: InPlaceKernel
    blocked_hermitian: InPlaceKernel
    plain: StackKernel

    def for_stack(self, n: int) -> Sequence[StackKernel]:
        """Return the kernels for a stack of general matrices of order `n`, the first to try first.

        Each takes over the matrices that the one before it left with a large residual.
        """
        if n <= CLOSED_N:
            return self.closed, self.plain
        if n <= SHORT_N:
            return self.short, self.stacked, self.plain
        return self.stacked, self.plain

    def for_general(self, n: int) -> InPlaceKernel:
        """Return the kernel for a matrix of order `n`."""
        return self.general if n <= LAPACK_N else self.blocked

    def for_hermitian(self, n: int) -> InPlaceKernel:
        """Return the kernel for a Hermitian matrix of order `n`."""
        return self.hermitian if n <= LAPACK_N else self.blocked_hermitian


def lu_stacked(a: Matrix) -> tuple[Matrix, NDArray[np.bool_]]:
    """Invert a stack by LAPACK's ``getrf`` and ``getri``, one by one.

    At n = 48 that takes 32 us, where ``numpy.linalg.inv`` needs 51 to solve against the identity.
    """
    x = np.array(a, order="C")
    broken = lapack.getrf_getri(x) != 0
    x += 0.0  # no inverse has an element -0.0
    return x, broken


def orthogonal_stacked(a: Matrix) -> tuple[Matrix, NDArray[np.bool_]]:
    """Invert a stack by QR: ``X = inv(R) @ Q^H``.

    Slower than LU, but another routine, and right where pivots grow as 2**n: on a relative of
    Wilkinson's matrix with kappa_1 = 67 and n = 60, ``numpy.linalg.inv`` is wrong by 38.
    """
    q, r = np.linalg.qr(a)
    x, broken = lu_stacked(r)
    return x @ q.conj().swapaxes(1, 2), broken


def cholesky_stacked(a: Matrix) -> tuple[Matrix, NDArray[np.bool_]]:
    """Invert a stack of Hermitian matrices by LAPACK's ``potrf`` and ``potri``, one by one."""
    factor = scaling.evening_out(a)[:, None, None]
    x = np.ascontiguousarray(a * factor)
    broken = lapack.potrf_potri(x) != 0
    upper: Any = np.triu(x)
    return (upper + np.triu(x, 1).conj().swapaxes(1, 2)) * factor, broken


def _lu(a: Matrix) -> int:
    return int(lapack.getrf_getri(a[None])[0])


def _cholesky(a: Matrix) -> int:
    factor = scaling.evening_out(a)
    if factor == 1:
        return int(lapack.potrf_potri(a[None])[0])
    a *= factor
    info = int(lapack.potrf_potri(a[None])[0])
    a *= factor if info == 0 else 1 / factor  # the lower triangle is needed once more
    return info


STANDARD: Final = Kernels(
    closed=StackKernel("closed-form", invert_closed),
    short=StackKernel("gauss-jordan+schulz", invert_short, limit=CONVERGED),
    stacked=StackKernel("getrf+getri", lu_stacked, Side.LEFT),
    stacked_hermitian=StackKernel("potrf+potri", cholesky_stacked, method="spd"),
    general=InPlaceKernel("getrf+getri", _lu),
    hermitian=InPlaceKernel("potrf+potri", _cholesky),
    blocked=InPlaceKernel("gauss-jordan", gauss_jordan.invert_general),
    blocked_hermitian=InPlaceKernel("sweep", gauss_jordan.invert_hermitian),
    plain=StackKernel("geqrf", orthogonal_stacked),
)
