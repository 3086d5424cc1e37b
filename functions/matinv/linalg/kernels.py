"""Which routine inverts which matrix: the one place where a faster one goes in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from matinv.linalg import gauss_jordan, lapack, scaling, self_test
from matinv.linalg.certificate import Side
from matinv.linalg.closed_form import CLOSED_N, invert_closed
from matinv.linalg.determinant import Determinants
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
        the determinants. Slices whose determinant is zero have no inverse, and may hold anything.
    side : Side
        On which side its residuals are small.
    limit : float
        From which residual on an inverse is not taken but computed by another kernel.
    method : str
        The method that it serves: ``general`` or ``spd``.
    """

    routine: str
    invert: Callable[[Matrix], tuple[Matrix, Determinants]]
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
        From a C-contiguous matrix, which it overwrites, to its determinant, which is zero where
        there is no inverse. A kernel for Hermitian matrices reads and inverts the upper triangle
        only; where there is no inverse, it leaves the lower one as it was.
    """

    routine: str
    invert: Callable[[Matrix], Determinants]


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


def lu_stacked(a: Matrix) -> tuple[Matrix, Determinants]:
    """Invert a stack by LAPACK's ``getrf`` and ``getri``, one by one.

    At n = 48 that takes 32 us, where ``numpy.linalg.inv`` needs 51 to solve against the identity.
    """
    x = np.array(a, order="C")
    pivots = np.empty(a.shape[:2], dtype=a.dtype)
    if np.count_nonzero(zeros := lapack.getrf_getri(x, pivots)):
        pivots[zeros != 0] = 0
    x += 0.0  # no inverse has an element -0.0
    return x, Determinants.of_pivots(pivots)


def orthogonal_stacked(a: Matrix) -> tuple[Matrix, Determinants]:
    """Invert a stack by QR: ``X = inv(R) @ Q^H``.

    Slower than LU, but another routine, and right where pivots grow as 2**n: on a relative of
    Wilkinson's matrix with kappa_1 = 67 and n = 60, ``numpy.linalg.inv`` is wrong by 38.
    """
    q, r = np.linalg.qr(a)
    x, determinants = lu_stacked(r)
    return x @ q.conj().swapaxes(1, 2), determinants.times(np.linalg.slogdet(q)[0], 0)


def cholesky_stacked(a: Matrix) -> tuple[Matrix, Determinants]:
    """Invert a stack of Hermitian matrices by LAPACK's ``potrf`` and ``potri``, one by one."""
    factor = scaling.evening_out(a)[:, None, None]
    x = np.ascontiguousarray(a * factor)
    pivots = np.empty(a.shape[:2], dtype=a.dtype)
    broken = lapack.potrf_potri(x, pivots) != 0
    upper: Any = np.triu(x)
    x = (upper + np.triu(x, 1).conj().swapaxes(1, 2)) * factor
    return x, of_cholesky(pivots, factor[:, 0, 0], broken)


def of_cholesky(pivots: Matrix, factor: Any, broken: Any) -> Determinants:
    """Return determinants given the diagonals of U, where ``factor A = U^H U``, 1 or 2."""
    pivots[broken] = 0
    found = Determinants.of_pivots(pivots).squared()
    return found.times(1, -pivots.shape[1] * (np.asarray(factor) == 2))


def _lu(a: Matrix) -> Determinants:
    pivots = np.empty((1, len(a)), dtype=a.dtype)
    if lapack.getrf_getri(a[None], pivots)[0]:
        pivots[:] = 0
    return Determinants.of_pivots(pivots)


def _gauss_jordan(a: Matrix) -> Determinants:
    pivots = np.empty(len(a), dtype=a.dtype)
    if gauss_jordan.invert_general(a, pivots_out=pivots):
        pivots[:] = 0
    return Determinants.of_pivots(pivots[None])


def _cholesky(a: Matrix) -> Determinants:
    factor = scaling.evening_out(a)
    pivots = np.empty((1, len(a)), dtype=a.dtype)
    if factor != 1:
        a *= factor
    broken = lapack.potrf_potri(a[None], pivots) != 0
    if factor != 1:
        a *= 1 / factor if broken[0] else factor  # the lower triangle is needed once more
    return of_cholesky(pivots, factor, broken)


def _sweep(a: Matrix) -> Determinants:
    factor, pivots = scaling.evening_out(a), np.empty((1, len(a)), dtype=a.dtype)
    broken = gauss_jordan.invert_hermitian(a, pivots_out=pivots[0]) != 0
    return of_cholesky(pivots, factor, np.array([broken]))


STANDARD: Final = Kernels(
    closed=StackKernel("closed-form", invert_closed),
    short=StackKernel("gauss-jordan+schulz", invert_short, limit=CONVERGED),
    stacked=StackKernel("getrf+getri", lu_stacked, Side.LEFT),
    stacked_hermitian=StackKernel("potrf+potri", cholesky_stacked, method="spd"),
    general=InPlaceKernel("getrf+getri", _lu),
    hermitian=InPlaceKernel("potrf+potri", _cholesky),
    blocked=InPlaceKernel("gauss-jordan", _gauss_jordan),
    blocked_hermitian=InPlaceKernel("sweep", _sweep),
    plain=StackKernel("geqrf", orthogonal_stacked),
)
