"""The numerical certificate that travels with every result."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Side(StrEnum):
    """Which equation the residual was measured on."""

    RIGHT = "right"  # A X - I
    LEFT = "left"  # X A - I
    PINV = "pinv"  # A X A - A


class Checked(StrEnum):
    """How the inverse was checked: every column, random probe vectors, or each element proven."""

    FULL = "full"
    PROBE = "probe"
    VERIFIED = "verified"


@dataclass(frozen=True, slots=True)
class Certificate:
    """How good an inverse is.

    ``digits`` speaks of the published inverse of the matrix that was given. ``rcond_1`` and
    ``residual`` judge the scaled problem.

    Parameters
    ----------
    rcond_1 : float
        Reciprocal condition number ``1 / (norm(A, 1) * norm(X, 1))``.
    residual : float
        LAPACK's scaled ratio, ``norm(A X - I, 1) / (n * norm(A, 1) * norm(X, 1) * u)`` (xGET03).
    side : Side
        The side that was measured.
    digits : float
        How many decimal digits of the inverse as a whole are right: ``-log10`` of a bound on
        ``norm(X - inv(A), 1) / norm(inv(A), 1)``, from the residual (`matinv.linalg.bounds`).
        Elements that are small beside their column have fewer. Never more than the dtype holds.
    method : str
        What was done: ``general``, ``spd`` or ``pinv``.
    routine : str
        By which algorithm: ``closed-form``, ``gauss-jordan+schulz``, ``getrf+getri``,
        ``potrf+potri``, ``gauss-jordan``, ``sweep``, ``gesdd``; ``geqrf`` where the first of these
        failed its check; ``arb`` where no floating point arithmetic vouched for enough digits.
    checked : Checked
        Whether the residual is the full one or an estimate from probe vectors, or each element
        is proven to be the true one, correctly rounded.
    scaled : bool
        Whether the matrix was scaled by powers of two first.
    regular : bool
        Whether the matrix is proven to have an inverse; by probes, but for a chance of 2e-8.
    rank : int or None
        Of a pseudo-inverse: it is that of the nearest matrix of this rank.
    gap : float or None
        Of a pseudo-inverse whose rank was cut: the last singular value that counts over the first
        that does not; None if that is zero.
    """

    rcond_1: float
    residual: float
    side: Side
    digits: float
    method: str
    routine: str
    checked: Checked
    scaled: bool
    regular: bool = False
    rank: int | None = None
    gap: float | None = None
