"""Rows 3, 4, 5, 11 and the second half of 12: what happens between a matrix and its inverse."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Final

import numpy as np

from bench.checks import Array, check_inverse
from bench.lab import Lab
from bench.measure import Effort, Side, take_turns
from bench.table import Limit, Reach, Row, at_least, at_most
from matinv.linalg.inverse import SMALL_N, invert
from matinv.linalg.kernels import STANDARD

_ORDERS: Final = (128, 256, 512, 1024, 2048, 4096)
_GEMM_GENERAL: Final = {2048: at_least(0.60), 4096: at_least(0.75)}
_GEMM_SPD: Final = {4096: at_least(0.60)}
_STACKED: Final = {2: 15, 3: 12, 4: 8, 8: 4, 16: 2, 32: 1.4}
_MS: Final = 1e3


@dataclass(frozen=True, slots=True)
class Times:
    """CPU seconds for one matrix: ours, ``numpy.linalg.inv``, and a product of two such."""

    ours: float
    peer: float
    gemm: float


def general(lab: Lab) -> Iterator[Row]:
    """Row 3: one general matrix."""
    for n in lab.sizes(*_ORDERS):
        times = _general_times(n, lab.effort)
        limit = Limit("of GEMM's rate", times.gemm / times.ours, _GEMM_GENERAL.get(n))
        yield _faster(3, f"general, n = {n} [ms]", times, 1.5 if n >= 256 else None, limit)


def definite(lab: Lab) -> Iterator[Row]:
    """Row 4: one symmetric positive definite matrix, which takes n**3 flops, half of a GEMM."""
    for n in lab.sizes(*_ORDERS):
        factor = _random(n)
        times = _times(factor @ factor.T + n * np.eye(n), lab.effort)
        limit = Limit("of GEMM's rate", times.gemm / 2 / times.ours, _GEMM_SPD.get(n))
        yield _faster(
            4, f"positive definite, n = {n} [ms]", times, 2.2 if n >= 256 else None, limit
        )


def stacks(lab: Lab) -> Iterator[Row]:
    """Row 5: many small matrices in one call."""
    count = lab.pick(20_000, 2_000)
    for n, reach in _STACKED.items():
        a = _random(n, count)
        ours, peer, stacked = take_turns(
            lab.effort,
            _side(a, _invert),
            _side(a, lambda a: [np.linalg.inv(one) for one in a]),
            _side(a, np.linalg.inv),
        )
        limit = Limit("× one stacked call", ours / stacked)
        scale = 1e6 / count
        work = f"{count} matrices, n = {n} [µs each]"
        yield Row(5, work, scale * ours, scale * peer, peer / ours, at_least(reach), limit)


def certified(lab: Lab) -> Iterator[Row]:
    """Row 11: gates and certificate, against the bare kernel behind them.

    Small matrices as the worker takes them, several at once.
    """
    for n in lab.sizes(64, *_ORDERS):
        count = 32 if n <= SMALL_N else 1
        a = _random(n, count) if n <= SMALL_N else _random(n)
        ours, bare = take_turns(_longer(lab.effort), _side(a, _invert), _side(a, _bare))
        reach = at_most(1.05 if n >= 512 else 1.40)
        of = f"{count} of n = {n}" if n <= SMALL_N else f"n = {n}"
        scale = _MS / count
        yield Row(
            11,
            f"with certificate and gates, {of} [ms]",
            scale * ours,
            scale * bare,
            ours / bare,
            reach,
        )


def growth(lab: Lab) -> Iterator[Row]:
    """Row 12, time: the exponent that fits n = 512 to 4096."""
    orders = lab.sizes(*(n for n in _ORDERS if n >= 512))
    times = [_general_times(n, lab.effort) for n in orders]
    ours = _exponent(orders, [t.ours for t in times])
    peer = _exponent(orders, [t.peer for t in times])
    work = f"time is n to the power of, n = {orders[0]} to {orders[-1]}"
    yield Row(12, work, ours, peer, ours / peer, at_most(3.05, of_ours=True))


@cache
def _general_times(n: int, effort: Effort) -> Times:
    """Measure once for rows 3 and 12."""
    return _times(_random(n), effort)


def _times(a: Array, effort: Effort) -> Times:
    gemm = Side(lambda b: b @ b, a.copy, _check_product)
    return Times(*take_turns(effort, _side(a, _invert), _side(a, np.linalg.inv), gemm))


def _invert(a: Array) -> Array:
    """Invert as the worker does, in the memory of the matrix."""
    return invert(a, overwrite=True).x


def _bare(a: Array) -> Array:
    """Invert by the kernel that `invert` uses, without anything around it."""
    if a.ndim == 3:
        return STANDARD.for_stack(a.shape[-1])[0].invert(a)[0]
    STANDARD.for_general(len(a)).invert(a)
    return a


def _side(a: Array, run: Callable[[Array], Array | list[Array]]) -> Side:
    """Return a side that gets a fresh copy for each run."""
    return Side(run, a.copy, lambda _, x: check_inverse(a, np.asarray(x)))


def _check_product(b: Array, product: Array) -> None:
    row = len(b) // 2
    np.testing.assert_allclose(product[row], b[row] @ b, rtol=0, atol=1e-9 * np.abs(product).max())


def _faster(row: int, work: str, times: Times, factor: float | None, limit: Limit) -> Row:
    reach: Reach | None = None if factor is None else at_least(factor)
    ours, peer = times.ours, times.peer
    return Row(row, work, _MS * ours, _MS * peer, peer / ours, reach, limit)


def _longer(effort: Effort) -> Effort:
    """Five percent are told from noise by more rounds only."""
    return Effort(effort.rounds + 2, 2 * effort.seconds)


def _exponent(orders: list[int], seconds: list[float]) -> float:
    log = partial(map, math.log)
    return float(np.polyfit(list(log(orders)), list(log(seconds)), 1)[0])


def _random(n: int, *count: int) -> Array:
    return np.random.default_rng(n).standard_normal((*count, n, n))
