"""Inverses of which each element is proven to be the true one, correctly rounded."""

from __future__ import annotations

from typing import Final

import numpy as np

from matinv.linalg import ball, definite, hermitian, pairs, step_up
from matinv.linalg.budget import Budget
from matinv.linalg.certificate import Checked, Side
from matinv.linalg.gates import Flaw, How, Measurements
from matinv.linalg.types import Matrix, Method

_BY_BALLS: Final = How("general", "arb", Side.RIGHT, Checked.VERIFIED)
_BY_PAIRS: Final = How("general", "pairs", Side.RIGHT, Checked.VERIFIED)


def solve(a: Matrix, x: Matrix, method: Method, budget: Budget) -> Measurements:
    """Invert each slice of `a` into that of `x`, which may be the same memory.

    SPD refuses what is not Hermitian, or not proven to be positive definite.
    """
    findings = Measurements.blank(len(a), _BY_BALLS, a.dtype)
    for index, given in enumerate(a):
        own = findings.part(slice(index, index + 1))
        if not np.isfinite(given).all():
            own.mark(Flaw.NON_FINITE, where=True)
        elif method is Method.SPD and not hermitian.is_hermitian(given):
            own.mark(Flaw.NOT_HERMITIAN, where=True)
        elif method is Method.SPD and not own.demand_definite(definite.prove(given, budget)):
            continue
        else:
            _solve_one(given, x[index], own, budget)
    return findings


def _solve_one(given: Matrix, x: Matrix, findings: Measurements, budget: Budget) -> None:
    found: ball.Enclosed | ball.Deficient | None = pairs.invert(given, given.dtype, budget)
    if found:
        findings.how[0] = _BY_PAIRS
    elif step_up.has_zeros(given):
        findings.mark(Flaw.SINGULAR, where=True)
        return
    else:
        found = ball.invert(given, given.dtype, budget, all_rounded=True)
    if isinstance(found, ball.Deficient):
        findings.rank[0], findings.rcond[0] = found.rank, 0
        findings.mark(Flaw.SINGULAR, where=True)
    elif found is None or not found.rounded:
        findings.mark(Flaw.UNPROVEN, where=True)
    elif not np.isfinite(found.x).all():
        findings.mark(Flaw.OVERFLOW, where=True)
    else:
        step_up.write_enclosed(given, found, findings)
        np.copyto(x, found.x)
