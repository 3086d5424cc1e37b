"""Rows 8 and 9: how much memory an inversion takes, measured in processes of their own (Linux)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from bench import published
from bench.checks import RESIDUAL_LIMIT, WrongError, check_inverse
from bench.jobs import Batch, Jobs, plain_handler
from bench.lab import Lab
from bench.measure import UnmeasurableError
from bench.table import Limit, Row, at_least, at_most
from matinv.jobs.limits import predict

_MIB: Final = 2**20
_WARM_N: Final = 128  # an order that takes the same way as a large one
_NUMPY_BYTES: Final = 33  # of numpy.linalg.inv, an element, the matrix itself included


def peak(lab: Lab) -> Iterator[Row]:
    """Row 8: a file from S3 to S3, in matrices above the idle worker."""
    n = lab.pick(4096, 2048)
    jobs = Jobs.of(lab)
    plain = plain_handler(lab, as_npy=True)  # as JSON it takes 12 matrices
    names = {"BENCH_BUCKET": plain.bucket, "BENCH_TABLE": plain.table}
    small, large = jobs.files(1, _WARM_N), jobs.files(1, n)
    ours = _handled("worker", small, large, {})
    for job_id, x in published.inverses(lab.stack, list(large.matrices)):
        check_inverse(large.matrices[job_id], x)
    peer = _handled("plain", small, large, names)
    for job_id, a in large.matrices.items():
        check_inverse(a, plain.result(job_id))
    unit = 8 * n**2
    work = f"peak over the idle worker, file of n = {n}, np.save [matrices]"
    reach = at_most(1.3, of_ours=True)
    yield Row(8, work, ours / unit, peer / unit, peer / ours, reach)


def largest(lab: Lab) -> Iterator[Row]:
    """Row 9: the largest order in a budget, ours as predicted and reached, numpy's by trial."""
    budget = lab.pick(256, 64) * _MIB
    ours = _predicted(budget)
    used = _grown("invert", ours)
    peer = _tried(budget)
    limit = Limit("of the budget used", used / budget, at_most(1))
    alone = (budget / 8) ** 0.5
    work = f"largest n in {budget // _MIB} MiB over idle, where a matrix alone has {alone:.0f}"
    yield Row(9, work, ours, peer, ours / peer, at_least(1.8), limit)


def _handled(side: str, small: Batch, large: Batch, environment: Mapping[str, str]) -> int:
    """Let a handler do a small job and a large one; return the growth of its peak in bytes."""
    grown, answer = _measured(side, [small.events[0], large.events[0]], environment)
    if answer != {"batchItemFailures": []}:
        message = f"{side} gave its message back: {answer}"
        raise WrongError(message)
    return grown


def _grown(side: str, n: int) -> int:
    """Let a process invert a matrix of order `n`; return the growth of its peak in bytes."""
    grown, residual = _measured(side, [_WARM_N, n], {})
    if not residual < RESIDUAL_LIMIT:
        message = f"{side}: the residual for n = {n} is {residual:.3g}"
        raise WrongError(message)
    return grown


def _measured(side: str, work: list[Any], environment: Mapping[str, str]) -> tuple[int, Any]:
    if sys.platform != "linux":
        message = "peaks of memory are read from Linux's /proc"
        raise UnmeasurableError(message)
    done = subprocess.run(
        [sys.executable, "-m", "bench.peak", side],
        input="\n".join(json.dumps(one) for one in work),
        stdout=subprocess.PIPE,
        env={**os.environ, **environment},
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    return found["bytes"], found["result"]


def _predicted(budget: int) -> int:
    """Return the largest order that the service predicts to fit."""
    low, high = 1, int((budget / 8) ** 0.5) + 1
    while high - low > 1:
        n = (low + high) // 2
        if predict((n, n), np.float64).memory_bytes <= budget:
            low = n
        else:
            high = n
    return low


def _tried(budget: int) -> int:
    """Return an order that ``numpy.linalg.inv`` does in the budget, where 5 % more is too much."""
    n = int((budget / _NUMPY_BYTES) ** 0.5)
    while _grown("numpy", n) > budget:
        n = int(0.98 * n)
    while _grown("numpy", more := int(1.05 * n)) <= budget:
        n = more
    return n
