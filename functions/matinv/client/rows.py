"""Documents: records as JSON, for people's tools and pages."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from matinv.jobs.record import Record
from matinv.jobs.record_document import document_of


def job_row(record: Record) -> dict[str, Any]:
    """Return a record as a document; the bytes of a small result are left to `matinv result`."""
    return document_of(record) | {"note": note(record)}


def note(record: Record) -> str | None:
    """Return what a person should know of a job: its error, failed slices, warnings."""
    if record.error:
        return f"{record.error.code}: {record.error.message}"
    parts = list(record.warnings)
    if record.slices and record.slices.failed:
        parts.insert(0, f"{record.slices.failed} of {record.slices.count} slices failed")
    return ", ".join(parts) or None


def json_text(value: Mapping[str, Any]) -> str:
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
