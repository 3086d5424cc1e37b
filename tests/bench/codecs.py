"""Rows 6 and 7: matrices as JSON text, read and written."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np

from bench.checks import Array, check_same
from bench.lab import Lab
from bench.measure import Side, take_turns
from bench.table import Row, at_least
from matinv.formats import json_matrix


def reading(lab: Lab) -> Iterator[Row]:
    """Row 6: text to array, against ``json.loads`` and ``np.array``."""
    for n in lab.sizes(64, 256, 1000):
        a = np.random.default_rng(n).standard_normal((n, n))
        text = json.dumps(a.tolist()).encode()

        def check(_: bytes, found: Array, a: Array = a) -> None:
            check_same(found, a)

        ours, peer = take_turns(
            lab.effort,
            Side(json_matrix.decode, lambda text=text: text, check),
            Side(lambda text: np.array(json.loads(text)), lambda text=text: text, check),
        )
        work = f"JSON text to array, n = {n} [ms]"
        yield Row(6, work, 1e3 * ours, 1e3 * peer, peer / ours, at_least(4))


def writing(lab: Lab) -> Iterator[Row]:
    """Row 7: array to text, against ``json.dumps(x.tolist())``."""
    for n in lab.sizes(64, 256, 1000):
        a = np.random.default_rng(n).standard_normal((n, n))

        def check(a: Array, text: str | bytes) -> None:
            check_same(np.array(json.loads(text)), a)

        ours, peer = take_turns(
            lab.effort,
            Side(json_matrix.encode, lambda a=a: a, check),
            Side(lambda a: json.dumps(a.tolist()), lambda a=a: a, check),
        )
        work = f"array to JSON text, n = {n} [ms]"
        yield Row(7, work, 1e3 * ours, 1e3 * peer, peer / ours, at_least(15))
