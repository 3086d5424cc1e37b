"""Flow: jobs that ended lately, how many per unit of time, how long they took, what they cost.

All of it is computed from records, so that it says the same of a laptop as of AWS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile
from math import floor
from typing import Final

import numpy as np

from matinv.jobs.lanes import Lane
from matinv.jobs.limits import predict
from matinv.jobs.record import Record, Status
from matinv.jobs.request import MESSAGE_SOURCE
from matinv.jobs.times import timestamp
from matinv.operations.prices import Cost, cost
from matinv.ports import ClientTable

PHASES: Final = ("queued_ms", "load_ms", "invert_ms", "publish_ms")
BUCKETS: Final = 30  # of a window: bars that a terminal of 80 columns has room for

# Records of each status that one read takes at most: 20 calls, about half a second and a thirtieth
# of a cent. Jobs that end faster than that are counted over a shorter time than the window.
READ_LIMIT: Final = 2000

# Jobs that are kept between reads: 300 bytes each.
_KEPT: Final = 50_000

# What is new may stand behind what is known: clocks of workers differ, and the index is late.
_OVERLAP_S: Final = 10.0

# Throughput is of the last minute, or of as much of it as has seen jobs end.
_RECENT_S: Final = 60.0

_NOTIFICATION_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Half, 95 % and 99 % of the jobs took at most so many milliseconds."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Bucket:
    """A piece of the window.

    Parameters
    ----------
    begin : str
        Its first moment.
    ended, failed : int
        Jobs that ended in it, and how many of them failed.
    latency_ms : Percentiles or None
        From being queued to the result; None where nothing ended.
    """

    begin: str
    ended: int
    failed: int
    latency_ms: Percentiles | None


@dataclass(frozen=True, slots=True)
class Spending:
    """What jobs cost at us-east-1's list prices, each as if it had an invocation to itself.

    Parameters
    ----------
    total_usd : float
        All jobs that ended within the window.
    per_job_usd : float or None
        The mean; None if there was none.
    by_service_usd : mapping
        The total by ``compute``, ``queue``, ``table``, ``storage``.
    """

    total_usd: float
    per_job_usd: float | None
    by_service_usd: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Flow:
    """What ended within a window of time.

    Parameters
    ----------
    since, until : str
        What the numbers cover.
    complete : bool
        Whether that is the whole window; else so many jobs ended that only the latest were read.
    bucket_s : float
        Length of a bucket.
    buckets : tuple of Bucket
        The window from its begin to now; empty ones as well.
    ended, failed : int
        Jobs.
    per_s : float
        Jobs that end each second at present.
    latency_ms : Percentiles or None
        Of all jobs.
    phases_ms : mapping
        The same of each phase.
    cost : Spending
        What that took.
    """

    since: str
    until: str
    complete: bool
    bucket_s: float
    buckets: tuple[Bucket, ...]
    ended: int
    failed: int
    per_s: float
    latency_ms: Percentiles | None
    phases_ms: Mapping[str, Percentiles]
    cost: Spending


@dataclass(frozen=True, slots=True)
class _Ended:
    """What is kept of a job that ended."""

    job_id: str
    at_s: float
    failed: bool
    phases_ms: tuple[float | None, ...]
    cost: Cost

    @property
    def latency_ms(self) -> float | None:
        known = [ms for ms in self.phases_ms if ms is not None]
        return sum(known) if known else None


@dataclass(slots=True)
class Recent:
    """Jobs that ended within the window, kept between reads so that each is read about once.

    One read at a time.

    Parameters
    ----------
    window_s : float
        Length of the window.
    """

    window_s: float = 900.0
    _jobs: Sequence[_Ended] = ()  # the latest first
    _covered_s: float = field(default=0.0)  # nothing that ended after this is missing

    def read(self, table: ClientTable, now_s: float, lanes: Lane) -> Flow:
        """Read what is new and return what is known; `lanes` are those that the jobs ran in.

        Raises
        ------
        Transient
            If the table cannot be read.
        """
        bucket_s = self.window_s / BUCKETS
        since_s = (floor(now_s / bucket_s) - BUCKETS + 1) * bucket_s
        known_s = self._jobs[0].at_s - _OVERLAP_S if self._jobs else since_s
        found: dict[str, _Ended] = {}
        covered_s = self._covered_s
        for status in (Status.SUCCEEDED, Status.PARTIAL, Status.FAILED):
            read = (_ended(record, lanes) for record in table.list(status, READ_LIMIT))
            new = list(takewhile(lambda job: job.at_s >= max(since_s, known_s), read))
            found |= {job.job_id: job for job in new}
            if len(new) == READ_LIMIT:
                covered_s = max(covered_s, new[-1].at_s)
        jobs = [*found.values(), *(job for job in self._jobs if job.job_id not in found)]
        jobs.sort(key=lambda job: job.at_s, reverse=True)
        if len(jobs) > _KEPT:
            covered_s = max(covered_s, jobs[_KEPT].at_s)
        first_s = max(since_s, covered_s)
        self._jobs = tuple(job for job in jobs[:_KEPT] if job.at_s >= first_s)
        self._covered_s = covered_s
        return _flow(self._jobs, since_s, first_s, now_s, bucket_s)


def seconds_of(time_: str) -> float:
    """Return a record's time as seconds since the epoch.

    Examples
    --------
    >>> seconds_of("1970-01-01T00:00:00.500Z")
    0.5
    """
    return datetime.fromisoformat(time_).timestamp()


def lane_of(record: Record, lanes: Lane) -> Lane:
    """Return which of a stack's lanes a job was done in, as far as its size tells."""
    shape, dtype = record.input.shape, record.input.dtype
    if record.result is None or shape is None or dtype is None:
        return lanes
    prediction = predict(shape, dtype)
    return lanes.first_for(prediction.memory_bytes, prediction.seconds) or [*lanes][-1]


