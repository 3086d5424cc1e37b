"""What is wrong with an answer, by exact arithmetic."""

from __future__ import annotations

import math
import time
import traceback
import warnings
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from linalg.campaign import definite, product
from linalg.campaign.cases import Case, stack
from linalg.campaign.oracle import Truth, rank
from linalg.campaign.pinv_oracle import PinvTruth
from linalg.campaign.product import Answer

Array = NDArray[Any]
SLACK: Final = 0.3
"""Digits that a claim may exceed the truth by: a factor of two in the bound."""

PROVABLE: Final = 64
"""Up to this order ball arithmetic is cheap, and no regular matrix is to be refused."""


class Kind(StrEnum):
    """Ways in which an answer can be wrong."""

    FALSE_DIGITS = "false-digits"
    SINGULAR_PUBLISHED = "singular-published"
    REFUSED = "regular-refused"
    REFUSED_LARGE = "regular-refused-large"
    WRONG_CODE = "wrong-code"
    MEMORY_ORDER = "memory-order"
    MEMORY_ORDER_DIGITS = "memory-order-digits"
    OVERWRITE = "overwrite"
    INPUT_CHANGED = "input-changed"
    CRASH = "crash"
    NEIGHBOUR = "neighbour"
    NOT_FINITE = "not-finite"
    NOT_DEFINITE = "not-definite-published"
    PENROSE = "penrose"
    PENROSE_4 = "penrose-4"
    RANK = "rank"
    DETERMINANT = "determinant"
    NOT_ROUNDED = "not-rounded"


REPORTED: Final = frozenset({Kind.REFUSED_LARGE, Kind.MEMORY_ORDER_DIGITS, Kind.PENROSE_4})
"""Wanted, not promised: in the report, without making it fail.

Large matrices are inverted in their own memory, so that elimination takes rows of one and columns
of the other: the verdict must be one, the digits of two eliminations need not. Where singular
values were cut that are near those that were not, the nearest matrix of that rank is known but to
``u kappa``, and so is how Hermitian ``X A`` is.
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault.

    Parameters
    ----------
    kind : Kind
        Of what sort.
    case : str
        How to draw the matrix again.
    detail : str
        Claim and truth.
    """

    kind: Kind
    case: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind:20} {self.case}: {self.detail}"


@dataclass(slots=True)
class Judgement:
    """What became of a case.

    Parameters
    ----------
    findings : list of Finding
        Faults; empty if all is well.
    over : list of float
        Claim minus truth of each inverse that was published.
    code : str or None
        Why it was refused; None if it was published.
    regular : bool
        Whether the matrix has an inverse.
    slowest_s : float
        Seconds of the product's slowest answer.
    """

    findings: list[Finding] = field(default_factory=list)
    over: list[float] = field(default_factory=list)
    code: str | None = None
    regular: bool = True
    slowest_s: float = 0.0


def judge(case: Case) -> Judgement:
    """Ask the product about one matrix in both memory orders, and now and then in place."""
    verified = case.accuracy == "verified"
    return judge_matrix(
        case.matrix(), case.method, str(case), verified=verified, in_place=case.seed % 3 == 0
    )


def judge_matrix(
    a: Array, method: str, name: str = "", *, verified: bool = False, in_place: bool = True
) -> Judgement:
    """Ask the product about one matrix in both memory orders, and in place, and judge it.

    Parameters
    ----------
    a : ndarray, shape (n, n)
        The matrix.
    method : str
        As matinv spells it.
    name : str
        Of the case, for findings.
    verified : bool
        Whether to ask for every element correctly rounded.
    in_place : bool
        Whether to let it overwrite a copy, too.
    """
    out = Judgement()
    judging = _Judging(a, method, name, out, verified=verified)
    try:
        judging.run(in_place=in_place)
    except _CrashedError as error:
        judging.find(Kind.CRASH, str(error))
    return out


class _CrashedError(Exception):
    """The product raised, or warned, instead of answering."""


def _asked(a: Array, method: str, **options: bool) -> list[Answer]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return product.ask(a, method, **options)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        message = f"{error!r:.300} in {Path(place.filename).name}:{place.lineno}"
        raise _CrashedError(message) from error


