"""Records of jobs that ended, or wait, so many seconds before a fixed moment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from matinv.jobs.record import Record, Status
from matinv.jobs.times import timestamp
from matinv.operations.health import Health, snapshot
from matinv.operations.throughput import Recent
from matinv.testing.contracts import record
from support.memory_service import MemoryService

NOW_S = 1_700_000_100.0  # a hundred seconds after the memory service's first moment, whole in 30 s


def put(service: MemoryService, *records: Record) -> None:
    """Write records as they are, over what is there."""
    for one in records:
        service.table.records[one.job_id] = one


def ended(
    job_id: str, ago_s: float, status: Status = Status.SUCCEEDED, **timings_ms: float
) -> Record:
    at = timestamp(NOW_S - ago_s)
    return replace(record(job_id, status=status), updated_at=at, timings_ms=timings_ms)


def waiting(job_id: str, ago_s: float, status: Status = Status.QUEUED, **changes: Any) -> Record:
    at = timestamp(NOW_S - ago_s)
    return replace(record(job_id, status=status), created_at=at, updated_at=at, **changes)


def look(service: MemoryService, recent: Recent | None = None) -> Health:
    return snapshot(service.client, recent)
