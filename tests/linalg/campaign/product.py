"""The one place that knows the product's interface: a call, and one answer for each slice."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinv.linalg.budget import default_budget
from matinv.linalg.inverse import SMALL_N, invert
from matinv.linalg.types import Method

Array = NDArray[Any]
ACCURACY = "accuracy" in inspect.signature(invert).parameters


@dataclass(frozen=True, slots=True)
class Answer:
    """What the product says of one matrix.

    Parameters
    ----------
    x : ndarray, shape (n, n)
        The inverse, NaN if there is none.
    code : str or None
        Why it was refused.
    digits : float
        What is claimed of X.
    warned : bool
        Whether anything is said beside the digits.
    rank : int or None
        Of a pseudo-inverse, where the product says it.
    log_abs_det, sign : float, complex or None
        Of the determinant; None where there is no inverse, and for pseudo-inverses.
    routine, checked : str
        How it was made and checked.
    """

    x: Array
    code: str | None
    digits: float
    warned: bool
    rank: int | None = None
    log_abs_det: float | None = None
    sign: complex | None = None
    routine: str = ""
    checked: str = ""

    def same_as(self, other: Answer) -> bool:
        """Whether two inverses are equal, bit by bit, and their digits but for a rounded sum."""
        return (
            self.code == other.code
            and bool(np.array_equal(self.x, other.x, equal_nan=True))
            and (self.code is not None or abs(self.digits - other.digits) < 1e-6)
        )


def ask(a: Array, method: str, *, verified: bool = False, overwrite: bool = False) -> list[Answer]:
    """Invert a matrix or a stack; with `overwrite` in its own memory, large ones without more."""
    options: dict[str, Any] = {"overwrite": overwrite}
    if overwrite and a.shape[-1] > SMALL_N:
        options["budget"] = replace(default_budget(), memory_bytes=0)
    if verified:
        from matinv.linalg.types import Accuracy  # noqa: PLC0415 - not in every version

        options["accuracy"] = Accuracy.VERIFIED
    given = invert(a, Method(method), **options)
    x = given.x if given.x.ndim == 3 else given.x[None]
    return [_answer(given, x[i], i) for i in range(len(x))]


def _answer(given: Any, x: Array, i: int) -> Answer:
    failure = given.failures.get(i)

    def field(name: str) -> Any:
        values = getattr(given, name, None)
        return None if values is None else np.atleast_1d(values)[i]

    how = given.how[i]
    rank = field("rank")
    return Answer(
        x,
        None if failure is None else str(failure.code),
        float(given.digits[i]),
        bool(given.ill_conditioned[i]) or bool(field("rank_deficient")),
        None if rank is None or rank < 0 else int(rank),
        None if np.isnan(field("log_abs_det")) else float(field("log_abs_det")),
        None if np.isnan(field("sign")) else complex(field("sign")),
        str(how.routine),
        str(how.checked),
    )
