"""The numerical certificate that travels with every result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any


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
        The method that was used: ``general``, ``spd`` or ``pinv``.
    routine : str
        By which algorithm: ``closed-form``, ``gauss-jordan+schulz``, ``getrf+getri``,
        ``potrf+potri``, ``gauss-jordan``, ``sweep``, ``gesdd``; over many ranks ``pgetrf+pgetri``
        and ``ppotrf+ppotri``; ``geqrf`` where the first of these
        failed its check; ``pairs`` where pairs of float64 proved each element; ``arb`` where no
        floating point arithmetic vouched for enough digits.
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
    log_abs_det : float or None
        Natural logarithm of the absolute value of A's determinant, from the pivots, with an error
        of at most about ``10 * n * 10**-digits``. None for pseudo-inverses, and for several slices.
    sign : float, complex or None
        The determinant's sign, as `numpy.linalg.slogdet` has it: 1 or -1, and of a complex matrix a
        number of absolute value 1. In JSON that is ``{"re": …, "im": …}``, as matrices are.
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
    log_abs_det: float | None = None
    sign: complex | None = None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Certificate:
        """Return the certificate that a document says."""
        parsed: dict[str, Any] = {
            "side": Side(document["side"]),
            "checked": Checked(document["checked"]),
        }
        if isinstance(sign := document.get("sign"), Mapping):
            parsed["sign"] = complex(sign["re"], sign["im"])
        return cls(**{**document, **parsed})

    def document(self) -> dict[str, Any]:
        """Return the fields that have a value, as JSON holds them."""
        known = {
            f.name: value for f in fields(self) if (value := getattr(self, f.name)) is not None
        }
        if isinstance(self.sign, complex):
            known["sign"] = {"re": self.sign.real, "im": self.sign.imag}
        return known
