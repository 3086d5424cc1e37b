"""Flow: jobs that ended lately, how many per unit of time, how long they took, what they cost.

All of it is computed from records, so that it says the same of a laptop as of AWS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from math import floor
from typing import Final

import numpy as np

from matinv.jobs.lanes import Lane
from matinv.jobs.limits import predict
from matinv.jobs.prices import Cost, cost_of
from matinv.jobs.record import Record, Status
from matinv.jobs.times import seconds_of, timestamp
from matinv.ports import ClientTable
from matinv.ports.parallel import side_by_side

PHASES: Final = ("queued_ms", "load_ms", "invert_ms", "publish_ms")
BUCKETS: Final = 30  # of a window: bars that a terminal of 80 columns has room for

# Places of each status that one reading lists at most, with no record: 20 queries of 1,000, half a
# second and 0.003 cents. Jobs that end faster are counted over less time than the window.
LIST_LIMIT: Final = 20_000

# Records that one reading reads at most, the latest: five calls side by side, a tenth of a second.
READ_LIMIT: Final = 500

# Jobs that are kept between readings: 300 bytes each.
_KEPT: Final = 50_000

# What is new may stand behind what is known: clocks of workers differ, and the index is late.
_OVERLAP_S: Final = 10.0

# Throughput is of the last minute, or of as much of it as has seen jobs end.
_RECENT_S: Final = 60.0


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
        Jobs that ended in it, and how many of them failed or expired.
    latency_ms : Percentiles or None
        From being queued to the result; None where nothing ended.
    """

    begin: str
    ended: int
    failed: int
    latency_ms: Percentiles | None


@dataclass(frozen=True, slots=True)
class Spending:
    """The cost of jobs at us-east-1's list prices, by their records.

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
    """The jobs that ended within a window of time.

    Parameters
    ----------
    since, until : str
        Beginning and end of the time that the numbers cover.
    complete : bool
        Whether that is the whole window; else so many jobs ended that only the latest count.
    read : int
        Of so many jobs, the latest, latency and cost are known: the next readings fill them in.
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
        The cost of those jobs.
    """

    since: str
    until: str
    complete: bool
    read: int
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
    """The figures of a job that ended: the last two are of its record, once that was read."""

    at_s: float
    failed: bool
    phases_ms: tuple[float | None, ...] = ()
    cost: Cost | None = None

    @property
    def latency_ms(self) -> float | None:
        known = [ms for ms in self.phases_ms if ms is not None]
        return sum(known) if known else None


@dataclass(slots=True)
class Recent:
    """Jobs that ended within the window, kept between readings so that each is read about once.

    One reading at a time.

    Parameters
    ----------
    window_s : float
        Length of the window.
    """

    window_s: float = 900.0
    _jobs: dict[str, _Ended] = field(default_factory=dict)
    _covered_s: float = field(default=0.0)  # nothing that ended after this is missing

    def read(self, table: ClientTable, now_s: float, lanes: Lane) -> Flow:
        """List new jobs, read some of their records, and return the figures so far.

        `lanes` are those that the jobs ran in.

        Raises
        ------
        Transient
            If the table cannot be read.
        """
        bucket_s = self.window_s / BUCKETS
        since_s = (floor(now_s / bucket_s) - BUCKETS + 1) * bucket_s
        latest_s = max((job.at_s for job in self._jobs.values()), default=0.0)
        # A clock that is ahead must not hide what others do.
        since = timestamp(max(since_s, min(latest_s, now_s) - _OVERLAP_S))
        found: dict[str, tuple[str, bool]] = {}
        covered_s = self._covered_s
        # A job that nobody began in time is one that the stack failed; one that somebody cancelled
        # is not.
        statuses = (Status.SUCCEEDED, Status.PARTIAL, Status.FAILED, Status.EXPIRED)
        listed = side_by_side(lambda status: [*table.places(status, LIST_LIMIT, since)], statuses)
        for status, places in zip(statuses, listed, strict=True):
            for at, job_id in places:  # in two lists while the index moves it
                failed = status in {Status.FAILED, Status.EXPIRED}
                found[job_id] = max((at, failed), found.get(job_id, ("", False)))
            if len(places) == LIST_LIMIT:
                covered_s = max(covered_s, seconds_of(places[-1][0]))
        jobs = dict(self._jobs)
        for job_id, (at, failed) in found.items():
            ended = _Ended(seconds_of(at), failed)
            known = jobs.get(job_id)
            if known is None or (known.at_s, known.failed) != (ended.at_s, failed):
                jobs[job_id] = ended
        latest = sorted(jobs, key=lambda job_id: jobs[job_id].at_s, reverse=True)
        if len(latest) > _KEPT:
            covered_s = max(covered_s, jobs[latest[_KEPT]].at_s)
        first_s = max(since_s, covered_s)
        self._jobs = {i: jobs[i] for i in latest[:_KEPT] if jobs[i].at_s >= first_s}
        self._covered_s = covered_s
        unread = (job_id for job_id, job in self._jobs.items() if job.cost is None)
        read = [*islice(unread, READ_LIMIT)]
        records = table.get(read)
        for job_id in read:
            if job_id in records:
                self._jobs[job_id] = _ended(self._jobs[job_id], records[job_id], lanes)
            else:
                del self._jobs[job_id]  # removed since
        return _flow([*self._jobs.values()], since_s, first_s, now_s, bucket_s)


def lane_of(record: Record, lanes: Lane) -> Lane:
    """Return which of a stack's lanes a job was done in, as far as its size tells."""
    shape, dtype = record.input.shape, record.input.dtype
    if record.result is None or shape is None or dtype is None:
        return lanes
    prediction = predict(shape, dtype)
    return (
        lanes.first_for(prediction.memory_bytes, prediction.seconds, prediction.serial_s)
        or [*lanes][-1]
    )


def _ended(job: _Ended, record: Record, lanes: Lane) -> _Ended:
    phases = tuple(record.timings_ms.get(name) for name in PHASES)
    spent_ms = sum(ms for ms in phases[1:] if ms is not None)
    price = cost_of(record, lane_of(record, lanes), spent_ms / 1000)
    return replace(job, phases_ms=phases, cost=price)


def _flow(
    jobs: Sequence[_Ended], since_s: float, first_s: float, now_s: float, bucket_s: float
) -> Flow:
    pieces: list[list[_Ended]] = [[] for _ in range(BUCKETS)]
    for job in jobs:
        pieces[min(int((job.at_s - since_s) / bucket_s), BUCKETS - 1)].append(job)
    read = [job for job in jobs if job.phases_ms]
    prices = [job.cost for job in read if job.cost]
    phases = {
        name.removesuffix("_ms"): _percentiles([job.phases_ms[i] for job in read])
        for i, name in enumerate(PHASES)
    }
    lately = [job.at_s for job in jobs if job.at_s >= now_s - _RECENT_S]
    by_service = {name: sum(getattr(one, name) for one in prices) for name in Cost.__slots__}
    total = sum(by_service.values())
    return Flow(
        timestamp(first_s),
        timestamp(now_s),
        first_s <= since_s,
        len(read),
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
        Spending(total, total / len(prices) if prices else None, by_service),
    )


def _percentiles(times_ms: Sequence[float | None]) -> Percentiles | None:
    known = [ms for ms in times_ms if ms is not None]
    if not known:
        return None
    p50, p95, p99 = np.percentile(known, [50, 95, 99])
    return Percentiles(float(p50), float(p95), float(p99))
