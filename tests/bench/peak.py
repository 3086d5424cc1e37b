"""A process of its own whose memory is measured: ``python -m bench.peak SIDE``, for `bench.memory`.

Reads a line of JSON for each piece of work, a small one first, which makes the process idle but
warm; prints by how many bytes its peak rose above that while it did the last one.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Work = Callable[[Any], object]


def main() -> None:
    """Do the work on standard input."""
    work, answer = _SIDES[sys.argv[1]](), os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the service logs there
    small, large = (json.loads(line) for line in sys.stdin)
    work(small)
    idle = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # from here on the peak counts anew
    result = work(large)
    answer.write(json.dumps({"bytes": _status("VmHWM") - idle, "result": _digest(result)}))
    answer.close()


def _status(name: str) -> int:
    """Return a size from ``/proc/self/status``, in bytes."""
    text = Path("/proc/self/status").read_text()
    found = re.search(rf"^{name}:\s+(\d+) kB$", text, re.MULTILINE)
    assert found, f"no {name}"
    return int(found[1]) * 1024


def _worker() -> Work:
    from bench.jobs import context  # noqa: PLC0415 - boto3 and the service, for this side alone
    from matinv.handlers.worker import handler  # noqa: PLC0415

    return lambda event: handler(event, context())


def _plain() -> Work:
    import boto3  # noqa: PLC0415 - for this side alone

    from bench.peers import PlainHandler  # noqa: PLC0415

    names = os.environ["BENCH_BUCKET"], os.environ["BENCH_TABLE"]
    return PlainHandler(boto3.client("s3"), boto3.client("dynamodb"), *names, as_npy=True)


def _invert() -> Work:
    from matinv.linalg.inverse import invert  # noqa: PLC0415 - for this side alone

    return lambda n: (n, invert(_matrix(n), overwrite=True).x)


def _numpy() -> Work:
    return lambda n: (n, np.linalg.inv(_matrix(n)))


def _matrix(n: int) -> Any:
    """Return the matrix of this order, made in its own memory."""
    a = np.empty((n, n))
    np.random.default_rng(n).standard_normal(out=a)
    return a


def _digest(result: Any) -> Any:
    """Return what can be told about a result: a handler's answer, or the residual of an inverse."""
    if isinstance(result, dict):
        return result
    from bench.checks import residual  # noqa: PLC0415 - after the measurement

    n, x = result
    return residual(_matrix(n), x)


_SIDES = {"worker": _worker, "plain": _plain, "invert": _invert, "numpy": _numpy}

if __name__ == "__main__":
    main()
