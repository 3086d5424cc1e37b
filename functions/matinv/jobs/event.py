"""What subscribers are told of a job that has ended: its record, but not the result's bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from matinv.jobs.record import InputInfo, Record, ResultInfo


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
        What subscribers filter by without reading the body: ``status``, of a failure also
        ``error_code``. SQS drops messages with more than ten, and people add their own.
    """

    job_id: str
    body: str
    attributes: Mapping[str, str]


def event_of(record: Record) -> Event:
    """Return the event of a job that has ended."""
    attributes = {"status": str(record.status)}
    if record.error:
        attributes["error_code"] = str(record.error.code)
    text = orjson.dumps(dict(_fields(record))).decode()
    # The two characters of JSON that XML, and so SQS behind the topic, does not take.
    body = text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")
    return Event(record.job_id, body, attributes)


def _fields(record: Record) -> Iterator[tuple[str, Any]]:
    yield "job_id", record.job_id
    yield "status", record.status
    if record.error:
        yield "error", {"code": record.error.code, "message": record.error.message}
    yield "input", _input(record.input)
    if record.result:
        yield "result", _result(record.result)
    if record.certificate:
        yield "certificate", record.certificate
    if record.tags:
        yield "tags", record.tags
    if record.warnings:
        yield "warnings", record.warnings
    yield "attempts", record.attempts
    yield "updated_at", record.updated_at


def _input(info: InputInfo) -> dict[str, Any]:
    return _present(source=info.source, shape=info.shape, dtype=info.dtype)


def _result(result: ResultInfo) -> dict[str, Any]:
    return _present(
        uri=result.uri,
        version_id=result.version_id,
        format=result.format,
        sha256=result.sha256,
        bytes=result.size_bytes,
    )


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
