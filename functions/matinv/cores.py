"""The cores that this process is really granted, which is often less than the machine has.

References
----------
.. [1] Linux, Documentation/admin-guide/cgroup-v2.rst, "cpu.max".
.. [2] Linux, Documentation/scheduler/sched-bwc.rst, "cpu.cfs_quota_us" (version 1).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

_ROOT: Final = Path("/")


def granted_threads(wanted: int, root: Path = _ROOT) -> int:
    """Return how many of `wanted` threads have a core to run on, at least one.

    A quota of one and a half cores is worth a second thread, one of less is not: it would wait for
    the quota of the next period more often than it helps.

    Parameters
    ----------
    wanted : int
        Threads that a lane is set to.
    root : Path
        The folder of ``/proc`` and ``/sys``.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = min((int(limit + 0.5) for limit in _quotas(root)), default=wanted)
    return max(1, min(wanted, cores or 1, quota))


def _quotas(root: Path) -> Iterator[float]:
    """Yield the limits of this process's control groups and those around them, in cores."""
    groups = root / "sys/fs/cgroup"
    lines: list[str] = []
    with suppress(OSError):  # of another system
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    for line in lines:
        _, controllers, path = line.split(":", 2)
        top = groups / controllers if controllers else groups
        if controllers and "cpu" not in controllers.split(","):
            continue
        # In a container the path is often the host's, and the group is mounted as the top.
        own = top / path.strip("/")
        for group in dict.fromkeys((own, *(p for p in own.parents if p.is_relative_to(top)))):
            with suppress(OSError, ValueError):  # no such group or file, or "max"
                if controllers:
                    quota = (group / "cpu.cfs_quota_us").read_text()
                    period = (group / "cpu.cfs_period_us").read_text()
                else:
                    quota, period = (group / "cpu.max").read_text().split()
                if int(quota) > 0:
                    yield int(quota) / int(period)
