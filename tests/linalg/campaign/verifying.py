"""A campaign against ``--verify``: wrong inverses are handed to it, and right ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from linalg.campaign import product
from linalg.campaign.cases import cases
from linalg.campaign.judge import SLACK
from linalg.campaign.oracle import Truth
from matinv.client.residual import right_digits

Array = NDArray[Any]


def verify(count: int, seed: int, largest: int) -> tuple[int, list[str]]:
    """Hand right and falsified inverses of hostile matrices to ``--verify``.

    Returns
    -------
    int
        How many were handed to it.
    list of str
        What it said wrongly: wrong inverses that passed, and right ones that did not.
    """
    rng = np.random.default_rng([seed, 99])
    asked, wrong = 0, []
    for case in cases(count, seed, largest):
        if case.method == "pinv":
            continue
        a = case.matrix()
        answer = product.ask(a, case.method)[0]
        truth = Truth(np.ascontiguousarray(a))
        if answer.code is not None or not truth.regular:
            continue
        asked += 1
        shown = right_digits(a, answer.x, answer.digits)
        if not shown >= answer.digits - SLACK:
            wrong.append(f"{case}: {answer.digits:.2f} claimed and right, {shown:.2f} shown")
        how, x = _falsified(answer.x, rng)
        if not np.isfinite(x).all():
            continue
        true = -np.log10(max(truth.error(x), 1e-30))
        shown = right_digits(a, x, answer.digits)
        if shown > max(true, 0.0) + SLACK:
            wrong.append(f"{case}, {how}: {shown:.2f} digits shown, true {true:.2f}")
    return asked, wrong


def _falsified(x: Array, rng: np.random.Generator) -> tuple[str, Array]:
    """Return an inverse with one fault, and its name."""
    n, y = len(x), x.copy()
    i, j = rng.integers(0, n, 2)
    size = 10.0 ** rng.uniform(-12, 0)
    with np.errstate(all="ignore"):
        match rng.integers(8):
            case 0:
                y[i, j] += np.abs(x).max() * size
                return "an element that is too large", y.astype(x.dtype)
            case 1:
                y[:, j] *= 1 + size
                return "a column times a factor", y.astype(x.dtype)
            case 2:
                y[i] *= 1 + size
                return "a row times a factor", y.astype(x.dtype)
            case 3:
                y[i, j] = 0
                return "an element set to zero", y
            case 4:
                return "transposed", x.T.copy()
            case 5:
                return "two rows exchanged", y[rng.permutation(n)]
            case 6:
                return "zeros", np.zeros_like(x)
            case _:
                y[i] += x[j] * size
                return "a row plus some of another", y.astype(x.dtype)
