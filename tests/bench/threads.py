"""Row 13: one matrix on two threads, on quiet cores, beside a busy process, under a quota.

Each side runs in a process of its own, in turns, since threads that spin do so after their work as
well; and by the clock on the wall, since what waits takes no CPU time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np

from bench.lab import Lab
from bench.table import Limit, Row, at_least
from matinv.cores import granted_threads
from matinv.linalg import crew
from matinv.linalg.inverse import invert
from matinv.processes import running

_ORDERS: Final = (512, 1024, 2048, 4096)
_THREADS: Final = 2
_SIDES: Final = {"ours": _THREADS, "one thread": 1, "numpy": _THREADS}
_GROUPS: Final = Path("/sys/fs/cgroup")
_PERIOD_US: Final = 100_000
_NOISE: Final = 0.95  # of two medians of one thing
_MS: Final = 1e3


def two_threads(lab: Lab) -> Iterator[Row]:
    """Row 13, in each place: against ours on one thread, and held against numpy on two."""
    for place in ("quiet", "beside a busy process", "quota of 1.5 cores", "quota of 1 core"):
        with ExitStack() as held:
            group: Path | None = None
            if place.startswith("beside"):
                held.enter_context(running(["-c", "while True: pass"], 1.0))
            if place.startswith("quota"):
                group = held.enter_context(_quota(float(place.split()[2])))
                if group is None:
                    sys.stderr.write(f"13 {place}: no control group can be made here\n")
                    continue
            for n in lab.sizes(*_ORDERS):
                seconds: dict[str, list[float]] = {side: [] for side in _SIDES}
                for _ in range(lab.pick(5, 3)):
                    for side, found in seconds.items():
                        found.append(_timed(side, n, group))
                ours, one, numpy = (_MS * median(found) for found in seconds.values())
                reach = at_least(1.6 if place == "quiet" else _NOISE)
                limit = Limit("× faster than numpy on 2", numpy / ours, at_least(_NOISE))
                work = f"2 threads, n = {n}, {place} [ms]"
                yield Row(13, work, ours, one, one / ours, reach, limit)


def _timed(side: str, n: int, group: Path | None) -> float:
    """Return what one inversion takes, in a new process; of a few the median."""
    names = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
    env = {name: value for name, value in os.environ.items() if name not in names}
    env |= {"OPENBLAS_NUM_THREADS": str(_SIDES[side]), "PYTHONPATH": os.pathsep.join(sys.path)}
    arguments = [sys.executable, "-m", __name__, side, str(n), str(group or "")]
    done = subprocess.run(arguments, env=env, capture_output=True, text=True, check=True)
    return float(done.stdout)


@contextmanager
def _quota(cores: float) -> Iterator[Path | None]:
    """Make a control group with a quota, of either version; None where that may not be."""
    first = _GROUPS / "cpu"
    group = (first if first.is_dir() else _GROUPS) / f"matinv-bench-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        yield None
        return
    try:
        if first.is_dir():
            (group / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(int(cores * _PERIOD_US)))
        else:
            (group / "cpu.max").write_text(f"{int(cores * _PERIOD_US)} {_PERIOD_US}")
    except OSError:
        group.rmdir()
        yield None
        return
    try:
        yield group
    finally:
        group.rmdir()


def main() -> None:
    """Print the seconds that a side takes for a matrix, in a control group if one is named."""
    side, n, group = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    if group:
        (Path(group) / "cgroup.procs").write_text(str(os.getpid()))
    crew.set_threads(granted_threads(_SIDES[side]))
    a = np.random.default_rng(n).standard_normal((n, n))
    seconds = []
    for _ in range(4 if n < 2048 else 2):
        copy = a.copy()
        begun_s = time.perf_counter()
        if side == "numpy":
            np.linalg.inv(copy)
        else:
            invert(copy, overwrite=True)
        seconds.append(time.perf_counter() - begun_s)
    sys.stdout.write(f"{median(seconds[1:])}\n")


if __name__ == "__main__":
    main()