def _ended(record: Record, lanes: Lane) -> _Ended:
    phases = tuple(record.timings_ms.get(name) for name in PHASES)
    spent_ms = sum(ms for ms in phases[1:] if ms is not None)
    uploaded = record.input.source != MESSAGE_SOURCE
    inline = record.result is not None and record.result.inline is not None
    return _Ended(
        record.job_id,
        seconds_of(record.updated_at),
        record.status is Status.FAILED,
        phases,
        cost(
            spent_ms / 1000,
            lane_of(record, lanes).memory_mb,
            _NOTIFICATION_BYTES if uploaded else record.input.size_bytes or 1,
            record.result.size_bytes if record.result and inline else 0,
            uploaded=uploaded,
        ),
    )


def _flow(
    jobs: Sequence[_Ended], since_s: float, first_s: float, now_s: float, bucket_s: float
) -> Flow:
    pieces: list[list[_Ended]] = [[] for _ in range(BUCKETS)]
    for job in jobs:
        pieces[min(int((job.at_s - since_s) / bucket_s), BUCKETS - 1)].append(job)
    phases = {
        name.removesuffix("_ms"): _percentiles([job.phases_ms[i] for job in jobs])
        for i, name in enumerate(PHASES)
    }
    lately = [job.at_s for job in jobs if job.at_s >= now_s - _RECENT_S]
    by_service = {name: sum(getattr(job.cost, name) for job in jobs) for name in Cost.__slots__}
    total = sum(by_service.values())
    return Flow(
        timestamp(first_s),
        timestamp(now_s),
        first_s <= since_s,
        bucket_s,
        tuple(
            Bucket(
                timestamp(since_s + i * bucket_s),
                len(piece),
                sum(job.failed for job in piece),
                _percentiles([job.latency_ms for job in piece]),
            )
            for i, piece in enumerate(pieces)
        ),
        len(jobs),
        sum(job.failed for job in jobs),
        len(lately) / max(now_s - min(lately), 1.0) if lately else 0.0,
        _percentiles([job.latency_ms for job in jobs]),
        {name: found for name, found in phases.items() if found},
        Spending(total, total / len(jobs) if jobs else None, by_service),
    )


def _percentiles(times_ms: Sequence[float | None]) -> Percentiles | None:
    known = [ms for ms in times_ms if ms is not None]
    if not known:
        return None
    p50, p95, p99 = np.percentile(known, [50, 95, 99])
    return Percentiles(float(p50), float(p95), float(p99))
