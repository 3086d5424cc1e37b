"""Deleting jobs: what was uploaded, the result, and the record that names both."""

from __future__ import annotations

from matinv.client.client import Client
from matinv.client.errors import NotFinished
from matinv.jobs.ids import job_id_of
from matinv.jobs.record import Record
from matinv.jobs.request import identities, reference_of


def delete_job(client: Client, record: Record) -> None:
    """Delete a job that has ended: its result, the file that was dropped for it, its record.

    The record goes last: until then a duplicate finds that the job has ended, and whoever was
    interrupted can begin again. A file that a message merely refers to stays, and so does a newer
    upload, which is a job to come.

    Parameters
    ----------
    client : Client
        The stack.
    record : Record
        Of the job.

    Raises
    ------
    NotFinished
        If it has not ended.
    Refused, Transient
        If the stack refuses or fails.
    """
    stack = client.stack("deleting jobs", "delete it through the stack itself: matinv --stack")
    if not record.status.terminal:
        raise NotFinished(record.job_id, record.status)
    if record.result and record.result.uri:
        stack.store.delete(record.result.uri, record.result.version_id)
    file = reference_of(record.input)
    if record.input.source.startswith("s3://") and job_id_of(file.key) == record.job_id:
        current = stack.store.find_input(file.key)
        if current and identities(current) & identities(file):
            # Without a version: an older one must not come to light and look like a new job.
            stack.store.delete(file.uri)
    stack.table.delete(record.job_id)
