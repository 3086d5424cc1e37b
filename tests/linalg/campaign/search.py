"""A search for matrices whose claim exceeds the truth: mutation and selection, no family needed."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from linalg.campaign.cases import DTYPES
from linalg.campaign.judge import Finding, judge_matrix
from support.matrices.hostile.drawing import rounded
from support.matrices.hostile.table import FAMILIES, draw

Array = NDArray[Any]
ELITE: Final = 6


def search(seed: int, steps: int, largest: int) -> tuple[float, list[tuple[Finding, Array]]]:
    """Climb from matrices of random families, one order and dtype, to the greatest over-claim.

    Parameters
    ----------
    seed, steps : int
        Of the search, and how many matrices it judges.
    largest : int
        Order that none exceeds.

    Returns
    -------
    float
        The greatest claim minus truth.
    list of (Finding, ndarray)
        Of each kind of fault the last that was met, and the matrix that has it.
    """
    rng = np.random.default_rng([seed, 4242])
    n, dtype = int(rng.integers(2, largest + 1)), str(rng.choice(DTYPES, p=[0.3, 0.4, 0.1, 0.2]))
    method = str(rng.choice(["auto", "general", "pinv"], p=[0.6, 0.25, 0.15]))
    names = [f.name for f in FAMILIES.values() if f.low <= n <= f.high]
    pool: list[tuple[float, Array]] = []
    findings: dict[str, tuple[Finding, Array]] = {}
    best = -np.inf
    for step in range(steps):
        if len(pool) < ELITE or rng.random() < 0.05:
            a = draw(str(rng.choice(names)), n, dtype, int(rng.integers(1 << 31)))
        else:
            a = pool[int(rng.integers(len(pool)))][1].copy()
        for _ in range(int(rng.integers(0, 4))):
            a = _mutated(a, rng)
        a = np.asfortranarray(a) if rng.random() < 0.5 else np.ascontiguousarray(a)
        judgement = judge_matrix(
            a, method, f"search-{seed}-{step}/{method}", in_place=step % 4 == 0
        )
        for finding in judgement.findings:
            findings[finding.kind] = finding, a
        over = max(judgement.over, default=-np.inf)
        best = max(best, over)
        pool = sorted([*pool, (over, a)], key=lambda item: -item[0])[:ELITE]
    return best, list(findings.values())


def _mutated(a: Array, rng: np.random.Generator) -> Array:
    """Return the matrix with one change, in its dtype."""
    with np.errstate(all="ignore"):
        change = _resized if rng.random() < 0.5 else _rearranged
        wide = np.complex128 if a.dtype.kind == "c" else np.float64
        return rounded(change(a.astype(wide), rng, a.dtype), a.dtype)


def _resized(a: Array, rng: np.random.Generator, dtype: np.dtype[Any]) -> Array:
    span = 20 if dtype.char in "fF" else 60
    i, j = rng.integers(0, len(a), 2)
    match rng.integers(6):
        case 0:
            a[i] *= 2.0 ** rng.integers(-span, span)
        case 1:
            a[:, j] *= 2.0 ** rng.integers(-span, span)
        case 2:
            a[i, j] = 0
        case 3:
            a[i, j] *= 10.0 ** rng.uniform(-span / 4, span / 4)
        case 4:
            a[i, j] = rng.standard_normal() * 2.0 ** rng.integers(-span, span)
        case _:
            a *= 2.0 ** rng.integers(-span, span)
    return a


def _rearranged(a: Array, rng: np.random.Generator, dtype: np.dtype[Any]) -> Array:
    n = len(a)
    i, j = rng.integers(0, n, 2)
    match rng.integers(6):
        case 0:
            a[i] = a[j] * rng.integers(1, 4) + a[i] * 10.0 ** rng.uniform(-12, 0)
        case 1:
            a[:, i] = a[:, j] * rng.integers(1, 4) + a[:, i] * 10.0 ** rng.uniform(-12, 0)
        case 2:
            a = a.T
        case 3:
            a = a[rng.permutation(n)]
        case 4:
            a *= 1 + rng.integers(-3, 4, a.shape) * float(np.finfo(dtype).eps)
        case _:
            a[i, j] = a[j, i]
    return a
