"""What was measured of the slices of a stack, and the verdict of the gates on each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from matinv.core.certificate import Checked, Side
from matinv.core.errors import Code, MatinvError, Refused, Transient

# LAPACK's own threshold: its test programs call a routine broken above this ratio.
RESIDUAL_LIMIT: Final = 30.0

# A matrix with rcond_1 below 10 n eps may be singular as written: rounding its entries alone
# moves it by n eps.
SINGULAR_FACTOR: Final = 10.0


class Flaw(IntEnum):
    """Why a slice has no inverse."""

    NONE = 0
    NON_FINITE = 1
    NOT_HERMITIAN = 2
    NOT_POSITIVE = 3
    OVERFLOW = 4
    SINGULAR = 5
    RESIDUAL = 6
    ILL_CONDITIONED = 7


@dataclass(frozen=True, slots=True)
class How:
    """By which way an inverse was computed and checked, as its certificate says."""

    method: str
    routine: str
    side: Side
    checked: Checked


@dataclass(frozen=True, slots=True)
class Gates:
    """The limits for matrices of one order and precision.

    Parameters
    ----------
    n : int
        The order.
    dtype : dtype
        The input's; its precision sets the limits, whatever precision computes.
    """

    n: int
    dtype: DTypeLike

    @property
    def eps(self) -> float:
        """The spacing of numbers at 1; the unit roundoff u is half of it."""
        return float(np.finfo(self.dtype).eps)

    @property
    def rcond(self) -> float:
        """Below this reciprocal condition number a matrix is singular."""
        return SINGULAR_FACTOR * self.n * self.eps

    @property
    def ill_conditioned(self) -> float:
        """Below this reciprocal condition number half of the digits are gone."""
        return float(np.sqrt(self.eps))

    def digits(self, rcond: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the decimal digits of inverses that can be trusted."""
        with np.errstate(divide="ignore"):
            return np.maximum(0.0, np.log10(rcond / (self.eps / 2)))


@dataclass(frozen=True, slots=True)
class Findings:
    """One entry per slice; the solvers write them.

    Parameters
    ----------
    rcond : ndarray of float64
        1 / (norm(A, 1) * norm(X, 1)); 0 for an exactly zero pivot; NaN where it was not measured.
    residual : ndarray of float64
        LAPACK's scaled ratio.
    scaled : ndarray of bool
        Whether the slice was scaled by powers of two.
    flaw : ndarray of uint8
        A `Flaw`.
    how : ndarray of How
        The way of each slice.
    """

    rcond: NDArray[np.float64]
    residual: NDArray[np.float64]
    scaled: NDArray[np.bool_]
    flaw: NDArray[np.uint8]
    how: NDArray[np.object_]

    @classmethod
    def blank(cls, count: int, how: How) -> Findings:
        """Return findings of `count` slices of which nothing is known yet."""
        return cls(
            np.full(count, np.nan),
            np.full(count, np.nan),
            np.zeros(count, dtype=np.bool_),
            np.zeros(count, dtype=np.uint8),
            np.full(count, how, dtype=np.object_),
        )

    def part(self, index: slice) -> Findings:
        """Return a view of some slices: what is written there is written here."""
        return Findings(*(getattr(self, field.name)[index] for field in fields(self)))

    def mark(self, flaw: Flaw, where: ArrayLike) -> None:
        """Give `flaw` to the slices where `where`, unless they have one."""
        self.flaw[(self.flaw == Flaw.NONE) & np.asarray(where)] = flaw

    def judge(self, gates: Gates, *, refuse_ill_conditioned: bool) -> NDArray[np.bool_]:
        """Mark what the measurements refuse; return which slices are ill-conditioned."""
        ill = ~(self.rcond >= gates.ill_conditioned)
        self.mark(Flaw.RESIDUAL, ~(self.residual < RESIDUAL_LIMIT))
        self.mark(Flaw.ILL_CONDITIONED, ill & refuse_ill_conditioned)
        return np.asarray(ill & (self.flaw == Flaw.NONE))

    def failures(self, gates: Gates) -> Iterator[tuple[int, MatinvError]]:
        """Yield the index and the error of each slice that has a flaw."""
        for index in np.flatnonzero(self.flaw).tolist():
            yield index, self._error(index, gates)

    def _error(self, index: int, gates: Gates) -> MatinvError:
        flaw = Flaw(self.flaw[index])
        message, hint = _TEXTS[flaw]
        values: dict[str, Any] = {}
        if flaw is Flaw.SINGULAR:
            rcond = self.rcond[index]
            observed = "an exactly zero pivot" if rcond == 0 else f"rcond {rcond:.1e}"
            values = {"observed": observed, "limit": f"rcond >= {gates.rcond:.1e}"}
        elif flaw is Flaw.ILL_CONDITIONED:
            limit = f"rcond >= {gates.ill_conditioned:.1e}"
            values = {"observed": f"rcond {self.rcond[index]:.1e}", "limit": limit}
        elif flaw is Flaw.RESIDUAL:
            limit = f"residual < {RESIDUAL_LIMIT:g}"
            values = {"observed": f"residual {self.residual[index]:.1e}", "limit": limit}
        kind = Transient if flaw is Flaw.RESIDUAL else Refused
        return kind(_CODES[flaw], message, hint, **values)


_CODES: Final = {
    Flaw.NON_FINITE: Code.NON_FINITE,
    Flaw.NOT_HERMITIAN: Code.NOT_POSITIVE_DEFINITE,
    Flaw.NOT_POSITIVE: Code.NOT_POSITIVE_DEFINITE,
    Flaw.OVERFLOW: Code.OVERFLOW,
    Flaw.SINGULAR: Code.SINGULAR,
    Flaw.RESIDUAL: Code.RESIDUAL,
    Flaw.ILL_CONDITIONED: Code.ILL_CONDITIONED,
}

_TEXTS: Final = {
    Flaw.NON_FINITE: (
        "the matrix has elements that are NaN or infinite",
        "remove them",
    ),
    Flaw.NOT_HERMITIAN: (
        "the matrix is not symmetric (Hermitian), so it is not positive definite",
        'use "method": "auto", or make it symmetric: (A + A^H) / 2',
    ),
    Flaw.NOT_POSITIVE: (
        "the matrix is symmetric (Hermitian) but not positive definite",
        'use "method": "auto"',
    ),
    Flaw.OVERFLOW: (
        "the inverse has elements too large for the matrix's dtype",
        "scale the matrix up, or use float64",
    ),
    Flaw.SINGULAR: (
        "the matrix is singular, or cannot be told from a singular one in its precision",
        'use "method": "pinv" for the pseudo-inverse, or a wider dtype',
    ),
    Flaw.RESIDUAL: (
        "the computed inverse fails its check, twice: a hardware or BLAS fault",
        "nothing to do: the job is delivered again",
    ),
    Flaw.ILL_CONDITIONED: (
        "the matrix is ill-conditioned: more than half of the digits are lost",
        'use "on_ill_conditioned": "warn" to get the inverse all the same',
    ),
}
