"""`JobRow`: what the table of jobs shows of a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from matinv.jobs.lanes import Lane
from matinv.jobs.record import Record, Status
from matinv.jobs.record_document import field_of, noted_document
from matinv.operations.throughput import lane_of

# Where a worker spends time on a job, in this order; `queued_ms` comes before.
STAGES: Final = ("load_ms", "invert_ms", "publish_ms")

# The table's columns, and the fields of a record's document that they show, beside `work_ms` and
# `lane`, which stand in no record.
_SHOWN: Final[Mapping[str, str]] = {
    "job_id": "job_id",
    "status": "status",
    "shape": "input.shape",
    "dtype": "input.dtype",
    "digits": "certificate.digits",
    "code": "error.code",
    "note": "note",
    "tags": "tags",
    "updated_at": "updated_at",
    "revision": "revision",
}
COLUMNS: Final = (*_SHOWN, "work_ms", "lane")


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job in the table.

    Parameters
    ----------
    job_id, status : str, Status
        Which, and where it is.
    updated_at : str
        When its record last changed.
    revision : int
        How often.
    cells : tuple
        The cells of the table, in the order of `COLUMNS`.
    """

    job_id: str
    status: Status
    updated_at: str
    revision: int
    cells: tuple[Any, ...]


def unread_row(job_id: str, status: Status, updated_at: str) -> JobRow:
    """Return the row of a record that was not read yet, of which the index tells these three."""
    known = {"job_id": job_id, "status": status, "updated_at": updated_at, "revision": 0}
    return JobRow(job_id, status, updated_at, 0, tuple(map(known.get, COLUMNS)))


def row_of(record: Record, lanes: Lane) -> JobRow:
    """Return a record's row; `lanes` are the stack's."""
    document = noted_document(record)
    shown = tuple(field_of(document, path) for path in _SHOWN.values())
    # Milliseconds that a worker spent on it, as far as they are known.
    known = [record.timings_ms[stage] for stage in STAGES if stage in record.timings_ms]
    cells = (*shown, sum(known) if known else None, lane_of(record, lanes).name)
    return JobRow(record.job_id, record.status, record.updated_at, record.revision, cells)
