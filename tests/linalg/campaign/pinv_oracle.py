"""What is true of a pseudo-inverse: of the nearest matrix of rank r, by subspace iteration.

With V a basis of the r leading right singular vectors, the nearest matrix of rank r is
``A P = (A V)(V^+)``, and its pseudo-inverse ``V ((A V)* (A V))^-1 (A V)*`` for any basis V.
V comes from numpy, and is made right by ``V <- A* A V`` in several hundred bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import flint
import numpy as np
from numpy.typing import NDArray

from linalg.campaign.oracle import lifted, parts
from linalg.campaign.scaledfloats import norm_1

Array = NDArray[Any]
BITS: Final = 1024
MOST_STEPS: Final = 120


def adjoint(m: Any) -> Any:
    """Return the conjugate transpose."""
    return m.conjugate().transpose() if isinstance(m, flint.acb_mat) else m.transpose()


def size(m: Any) -> float:
    """Return the 1-norm of the midpoints, which float64 must have room for."""
    real, imag = parts(m)
    top = max(real.top(), imag.top())
    return float(np.ldexp(norm_1((real, imag), top), max(top, -1070))) if top > -1000000 else 0.0


def middle(m: Any) -> Any:
    """Return the matrix without its radii."""
    return m.mid()


@dataclass(frozen=True)
class PinvTruth:
    """A matrix and a rank.

    Parameters
    ----------
    a : ndarray, shape (n, n)
        Elements within 2^+-100 or so of each other.
    r : int
        Of the nearest matrix that is to be inverted, at least 1.
    """

    a: Array
    r: int

    @cached_property
    def _top(self) -> int:
        """Return the exponent of two that brings the largest element below 1."""
        return int(np.frexp(max(np.abs(self.a.real).max(), np.abs(self.a.imag).max()))[1])

    @cached_property
    def _scaled(self) -> Any:
        return lifted(self.a, -self._top)

    @cached_property
    def _basis(self) -> Any | None:
        """Return V, or None where there is no gap to find it by."""
        a = self._scaled
        real, imag = (part.floats(0) for part in parts(a))
        start = np.linalg.svd(real + 1j * imag if self.a.dtype.kind == "c" else real)[2]
        v0 = lifted(start[: self.r].conj().T)
        v, w = v0, adjoint(v0)
        if self.r == len(self.a):
            return v
        for _ in range(MOST_STEPS):
            grown = middle(adjoint(a) * middle(a * v))
            try:
                grown = middle(grown * (w * grown).inv())
            except ZeroDivisionError:
                return None
            off = size(grown - v) / size(v)
            v = grown
            if off < 1e-60:
                return v
        return None

    @cached_property
    def pinv(self) -> Any | None:
        """Return the pseudo-inverse as a matrix of balls, or None where it is not determined."""
        with flint.ctx.workprec(BITS):
            v = self._basis
            if v is None:
                return None
            b = middle(self._scaled * v)
            try:
                return middle(v * middle((adjoint(b) * b).inv() * adjoint(b)))
            except ZeroDivisionError:
                return None

    def error(self, x: Array) -> float | None:
        """Return ``norm(X - pinv, 1) / norm(pinv, 1)``, or None where it is not determined."""
        if self.pinv is None:
            return None
        with flint.ctx.workprec(BITS):
            return size(lifted(x, self._top) - self.pinv) / size(self.pinv)

    def penrose(self, x: Array) -> tuple[float, float, float, float] | None:
        """Return the four residuals against the nearest matrix of rank r, each scale-free.

        ``A X A - A`` over ``|A|^2 |X|``, ``X A X - X`` over ``|X|^2 |A|``, and how far ``A X`` and
        ``X A`` are from Hermitian over ``|A| |X|``, in the 1-norm.
        """
        with flint.ctx.workprec(BITS):
            v = self._basis
            if v is None:
                return None
            projector = middle(v * middle((adjoint(v) * v).inv() * adjoint(v)))
            a, b = middle(self._scaled * projector), lifted(x, self._top)
            na, nb = size(a), size(b)
            ab, ba = middle(a * b), middle(b * a)
            if nb == 0:
                return (np.inf,) * 4
            return (
                size(ab * a - a) / na / na / nb,
                size(ba * b - b) / nb / nb / na,
                size(adjoint(ab) - ab) / na / nb,
                size(adjoint(ba) - ba) / na / nb,
            )


def rational_pinv(a: Array) -> list[list[flint.fmpq]]:
    """Return the exact pseudo-inverse of a real matrix, from a full-rank factorisation."""
    rows, cols = a.shape
    q = [flint.fmpq(*float(x).as_integer_ratio()) for x in a.flat]
    whole = flint.fmpq_mat(rows, cols, q)
    reduced, r = whole.rref()
    pivots = [next(j for j in range(cols) if reduced[i, j] != 0) for i in range(r)]
    c = flint.fmpq_mat(rows, r, [whole[i, j] for i in range(rows) for j in pivots])
    f = flint.fmpq_mat(r, cols, [reduced[i, j] for i in range(r) for j in range(cols)])
    ct, ft = c.transpose(), f.transpose()
    return (ft * (f * ft).inv() * (ct * c).inv() * ct).tolist()
