"""Whether a Hermitian matrix is positive definite, proven either way.

Cholesky in floating point breaks down, or does not, at matrices as far from the border as its own
rounding errors: within them neither proves anything. Moved by more than they can be, both do [1]_:
where ``A - c I`` has a Cholesky factor A is positive definite, and where ``A + c I`` has none A is
not (Higham [2]_, theorems 10.3 and 10.7). What lies between is decided by integers.

An inverse by Cholesky that shows its matrix regular needs no other proof. Let the factorisation of
A have the backward error D, ``A + D = U^H U``, and X that of its last product, ``X = T T^H + F``;
let ``E = X A - I`` have a norm below 1/2. If ``A w = -e w`` with e > 0 and ``norm(w) = 1``, then
``w^H X w = -(1 + w^H E w) / e < -1 / (2 e)``, so ``norm(F) > 1 / (2 e)``, while ``e <= norm(D)``.
But ``norm(D) <= (n + 1) u trace(A)`` and ``norm(F) <= (n + 1) u trace(X)``, whose product is far
below 1/2 wherever ``n u kappa`` is small enough to show that norm of E.

References
----------
.. [1] S. M. Rump, "Verification of positive definiteness", BIT Numer. Math. 46 (2006), 433-452.
.. [2] N. J. Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., SIAM 2002.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matinv.linalg import hermitian, lapack, scaling
from matinv.linalg.budget import Budget
from matinv.linalg.gates import Gates
from matinv.linalg.integers import FLINT, Integers
from matinv.linalg.types import Matrix

# Of the backward error of Cholesky, which (n + 1) u trace(A) bounds; complex products take three
# times as much, and the shifted diagonal is rounded.
_SAFETY: Final = 8.0

# Two factorisations of n**3 / 3 operations at 10 GFLOP/s.
_UNIT_S: Final = 1e-10


def prove(a: Matrix, budget: Budget, *, overwrite: bool = False) -> bool | None:
    """Return whether a matrix is positive definite; None if the budget ends before that is proven.

    Parameters
    ----------
    a : ndarray, shape (n, n)
        Hermitian and finite; float32, float64, complex64 or complex128.
    budget : Budget
        Bounds the time and the memory.
    overwrite : bool
        Whether to work in the memory of `a`, and restore it; its diagonal must lie in 0.1 .. 1 of
        its largest element, which is no danger to products, and its rows be contiguous.
    """
    n, own = len(a), np.diagonal(a).real
    if not ((own > 0).all() and scaling.may_be_definite(a)):
        return False
    if not budget.allows(_UNIT_S * n**3 * (4 if np.iscomplexobj(a) else 1)):
        return None
    work, shifts = a, scaling.equilibrate_hermitian(own)
    if not overwrite:
        wide = np.promote_types(a.dtype, np.float64)
        if not budget.allows(0, wide.itemsize * a.size):
            return None
        work = a.astype(wide, order="C")
        scaling.scale(work, *shifts)
    diagonal = np.diagonal(work).copy()
    moved_by = margin(work.dtype, diagonal.real)
    for sign in (-1, 1):
        np.fill_diagonal(work, diagonal + sign * moved_by)
        succeeds = lapack.potrf(work) == 0
        hermitian.restore(work, diagonal)
        if succeeds == (sign < 0):
            return succeeds
    with FLINT:
        return Integers(a, *shifts).definite(budget)


def margin(dtype: np.dtype[Any], diagonal: NDArray[Any]) -> float:
    """Return by how much Cholesky in a dtype may be off, given the diagonal."""
    n = len(diagonal)
    return float(_SAFETY * (n + 2) * Gates.of(n, dtype).roundoff * diagonal.sum())
