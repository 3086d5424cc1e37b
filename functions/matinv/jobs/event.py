"""The news that a job has ended: its record, without the bytes of the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from matinv.jobs.record import Record
from matinv.jobs.record_document import document_of

# Of the record's document; an event has at most 256 KiB, ten of them together as well.
_FIELDS: Final = (
    "job_id", "status", "error", "input", "result", "certificate", "tags", "run", "warnings",
    "cost", "attempts", "updated_at",
)  # fmt: skip
_PARTS: Final = {
    "error": ("code", "message"),
    "input": ("source", "shape", "dtype"),
    "result": ("uri", "version_id", "format", "sha256", "bytes", "part_bytes"),
}


@dataclass(frozen=True, slots=True)
class Event:
    """One job's event.

    Parameters
    ----------
    job_id : str
        The job.
    body : str
        A JSON document; fields without a value are left out.
    attributes : mapping
        Subscribers filter by these without reading the body: ``status``, of a failure also
        ``error_code``, of a job in a run ``run``. SQS drops messages with more than ten, and
        people add their own.
    """

    job_id: str
    body: str
    attributes: Mapping[str, str]


def event_of(record: Record) -> Event:
    """Return the event of a job that has ended."""
    attributes = {"status": str(record.status)}
    if record.error:
        attributes["error_code"] = str(record.error.code)
    if record.run:
        attributes["run"] = record.run
    document = document_of(record)
    fields = {name: document[name] for name in _FIELDS if name in document}
    for name, parts in _PARTS.items():
        if name in fields:
            fields[name] = {part: fields[name][part] for part in parts if part in fields[name]}
    text = orjson.dumps(fields).decode()
    # The two characters of JSON that XML, and so SQS behind the topic, does not take.
    body = text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")
    return Event(record.job_id, body, attributes)
