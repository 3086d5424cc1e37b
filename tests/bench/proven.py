"""Row 16: inverses whose every element is proven to be correctly rounded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import mpmath
import numpy as np

from bench.checks import Array, WrongError, check_inverse
from bench.lab import Lab
from bench.measure import Side, take_turns
from bench.table import Row, at_least
from matinv.linalg.inverse import invert
from matinv.linalg.types import Accuracy

_ORDERS: Final = (16, 64, 128, 256)
_DIGITS: Final = 17  # of mpmath: as many as a float64 needs
_PEER_N: Final = 64  # 1.2 s; from here on the peer's time is that of this order times n**3


def verified(lab: Lab) -> Iterator[Row]:
    """Yield a row for each order: ``accuracy: verified`` against mpmath at the same digits."""
    for n in _ORDERS:
        a = np.random.default_rng(n).standard_normal((n, n))
        small = a[:_PEER_N, :_PEER_N].copy()
        ours, peer = take_turns(
            lab.effort, Side(_proven, a.copy, check_inverse), Side(_mpmath, small.copy, _check)
        )
        peer *= (n / len(small)) ** 3
        scaled = f"; mpmath from n = {_PEER_N} by n^3" if n > _PEER_N else ""
        work = f"verified, n = {n} [ms]{scaled}"
        yield Row(16, work, 1e3 * ours, 1e3 * peer, peer / ours, at_least(100))


def _proven(a: Array) -> Array:
    inverses = invert(a, accuracy=Accuracy.VERIFIED)
    if inverses.failures or inverses.certificate().checked != "verified":
        message = f"an inverse of order {len(a)} is not proven"
        raise WrongError(message)
    return inverses.x


def _mpmath(a: Array) -> mpmath.matrix:
    with mpmath.workdps(_DIGITS):
        return mpmath.inverse(mpmath.matrix(a.tolist()))


def _check(a: Array, x: mpmath.matrix) -> None:
    check_inverse(a, np.array(x.tolist(), dtype=float))
