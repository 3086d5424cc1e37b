"""Looking: what is known of jobs, records and files without one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from matinv.client.parallel import side_by_side
from matinv.jobs.record import InputInfo, Record, Status
from matinv.jobs.request import Request, input_info
from matinv.ports import JobTable, MatrixStore


class Known(Protocol):
    """A job as far as this process knows it: its id, and what was sent if it was sent from here."""

    @property
    def job_id(self) -> str:
        """Its id."""
        ...

    @property
    def input(self) -> InputInfo | None:
        """The input that was sent."""
        ...


def look(
    table: JobTable, store: MatrixStore, jobs: Sequence[Known], queued: dict[str, Record]
) -> dict[str, Record]:
    """Return the records of those jobs that are known, with one read of the table.

    Parameters
    ----------
    table, store
        Where to look.
    jobs : sequence of Known
        One that this process has sent is known, and is not mistaken for an older one of its id.
    queued : dict
        Files that were found before, to be looked for only once; new ones are added.
    """
    found = table.get([job.job_id for job in jobs])
    for job in jobs:
        record = found.get(job.job_id)
        if job.input and (record is None or _is_older(store, record, job.input)):
            found[job.job_id] = _waiting(job.job_id, job.input)
    missing = [j.job_id for j in jobs if j.job_id not in found and j.job_id not in queued]
    dropped = side_by_side(store.find_input, missing)
    for job_id, reference in zip(missing, dropped, strict=True):
        if reference:
            queued[job_id] = _waiting(job_id, input_info(Request(job_id, reference)))
    return {j.job_id: queued[j.job_id] for j in jobs if j.job_id in queued} | found


def _is_older(store: MatrixStore, record: Record, sent: InputInfo) -> bool:
    """Whether a record is about an older file than the one sent, which is still to come."""
    if record.input.id == sent.id or record.input.source != sent.source:
        return False
    current = store.find_input(record.job_id)
    return current is not None and input_info(Request(record.job_id, current)).id == sent.id


def _waiting(job_id: str, info: InputInfo) -> Record:
    """Return what to say of an input that has no record: nobody knows since when it waits."""
    return Record(job_id, Status.QUEUED, info, created_at="", updated_at="", expires_at=0)
