"""A job's record as a JSON document, with the field names of README.md beside it, and back.

API, command, page and events take their fields from this document. The bytes of a small result are
left out: ``result.inline`` says whether they are in the record.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from matinv.errors import Code, ErrorInfo
from matinv.formats.codecs import Format
from matinv.jobs.record import (
    InputInfo,
    JobCost,
    Progress,
    Record,
    ResultInfo,
    SliceFailure,
    Slices,
    Status,
)
from matinv.linalg.certificate import Certificate

Document = dict[str, Any]


def document_of(record: Record) -> Document:
    """Return a record as a document; what it does not know is left out."""
    fields = asdict(record)
    fields["timings"] = fields.pop("timings_ms")
    for part in (fields["input"], fields["result"] or {}):
        part["bytes"] = part.pop("size_bytes", None)
    if record.result:
        fields["result"]["inline"] = record.result.inline is not None
    if record.error:
        fields["error"] = record.error.document()
    fields["certificate"] = record.certificate.document() if record.certificate else None
    for name, part in fields.items():
        if isinstance(part, dict):
            fields[name] = {key: value for key, value in part.items() if value is not None}
    return {name: part for name, part in fields.items() if part not in (None, "", {}, ())}


def note(record: Record) -> str | None:
    """Return a job's note for people: error, progress, failed slices, warnings."""
    if record.error:
        return f"{record.error.code}: {record.error.message}"
    if record.progress:
        return f"{record.progress.percent:g} % done, until {record.progress.ends_at}"
    parts = list(record.warnings)
    if record.slices and record.slices.failed:
        parts.insert(0, f"{record.slices.failed} of {record.slices.count} slices failed")
    return ", ".join(parts) or None


def noted_document(record: Record) -> Document:
    """Return a record as a document for people, with its `note`."""
    return document_of(record) | {"note": note(record)}


def field_of(document: Mapping[str, Any], path: str) -> Any:
    """Return a field of a document, None if it is not there.

    Examples
    --------
    >>> field_of({"input": {"dtype": "float64"}}, "input.dtype")
    'float64'
    """
    value: Any = document
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def json_line(value: Mapping[str, Any]) -> str:
    """Return a document on one line; numbers that JSON does not have become null."""
    return json.dumps(plain(value), allow_nan=False)


def plain(value: Any) -> Any:
    """Return a value as JSON can have it: numbers that are not finite become None."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case Mapping():
            return {key: plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
    return value


def record_of(document: Mapping[str, Any]) -> Record:
    """Return the record that a document describes, without the bytes of a small result."""
    error = result = certificate = slices = None
    source = document["input"]
    if "error" in document:
        fields = document["error"]
        texts = {k: v for k, v in fields.items() if k in {"message", "hint", "observed", "limit"}}
        error = ErrorInfo(Code(fields["code"]), **{"message": "", **texts})
    if "result" in document:
        fields = document["result"]
        result = ResultInfo(
            format=Format(fields["format"]),
            sha256=fields["sha256"],
            size_bytes=fields["bytes"],
            uri=fields.get("uri"),
            version_id=fields.get("version_id"),
            part_bytes=fields.get("part_bytes"),
        )
    if "certificate" in document:
        certificate = Certificate.of(document["certificate"])
    if "slices" in document:
        fields = document["slices"]
        failures = tuple(SliceFailure(**failure) for failure in fields["failures"])
        slices = Slices(fields["count"], fields["failed"], failures)
    return Record(
        job_id=document["job_id"],
        status=Status(document["status"]),
        input=InputInfo(
            source=source["source"],
            id=source["id"],
            order=source.get("order"),
            size_bytes=source.get("bytes"),
            shape=tuple(source["shape"]) if source.get("shape") is not None else None,
            dtype=source.get("dtype"),
            content=source.get("content"),
        ),
        created_at=document.get("created_at", ""),
        updated_at=document.get("updated_at", ""),
        expires_at=document.get("expires_at", 0),
        attempts=document.get("attempts", 0),
        redrive=document.get("redrive", 0),
        revision=document.get("revision", 0),
        question=document.get("question", ""),
        options=document.get("options", {}),
        message_id=document.get("message_id", ""),
        message_at_ms=document.get("message_at_ms", 0),
        error=error,
        result=result,
        certificate=certificate,
        slices=slices,
        progress=Progress(**document["progress"]) if "progress" in document else None,
        timings_ms=document.get("timings", {}),
        cost=JobCost(**document["cost"]) if "cost" in document else None,
        warnings=tuple(document.get("warnings", ())),
        tags=document.get("tags", {}),
        run=document.get("run", ""),
        engine=document.get("engine", {}),
    )
