"""Words: what a certificate means, for those who do not read LAPACK's ratios."""

from __future__ import annotations

from typing import Final

from matinv.jobs.record import Record
from matinv.linalg.certificate import Certificate, Checked, Side
from matinv.linalg.gates import RESIDUAL_LIMIT

_EQUATIONS: Final = {Side.RIGHT: "A X - I", Side.LEFT: "X A - I", Side.PINV: "A X A - A"}
_METHODS: Final = {
    "general": "as a general matrix",
    "spd": "as a symmetric or Hermitian positive definite matrix",
    "pinv": "as a pseudo-inverse",
}
_WELL: Final = 1e4  # 4 of 16 digits
_DOUBLE: Final = 15.95  # -log10(u)
_SINGLE: Final = 7.22


def summary(certificate: Certificate) -> str:
    """Return the one sentence that counts.

    Examples
    --------
    >>> from matinv.linalg.certificate import Certificate, Checked, Side
    >>> summary(Certificate(1e-5, 0.1, Side.RIGHT, 11.2, "general", "sweep", Checked.FULL, False))
    'About 11 digits are right.'
    """
    digits = int(certificate.digits)
    if digits < 1:
        return "Not one digit can be trusted."
    return f"About {digits} digit{'s are' if digits > 1 else ' is'} right."


def explained(record: Record) -> tuple[str, ...]:
    """Return a job's certificate in sentences; none without a certificate."""
    certificate = record.certificate
    if certificate is None:
        return ()
    # The condition: the factor has two digits, and is written out while people can read it.
    kappa = 1 / certificate.rcond_1 if certificate.rcond_1 else float("inf")
    if "ILL_CONDITIONED" in record.warnings:
        judged = "It is ill-conditioned: more than half of the digits are gone."
    else:
        judged = "It is well conditioned." if kappa < _WELL else "That is not unusual."
    times = f"{float(f'{kappa:.1e}'):,.0f}" if 10 <= kappa < 1e7 else f"{kappa:.2g}"
    condition = (
        f"rcond {certificate.rcond_1:.2g} measures the distance to a singular matrix: a small "
        f"relative change of the matrix may change the inverse {times} times as much. {judged}"
    )
    full = _SINGLE if record.input.dtype in {"float32", "complex64"} else _DOUBLE
    lost = max(0.0, full - certificate.digits)
    digits = (
        f"Of the {full:.1f} digits of {record.input.dtype or 'its dtype'}, "
        f"{certificate.digits:.1f} are shown to be right in the inverse as a whole. "
        f"{lost:.1f} are lost or not proven."
    )
    measured = "with random probe vectors" if certificate.checked is Checked.PROBE else "in full"
    residual = (
        f"The residual of {_EQUATIONS[certificate.side]}, measured {measured}, is "
        f"{certificate.residual:.2g} times the level of rounding errors. Above "
        f"{RESIDUAL_LIMIT:g}, nothing is published."
    )
    how = _METHODS.get(certificate.method, certificate.method)
    scaled = ", after it was scaled by powers of two (which rounds nothing)"
    way = f"It was inverted {how} by {certificate.routine}{scaled if certificate.scaled else ''}."
    return condition, digits, residual, way, *_rank(certificate)


def _rank(certificate: Certificate) -> tuple[str, ...]:
    """Return a sentence on the rank: that it is full, or that a pseudo-inverse chose it."""
    if certificate.regular:
        return ("The matrix is proven to be regular.",)
    if certificate.rank is None:
        return ()
    gap = certificate.gap
    cut = f": the next singular value is {gap:.2g} times smaller" if gap else ""
    return (f"The pseudo-inverse is that of the nearest matrix of rank {certificate.rank}{cut}.",)