class _Judging:
    def __init__(self, a: Array, method: str, name: str, out: Judgement, *, verified: bool) -> None:
        self.a, self.method, self.name, self.out, self.verified = a, method, name, out, verified
        self.truth = Truth(np.ascontiguousarray(a))

    def find(self, kind: Kind, detail: str) -> None:
        self.out.findings.append(Finding(kind, self.name, detail))

    def ask(self, a: Array, **options: bool) -> Answer:
        began = time.perf_counter()
        answer = _asked(a, self.method, verified=self.verified, **options)[0]
        self.out.slowest_s = max(self.out.slowest_s, time.perf_counter() - began)
        return answer

    def run(self, *, in_place: bool) -> None:
        kept = self.a.copy(order="K")
        answer = self.ask(self.a)
        if not np.array_equal(kept, self.a, equal_nan=True):
            self.find(Kind.INPUT_CHANGED, "although overwrite is False")
        self.out.code = answer.code
        self.one(answer, "")
        other = self.ask(np.array(kept, order="F" if kept.flags.c_contiguous else "C"))
        if other.code != answer.code or abs(other.digits - answer.digits) > 0.5:
            same = other.code == answer.code and len(self.a) > PROVABLE
            kind = Kind.MEMORY_ORDER_DIGITS if same else Kind.MEMORY_ORDER
            self.find(kind, f"{_said(answer)} against {_said(other)} in the other")
        if not other.same_as(answer):
            self.one(other, "in the other memory order: ")
        if in_place:
            self.in_place(kept, answer)

    def in_place(self, a: Array, answer: Answer) -> None:
        answered = self.ask(a.copy(order="K"), overwrite=True)
        if answered.code == "RESIDUAL":
            return  # nothing is left to compute it from: the next attempt is not in place
        if (answered.code is None) != (answer.code is None):
            self.find(Kind.OVERWRITE, f"{_said(answered)} in place, else {_said(answer)}")
        if not answered.same_as(answer):
            self.one(answered, "in place: ")

    def one(self, answer: Answer, how: str) -> None:
        if answer.code is None and not np.isfinite(answer.x).all():
            self.find(Kind.NOT_FINITE, how + "published, and not finite")
        elif answer.code is not None and not np.isnan(answer.x).all():
            self.find(Kind.NOT_FINITE, how + f"{answer.code}, and elements that are not NaN")
        elif not np.isfinite(self.a).all():
            self.expect(answer, "NON_FINITE", how)
        elif self.method == "pinv":
            self.pinv(answer, how)
        elif self.method == "spd" and answer.code == "NOT_POSITIVE_DEFINITE":
            if definite.positive_definite(self.a):
                self.refused(answer, how)
        elif answer.code is None:
            self.published(answer, how)
        else:
            self.not_published(answer, how)

    def expect(self, answer: Answer, code: str, how: str) -> None:
        if answer.code != code:
            self.find(Kind.WRONG_CODE, how + f"{_said(answer)} instead of {code}")

    def refused(self, answer: Answer, how: str) -> None:
        kind = Kind.REFUSED if len(self.a) <= PROVABLE else Kind.REFUSED_LARGE
        self.find(kind, how + f"{answer.code} by {answer.routine}")

    def not_published(self, answer: Answer, how: str) -> None:
        self.out.regular = self.truth.regular
        if not self.truth.regular:
            self.expect(answer, "SINGULAR", how)
        elif answer.code == "OVERFLOW" and self.truth.overflows:
            return
        else:
            self.refused(answer, how)

    def published(self, answer: Answer, how: str) -> None:
        if not self.truth.regular:
            self.out.regular = False
            self.find(Kind.SINGULAR_PUBLISHED, how + _said(answer))
            return
        if self.method == "spd" and not definite.positive_definite(self.a, doubt=True):
            self.find(Kind.NOT_DEFINITE, how + _said(answer))
        self.digits(answer, self.truth.error(answer.x), how)
        self.determinant(answer, how)
        if self.verified:
            expected = self.truth.rounded()
            if not np.array_equal(expected, answer.x):
                wrong = int((expected != answer.x).sum())
                self.find(Kind.NOT_ROUNDED, how + f"{wrong} elements, {answer.checked}")

    def digits(self, answer: Answer, error: float, how: str) -> None:
        exact = -math.log10(error) if error > 0 else math.inf
        least = float(np.finfo(self.a.dtype).epsneg) / 64  # below it, all digits are right
        self.out.over.append(answer.digits - max(min(exact, -math.log10(least)), 0.0))
        if not answer.digits - max(exact, 0.0) <= SLACK:
            self.find(
                Kind.FALSE_DIGITS,
                how + f"claims {answer.digits:.2f}, true {exact:.2f}, by {answer.routine}"
                f" ({answer.checked}){', warned' if answer.warned else ''}",
            )

    def determinant(self, answer: Answer, how: str) -> None:
        if answer.log_abs_det is None or answer.sign is None:
            self.find(Kind.DETERMINANT, how + "none")
            return
        log_abs_det, sign = self.truth.determinant
        n, u = len(self.a), np.finfo(self.a.dtype).epsneg
        room = 100 * n * 10.0**-answer.digits + 8 * n * u * (1 + abs(log_abs_det))
        if not abs(answer.log_abs_det - log_abs_det) <= room:
            self.find(Kind.DETERMINANT, how + f"log {answer.log_abs_det!r}, true {log_abs_det!r}")
        if room < 0.5 and not abs(answer.sign - sign) <= room:
            self.find(Kind.DETERMINANT, how + f"sign {answer.sign!r}, true {sign!r}")

    def pinv(self, answer: Answer, how: str) -> None:
        if answer.code is not None:
            largest = float(np.finfo(self.a.dtype).max)
            if answer.code == "OVERFLOW" and float(np.abs(self.a).max()) < 1e3 / largest:
                return
            self.find(Kind.REFUSED, how + f"{answer.code}: every matrix has a pseudo-inverse")
            return
        exact = rank(self.a)
        r = answer.rank if answer.rank is not None else int(np.linalg.matrix_rank(answer.x))
        if r > exact:
            self.find(Kind.RANK, how + f"{r}, exactly {exact}")
            return
        if r < exact and answer.rank is None and not answer.warned:
            self.find(Kind.RANK, how + f"cut from {exact} to {r} without a word")
        if r < exact and answer.rank is not None and not answer.warned:
            self.find(Kind.RANK, how + f"cut from {exact} to {r} without a warning")
        if r == 0:
            if answer.x.any():
                self.find(Kind.PENROSE, how + "rank 0, and not zero")
            return
        truth = PinvTruth(np.ascontiguousarray(self.a), r)
        error, residuals = truth.error(answer.x), truth.penrose(answer.x)
        if error is None or residuals is None:
            return
        self.digits(answer, error, how)
        room = 100 * len(self.a) * float(np.finfo(self.a.dtype).epsneg)
        if max(residuals) > room:
            worst = ", ".join(f"{x:.1e}" for x in residuals)
            vague = r < exact and max(residuals[:3]) <= room
            kind = Kind.PENROSE_4 if vague else Kind.PENROSE
            self.find(kind, how + f"{worst}, more than {room:.1e}")


def judge_stack(seed: int, largest: int) -> Judgement:
    """Compare each slice of a stack with the same matrix alone, bit by bit."""
    out = Judgement()
    slices, method, what = stack(seed, largest)
    name = f"stack/{seed}/{largest}"
    try:
        together = _asked(slices, method)
        for k, answer in enumerate(together):
            # In either order: whether a stack is copied to C order is the product's affair.
            alone = [_asked(np.array(slices[k], order=order), method)[0] for order in "CF"]
            if not any(answer.same_as(one) for one in alone):
                detail = f"slice {k} ({what[k]}, {slices.dtype}, n {slices.shape[1]}, {method}):"
                detail += f" {_said(answer)}, alone {_said(alone[0])}"
                out.findings.append(Finding(Kind.NEIGHBOUR, name, detail))
    except _CrashedError as error:
        out.findings.append(Finding(Kind.CRASH, name, str(error)))
    return out


def _said(answer: Answer) -> str:
    return answer.code or f"{answer.digits:.2f} digits by {answer.routine} ({answer.checked})"
