"""Measurements of the slices of a stack, and the verdict of the gates on each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matinv.errors import Code, MatinvError, Refused, Transient
from matinv.linalg.certificate import Checked, Side
from matinv.linalg.determinant import Determinants

Vector = NDArray[np.float64]
"""One number per slice, shape (k,)."""

# LAPACK's own threshold: its test programs call a routine broken above this ratio.
RESIDUAL_LIMIT: Final = 30.0

# Below one digit nothing is published.
INACCURATE: Final = 0.1

# A bound may be so many times sqrt(n) kappa u before another way is tried: random matrices stay
# below 3, and the full residual of a right inverse grows like sqrt(n).
_SLACK: Final = 10.0

# Up to this order ball arithmetic takes less than a second.
_BALLS_N: Final = 256

# A matrix with rcond_1 below 10 n eps may be singular as written: rounding its entries alone
# moves it by n eps. Only where nothing can be proven it is called so.
_SINGULAR_FACTOR: Final = 10.0


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
    PERHAPS_SINGULAR = 8
    INACCURATE = 9
    OVERWRITTEN = 10
    UNPROVEN = 11
    PERHAPS_NOT_POSITIVE = 12


@dataclass(frozen=True, slots=True)
class How:
    """By which way an inverse was computed and checked, as its certificate says."""

    method: str
    routine: str
    side: Side
    checked: Checked


@dataclass(frozen=True, slots=True)
class Gates:
    """The limits for matrices of one order and precision: the input's, whatever computes.

    Parameters
    ----------
    dtype : dtype
        The input's.
    roundoff : float
        Its unit roundoff u.
    singular : float
        Below this reciprocal condition number a matrix cannot be distinguished from a singular one.
    ill_conditioned : float
        Below this one half of the digits are gone.
    residual_unit : float
        ``n * u``: the residual's unit beside the norms.
    slack : float
        A bound above ``slack / rcond`` has lost digits that the condition number promised.
    coarse : float
        Above this bound other ways are tried: three quarters of the digits are unknown, at orders
        where ball arithmetic can have them all.
    """

    dtype: np.dtype[Any]
    roundoff: float
    singular: float
    ill_conditioned: float
    residual_unit: float
    slack: float
    coarse: float

    @classmethod
    @lru_cache(maxsize=64)
    def of(cls, n: int, dtype: np.dtype[Any]) -> Gates:
        """Return the limits for order `n`."""
        eps = float(np.finfo(dtype).eps)
        return cls(
            dtype,
            eps / 2,
            _SINGULAR_FACTOR * n * eps,
            eps**0.5,
            n * eps / 2,
            _SLACK * n**0.5 * eps / 2,
            (eps / 2) ** 0.25 if n <= _BALLS_N else INACCURATE,
        )

    def ratio(self, error: Vector | np.float64, product: Vector | np.float64) -> Vector:
        """Return LAPACK's ratio of residuals, given their norms and ``norm(A) * norm(X)``.

        Infinite where that product is: an inverse that large is a wrong one, not that of a matrix
        which is almost singular.
        """
        return np.where(product < np.inf, error / (product * self.residual_unit), np.inf)

    def digits(self, bound: Vector) -> Vector:
        """Return the decimal digits of inverses that a bound on their error leaves."""
        return 0.0 - np.log10(np.maximum(np.fmin(bound, 1.0), self.roundoff))


@dataclass(frozen=True, slots=True)
class Measurements:
    """One entry per slice; the solvers write them.

    Parameters
    ----------
    rcond : ndarray of float64
        1 / (norm(A, 1) * norm(X, 1)); 0 for an exactly zero pivot; NaN where it was not measured.
    residual : ndarray of float64
        LAPACK's scaled ratio.
    bound : ndarray of float64
        On the relative error of the published inverse, as in `matinv.linalg.bounds`.
    regular : ndarray of bool
        Whether the matrix is proven to have an inverse.
    rank : ndarray of int32
        The exact rank of a matrix that has no inverse, or that of a pseudo-inverse; -1 where it is
        unknown.
    gap : ndarray of float64
        Of pseudo-inverses, the last singular value that counts over the first that does not.
    scaled : ndarray of bool
        Whether the slice was scaled by powers of two.
    underflow : ndarray of bool
        Whether elements of the inverse are below the smallest normal number of the dtype.
    determinants : Determinants
        Of the matrices that were given, unknown of pseudo-inverses.
    flaw : ndarray of uint8
        A `Flaw`.
    how : ndarray of How
        The way of each slice.
    """

    rcond: Vector
    residual: Vector
    bound: Vector
    regular: NDArray[np.bool_]
    rank: NDArray[np.int32]
    gap: Vector
    scaled: NDArray[np.bool_]
    underflow: NDArray[np.bool_]
    determinants: Determinants
    flaw: NDArray[np.uint8]
    how: NDArray[np.object_]

    @classmethod
    def blank(cls, count: int, how: How, dtype: np.dtype[Any]) -> Measurements:
        """Return findings of `count` slices of which nothing is known yet."""
        unknown = np.empty((4, count))
        unknown.fill(np.nan)
        rcond, residual, bound, gap = unknown
        regular, scaled, underflow = np.zeros((3, count), dtype=np.bool_)
        rank, ways = np.empty(count, dtype=np.int32), np.empty(count, dtype=np.object_)
        rank.fill(-1)
        ways.fill(how)
        return cls(
            rcond,
            residual,
            bound,
            regular,
            rank,
            gap,
            scaled,
            underflow,
            Determinants.blank(count, dtype),
            np.zeros(count, dtype=np.uint8),
            ways,
        )

    def part(self, index: slice) -> Measurements:
        """Return a view of some slices: what is written there is written here."""
        return Measurements(
            self.rcond[index],
            self.residual[index],
            self.bound[index],
            self.regular[index],
            self.rank[index],
            self.gap[index],
            self.scaled[index],
            self.underflow[index],
            self.determinants[index],
            self.flaw[index],
            self.how[index],
        )

    def replace(self, where: NDArray[Any], found: Measurements) -> None:
        """Write the findings of some slices at an index."""
        for field in fields(self):
            getattr(self, field.name)[where] = getattr(found, field.name)

    def mark(self, flaw: Flaw, where: ArrayLike) -> None:
        """Give `flaw` to the slices where `where`, unless they have one."""
        self.flaw[self.having(Flaw.NONE) & np.asarray(where)] = int(flaw)

    def having(self, flaw: Flaw) -> NDArray[np.bool_]:
        """Return which slices have a flaw; it takes numpy 10 us to compare with an enumeration."""
        return np.asarray(self.flaw == int(flaw))

    def demand_definite(self, proven: bool | None) -> bool:  # noqa: FBT001 - a verdict
        """Refuse slices unless they are proven positive definite; None is no proof either way."""
        if not proven:
            flaw = Flaw.PERHAPS_NOT_POSITIVE if proven is None else Flaw.NOT_POSITIVE
            self.mark(flaw, where=True)
        return bool(proven)

    def fine(self, gates: Gates) -> NDArray[np.bool_]:
        """Return which slices need no other way: regular, with the digits that kappa promises.

        A scaled problem that is ill-conditioned may be a better one in another scale.
        """
        fine = self.regular & (self.bound < gates.coarse) & (self.bound * self.rcond <= gates.slack)
        if np.count_nonzero(self.scaled):
            fine &= ~self.scaled | (self.rcond >= gates.ill_conditioned)
        return np.asarray(fine)

    def judge(
        self, gates: Gates, *, refuse_ill_conditioned: bool, refuse_inaccurate: bool
    ) -> NDArray[np.bool_]:
        """Mark slices that the measurements refuse; return which slices are ill-conditioned."""
        wrong = ~(self.residual < RESIDUAL_LIMIT)
        if np.count_nonzero(wrong):
            self.mark(Flaw.RESIDUAL, wrong)
        untold = ~(self.regular & (self.bound < INACCURATE))
        if refuse_inaccurate and np.count_nonzero(untold):
            self.mark(Flaw.PERHAPS_SINGULAR, untold & ~(self.rcond >= gates.singular))
            self.mark(Flaw.INACCURATE, untold)
        ill = np.asarray(~(self.rcond >= gates.ill_conditioned))
        if refuse_ill_conditioned:
            self.mark(Flaw.ILL_CONDITIONED, ill)
        return ill & self.having(Flaw.NONE) if np.count_nonzero(ill) else ill


@dataclass(frozen=True, slots=True, eq=False)
class Failures(Mapping[int, MatinvError]):
    """The errors of the slices that have a flaw, by index, in order.

    Each error is made when it is asked for: a stack may hold millions of singular slices.

    Parameters
    ----------
    findings : Measurements
        Of the stack.
    gates : Gates
        The gates that refused them.
    """

    findings: Measurements
    gates: Gates

    def part(self, index: slice) -> Failures:
        """Return the failures of some slices, counted from the first of these."""
        return Failures(self.findings.part(index), self.gates)

    def indices(self) -> NDArray[np.intp]:
        """Return the indices of the slices that failed."""
        return np.flatnonzero(self.findings.flaw)

    def __len__(self) -> int:
        return int(np.count_nonzero(self.findings.flaw))

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices().tolist())

    def __contains__(self, index: object) -> bool:
        flaws = self.findings.flaw
        return isinstance(index, int) and 0 <= index < len(flaws) and flaws[index] != Flaw.NONE

    def __getitem__(self, index: int) -> MatinvError:
        if index not in self:
            raise KeyError(index)
        flaw = Flaw(self.findings.flaw[index])
        found = self.findings
        rcond, residual, rank = found.rcond[index], found.residual[index], found.rank[index]
        observed = limit = None
        if flaw is Flaw.SINGULAR:
            observed, limit = (
                f"rank {rank}" if rank >= 0 else "a row or a column of zeros",
                "full rank",
            )
        elif flaw in {Flaw.PERHAPS_SINGULAR, Flaw.ILL_CONDITIONED}:
            singular = flaw is Flaw.PERHAPS_SINGULAR
            least = self.gates.singular if singular else self.gates.ill_conditioned
            observed, limit = f"rcond {np.nan_to_num(rcond):.1e}", f"rcond >= {least:.1e}"
        elif flaw in {Flaw.RESIDUAL, Flaw.OVERWRITTEN}:
            observed, limit = f"residual {residual:.1e}", f"residual < {RESIDUAL_LIMIT:g}"
        elif flaw is Flaw.INACCURATE:
            digits = self.gates.digits(found.bound[index])
            observed, limit = f"{digits:.1f} digits", "1 digit"
        kind = Transient if flaw in {Flaw.RESIDUAL, Flaw.OVERWRITTEN} else Refused
        message, hint = _TEXTS[flaw]
        if flaw in {Flaw.PERHAPS_SINGULAR, Flaw.INACCURATE} and self.gates.dtype.char in "fF":
            hint = _WIDER
        return kind(_CODES[flaw], message, hint, observed=observed, limit=limit)


_CODES: Final = {
    Flaw.NON_FINITE: Code.NON_FINITE,
    Flaw.NOT_HERMITIAN: Code.NOT_POSITIVE_DEFINITE,
    Flaw.NOT_POSITIVE: Code.NOT_POSITIVE_DEFINITE,
    Flaw.OVERFLOW: Code.OVERFLOW,
    Flaw.SINGULAR: Code.SINGULAR,
    Flaw.RESIDUAL: Code.RESIDUAL,
    Flaw.ILL_CONDITIONED: Code.ILL_CONDITIONED,
    Flaw.PERHAPS_SINGULAR: Code.SINGULAR,
    Flaw.INACCURATE: Code.INACCURATE,
    Flaw.OVERWRITTEN: Code.RESIDUAL,
    Flaw.UNPROVEN: Code.INACCURATE,
    Flaw.PERHAPS_NOT_POSITIVE: Code.NOT_POSITIVE_DEFINITE,
}

_WIDER: Final = 'use "method": "pinv" for the pseudo-inverse, a wider dtype, or the large lane'

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
        "the matrix is symmetric (Hermitian) but not positive definite: proven",
        'use "method": "auto"',
    ),
    Flaw.PERHAPS_NOT_POSITIVE: (
        "the matrix cannot be distinguished from one that is not positive definite"
        " in this worker's time and memory",
        'use "method": "auto", or the large lane',
    ),
    Flaw.OVERFLOW: (
        "the inverse has elements too large for the matrix's dtype",
        "scale the matrix up, or use float64",
    ),
    Flaw.SINGULAR: (
        "the matrix is singular: proven, by its exact rank",
        'use "method": "pinv" for the pseudo-inverse',
    ),
    Flaw.PERHAPS_SINGULAR: (
        "the matrix cannot be distinguished from a singular one in this worker's time and memory",
        'use "method": "pinv" for the pseudo-inverse, or the large lane',
    ),
    Flaw.INACCURATE: (
        "no way to invert the matrix vouches for a single digit of the result",
        'use "method": "pinv" for the pseudo-inverse, or the large lane',
    ),
    Flaw.OVERWRITTEN: (
        "the inverse fails its check, and the matrix was overwritten by it",
        "nothing to do: it is read and inverted again",
    ),
    Flaw.UNPROVEN: (
        "not every element could be proven in the time and the memory of this worker",
        'use "accuracy": "standard", or the large lane',
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
