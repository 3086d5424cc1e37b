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
    """How the residual was measured: every column, or random probe vectors."""

    FULL = "full"
    PROBE = "probe"


@dataclass(frozen=True, slots=True)
class Certificate:
    """How good an inverse is, judged on the scaled problem.

    Parameters
    ----------
    rcond_1 : float
        Reciprocal condition number ``1 / (norm(A, 1) * norm(X, 1))``.
    residual : float
        LAPACK's scaled ratio, ``norm(A X - I, 1) / (n * norm(A, 1) * norm(X, 1) * u)`` (xGET03).
    side : Side
        The side that was measured.
    digits : float
        Decimal digits of the inverse to trust, about ``-log10(kappa_1 * u)``, in the input's
        precision; never below 0.
    method : str
        What was done: ``general``, ``spd`` or ``pinv``.
    routine : str
        By which algorithm: ``closed-form``, ``gauss-jordan+schulz``, ``getrf+getri``,
        ``potrf+potri``, ``gauss-jordan``, ``sweep``, ``gesdd``; ``geqrf`` where the first of these
        failed its check.
    checked : Checked
        Whether the residual is the full one or an estimate from probe vectors.
    scaled : bool
        Whether the matrix was scaled by powers of two first.
    """

    rcond_1: float
    residual: float
    side: Side
    digits: float
    method: str
    routine: str
    checked: Checked
    scaled: bool
