"""`JobRow`: what the table of jobs shows of a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from matinv.client.rows import note
from matinv.jobs.lanes import Lane
from matinv.jobs.record import Record
from matinv.operations.throughput import lane_of

# Where a worker spends time on a job, in this order; `queued_ms` comes before.
STAGES: Final = ("load_ms", "invert_ms", "publish_ms")


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job in the table.

    Parameters
    ----------
    job_id, status : str
        Which, and where it is.
    shape : tuple of int or None
        Of the input.
    dtype : str or None
        Of the input.
    digits : float or None
        Decimal digits to trust.
    work_ms : float or None
        Time that a worker spent on it, without the time in the queue.
    lane : str
        The lane that does jobs of this size.
    code : str or None
        Why it failed.
    note : str or None
        What a person should know: the error, failed slices, warnings.
    tags : mapping
        As they were sent.
    updated_at : str
        When its record last changed.
    revision : int
        How often.
    """

    job_id: str
    status: str
    shape: tuple[int, ...] | None
    dtype: str | None
    digits: float | None
    work_ms: float | None
    lane: str
    code: str | None
    note: str | None
    tags: Mapping[str, str]
    updated_at: str
    revision: int


COLUMNS: Final = tuple(JobRow.__slots__)


def row_of(record: Record, lanes: Lane) -> JobRow:
    """Return a record's row; `lanes` are the stack's."""
    return JobRow(
        record.job_id,
        str(record.status),
        record.input.shape,
        record.input.dtype,
        record.certificate.digits if record.certificate else None,
        work_ms(record),
        lane_of(record, lanes).name,
        str(record.error.code) if record.error else None,
        note(record),
        dict(record.tags),
        record.updated_at,
        record.revision,
    )


def work_ms(record: Record) -> float | None:
    """Return the time that a worker spent on a job, in milliseconds, as far as it is known."""
    known = [record.timings_ms[stage] for stage in STAGES if stage in record.timings_ms]
    return sum(known) if known else None
