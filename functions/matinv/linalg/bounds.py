"""How far a computed inverse may be from the true one, in the scale of the matrix that was given.

Let ``B = D_r A D_c`` be the scaled matrix, D_r and D_c powers of two, and Y its computed inverse;
``X = D_c Y D_r`` is published. With the left residual ``E = Y B - I`` and ``norm(E) < 1``

    ``Y - B^-1 = E B^-1 = E (I + E)^-1 Y``,    so    ``|Y - B^-1| <= (M + M**2 + ...) |Y|``

for every ``M >= |E|``, element by element; likewise ``|Y| (M + M**2 + ...)`` with the right
residual ``B Y - I``. Multiplied by D_c from the left and D_r from the right that bounds
``|X - A^-1|``, and so its 1-norm, without a word about the scaled problem's own norms, which do not
carry over: an element that is tiny in Y may be the largest of X (Higham [1]_, 7.2, 7.3 and 14.1).
That ``norm(E) < 1`` proves Y and B regular; the gate asks for half of it (Rump [2]_, section 10).

E is not known but measured, with rounding errors of its own, at most ``(n + 2) u (|Y| |B| + I)``
element by element (Higham [1]_, 3.5) and about ``u (|Y| |B| + I)`` in practice: there they add up
like a random walk, and E as measured contains them already. So M is ``|E| + u (|Y| |B| + I)`` for
digits, with n/2 on the diagonal for sums of many equal terms, whose roundings all have one sign,
while the proof of regularity takes the factor n + 2. No product of matrices is needed: one
row vector goes through them from the left. Its elements, as those of D_r and D_c, may be apart by
more than any float holds, so each carries an exponent of its own. Two powers of M are taken as they
are, and the rest by norms.

A matrix that was not scaled needs none of it: ``X - A^-1 = E A^-1 = A^-1 F``, so the 1-norm of
either residual bounds the relative error.

References
----------
.. [1] N. J. Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., SIAM 2002.
.. [2] S. M. Rump, "Verification methods: Rigorous results using floating-point arithmetic", Acta
   Numerica 19 (2010), 287-449.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matinv.linalg import scaling
from matinv.linalg.certificate import Side
from matinv.linalg.types import Matrix

Vector = NDArray[np.float64]

# The roundoff of the arithmetic in which residuals are measured, whatever the input's precision.
UNIT: Final = 2.0**-53

REGULAR: Final = 0.5  # a residual with a smaller norm proves that the matrix is regular

_NOTHING: Final = -(2**24)  # the exponent of zero; shifts add up to a few thousand
_FAR: Final = 2**14  # shifts beyond it change nothing any more: floats reach from -1074 to 1024


@dataclass(frozen=True, slots=True)
class Row:
    """Row vectors ``value * 2**exponent`` that are not negative, shape (n,) or (k, n)."""

    value: Vector
    exponent: NDArray[np.int32]

    @classmethod
    def of(cls, value: Vector, exponent: Any = 0) -> Row:
        """Return a row whose values lie in [0.5, 1) or are 0."""
        fraction, own = np.frexp(value)
        return cls(fraction, np.where(fraction == 0, _NOTHING, own + exponent).astype(np.int32))

    def __add__(self, other: Row) -> Row:
        top = np.maximum(self.exponent, other.exponent)
        return Row.of(self.below(top) + other.below(top), top)

    def below(self, top: Any) -> Vector:
        """Return the values that the elements have with exponents `top`, none below its own."""
        return np.asarray(np.ldexp(self.value, np.maximum(self.exponent - top, -_FAR)))

    def __mul__(self, factor: Any) -> Row:
        return Row.of(self.value * factor, self.exponent)

    def shifted(self, shifts: scaling.Shifts) -> Row:
        """Return each element times a power of two."""
        return Row(self.value, np.where(self.value == 0, _NOTHING, self.exponent + shifts))

    def through(self, a: Matrix) -> Row:
        """Return the product with the sizes of the elements of `a`, shape (m, n) or (k, n, n)."""
        stacked = np.broadcast_shapes(self.exponent.shape[:-1], a.shape[:-2])
        top = np.full((*stacked, a.shape[-1]), _NOTHING, np.int32)
        for span in scaling.spans(a):
            exponents = np.where(
                a[..., span, :] == 0, _NOTHING, scaling.element_exponents(a[..., span, :])
            )
            exponents += self.exponent[..., span, None]
            np.maximum(top, exponents.max(axis=-2), out=top)
        top[top < _NOTHING // 2] = 0
        total = np.zeros(top.shape)
        for span in scaling.spans(a):
            shifts = self.exponent[..., span, None] - top[..., None, :]
            sizes = np.ldexp(np.abs(a[..., span, :]), np.clip(shifts, -_FAR, _FAR))
            total += (self.value[..., None, span] @ sizes)[..., 0, :]
        return Row.of(total, top)

    def log2_sum(self) -> Any:
        """Return the logarithm of the sum of the elements."""
        top = self.exponent.max(axis=-1, keepdims=True)
        total = np.ldexp(self.value, np.maximum(self.exponent - top, -_FAR)).sum(axis=-1)
        return np.log2(total) + top[..., 0]

    def log2_max(self) -> Any:
        """Return the logarithm of the largest element; NaN if there is one."""
        return (np.log2(self.value) + self.exponent).max(axis=-1)


@dataclass(frozen=True, slots=True)
class PlainRow:
    """As `Row`, where no float is left: five times as fast."""

    value: Vector

    def __add__(self, other: PlainRow) -> PlainRow:
        return PlainRow(self.value + other.value)

    def __mul__(self, factor: Any) -> PlainRow:
        return PlainRow(self.value * factor)

    def shifted(self, shifts: scaling.Shifts) -> PlainRow:
        """Return each element times a power of two."""
        return PlainRow(np.ldexp(self.value, shifts))

    def through(self, a: Matrix) -> PlainRow:
        """Return the product with the sizes of the elements of `a`, shape (k, n, n)."""
        return PlainRow((self.value[..., None, :] @ np.abs(a))[..., 0, :])

    def log2_sum(self) -> Any:
        """Return the logarithm of the sum of the elements."""
        return np.log2(self.value.sum(axis=-1))

    def log2_max(self) -> Any:
        """Return the logarithm of the largest element; NaN if there is one."""
        return np.log2(self.value.max(axis=-1))


# Shifts so small that no product of weights and elements of scaled matrices leaves float64.
NEAR: Final = 128


@dataclass(frozen=True, slots=True)
class Scaled:
    """A scaled pair and its measurements: one matrix (n, n) or a stack (k, n, n).

    Parameters
    ----------
    b, y, error : ndarray of float64 or complex128
        The scaled matrix, its computed inverse, and ``Y B - I`` or ``B Y - I``.
    rows, cols : ndarray of int32, shape (n,) or (k, n)
        The exponents of D_r and D_c.
    side : Side
        LEFT or RIGHT.
    unit : float
        Of the rounding errors in `error`, beside ``|Y| |B|``.
    """

    b: Matrix
    y: Matrix
    error: Matrix
    rows: scaling.Shifts
    cols: scaling.Shifts
    side: Side
    unit: float = UNIT

    def relative(self) -> Vector:
        """Return a bound on ``norm(X - A^-1, 1) / norm(A^-1, 1)``, infinite where there is none."""
        sums = np.abs(self.error).sum(axis=-1 if self.side is Side.LEFT else -2).max(axis=-1)
        small = sums + 2 * self.unit * _largest(self.y, self.side) * _largest(self.b, self.side)
        rest = small**2 / (1 - small)
        weights: Any = self._weights()
        if self.side is Side.LEFT:
            first = self._through_error(weights)
            terms = (first + self._through_error(first)).through(self.y)
            largest = np.abs(self.y).max(axis=-2)
            total = first.log2_sum()
            left_over = self._row(largest).shifted(_whole(total)) * _fraction(total)
        else:
            before = weights.through(self.y)
            first = self._through_error(before)
            terms = first + self._through_error(first)
            ones = self._row(np.ones(self.rows.shape))
            largest = before.log2_max()
            left_over = self._through_error(ones).shifted(_whole(largest)) * _fraction(largest)
        terms += left_over * rest[..., None]
        distance = terms.shifted(self.rows).log2_max() - self.log2_norm()
        return _relative(np.where(small < REGULAR, np.exp2(np.minimum(distance, 0)), np.inf))

    def log2_norm(self) -> Vector:
        """Return the logarithm of the 1-norm of ``D_c Y D_r``."""
        weights: Any = self._weights()
        return np.asarray(weights.through(self.y).shifted(self.rows).log2_max())

    def changed(self, back: Matrix) -> Vector:
        """Return how much the last rounding has changed, relative to the norm in the given scale.

        Parameters
        ----------
        back : ndarray
            The published inverse, scaled like Y.
        """
        weights: Any = self._weights()
        lost = weights.through(back - self.y).shifted(self.rows).log2_max()
        return np.asarray(np.exp2(np.minimum(lost - self.log2_norm(), 0)))

    def _row(self, value: Vector) -> Any:
        near = max(np.abs(self.rows).max(), np.abs(self.cols).max()) < NEAR
        return PlainRow(value) if near and self.y.ndim > 2 else Row.of(value)

    def _weights(self) -> Any:
        return self._row(np.ones(self.rows.shape)).shifted(self.cols)

    def _through_error(self, row: Any) -> Any:
        """Return ``row (|E| + u (|Y| |B| + n/2 I))``, or ``|B| |Y|`` for the right residual."""
        first, second = (self.y, self.b) if self.side is Side.LEFT else (self.b, self.y)
        return (
            row.through(self.error)
            + (row.through(first).through(second) + row * (len(self.y[0]) / 2)) * self.unit
        )


def _relative(bound: Vector) -> Vector:
    """Return a bound over norm(A^-1), given one over norm(X)."""
    return np.where(bound < REGULAR, bound / (1 - bound), np.inf)


def _largest(a: Matrix, side: Side) -> Vector:
    """Return the norm that goes with a side: the largest sum of a row, or of a column."""
    return np.asarray(np.abs(a).sum(axis=-1 if side is Side.LEFT else -2).max(axis=-1))


def _whole(logarithm: Vector) -> NDArray[np.int32]:
    finite = np.nan_to_num(logarithm, nan=0, posinf=0, neginf=0)
    return np.floor(np.clip(finite, -_FAR, _FAR)).astype(np.int32)[..., None]


def _fraction(logarithm: Vector) -> Vector:
    return np.exp2(logarithm - _whole(logarithm)[..., 0])[..., None]
