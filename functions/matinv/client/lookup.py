"""Looking: what is known of jobs, records and files without one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from matinv.formats.codecs import ENDINGS
from matinv.jobs.ids import job_id_of, names_of, without_ending
from matinv.jobs.record import InputInfo, Record, Status
from matinv.jobs.request import Request, input_info, reference_of
from matinv.ports import ClientStore, ClientTable
from matinv.ports.parallel import CLIENT_THREADS, side_by_side

_KEY_BYTES: Final = 1024


class Known(Protocol):
    """A job as far as this process knows it: its id, and what was sent if it was sent from here."""

    @property
    def job_id(self) -> str:
        """Its id."""
        ...

    @property
    def asked(self) -> str:
        """The name by which it was asked for: a key, a file's name, or its id."""
        ...

    @property
    def revision(self) -> int:
        """Only a record of a later revision is about the submission."""
        ...

    @property
    def input(self) -> InputInfo | None:
        """The input that was sent."""
        ...


def known_records(
    table: ClientTable, store: ClientStore, jobs: Sequence[Known], queued: dict[str, Record]
) -> dict[str, Record]:
    """Return the records of those jobs that are known, with one read of the table.

    Parameters
    ----------
    table, store
        The stores of records and of files.
    jobs : sequence of Known
        One that this process has sent is known, and is not mistaken for an older one of its id.
    queued : dict
        Files that were found before, each searched only once; new ones are added.
    """
    found = table.get([job.job_id for job in jobs])
    for job in jobs:
        record = found.get(job.job_id)
        if job.input and (record is None or _is_older(store, record, job)):
            found[job.job_id] = _waiting(job.job_id, job.input)
    missing = [job for job in jobs if job.job_id not in found and job.job_id not in queued]
    keys: dict[str, str] = {}  # under which a file may lie, and whose: of a hashed id only the
    for job in missing:  # asker knows one
        named = [job.asked] if job.asked.lower().endswith(ENDINGS) else []
        for key in [*named, *names_of(without_ending(job.asked)), *names_of(job.job_id)]:
            if job_id_of(key) == job.job_id and _is_key(key):
                keys[key] = job.job_id
    for key, reference in zip(
        keys, side_by_side(store.find_input, list(keys), CLIENT_THREADS), strict=True
    ):
        if reference:
            queued[keys[key]] = _waiting(keys[key], input_info(Request(keys[key], reference)))
    return {j.job_id: queued[j.job_id] for j in jobs if j.job_id in queued} | found


def _is_key(text: str) -> bool:
    """Whether S3 can have an object of this name ("Naming Amazon S3 objects", User Guide)."""
    size_bytes = len(text.encode(errors="replace"))
    whole = not any("\ud800" <= character <= "\udfff" for character in text)
    return 0 < size_bytes <= _KEY_BYTES and whole and ".." not in text.split("/")


def _is_older(store: ClientStore, record: Record, job: Known) -> bool:
    """Whether a record is older than the submission, whose own record is still to come."""
    sent = job.input
    if job.revision:
        return record.revision <= job.revision
    if sent is None or record.input.id == sent.id or record.input.source != sent.source:
        return False
    current = store.find_input(reference_of(record.input).key)
    return current is not None and input_info(Request(record.job_id, current)).id == sent.id


def _waiting(job_id: str, info: InputInfo) -> Record:
    """Return the record of an input that has none yet: nobody knows since when it waits."""
    return Record(job_id, Status.QUEUED, info, created_at="", updated_at="", expires_at=0)
