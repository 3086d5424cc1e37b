"""Records as JSON documents: one for API, command, page and events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

from matinv.backends.aws.dynamodb_items import item_of
from matinv.backends.aws.dynamodb_items import record_of as record_of_item
from matinv.cli.output import JOB_COLUMNS
from matinv.client.results import result_of
from matinv.console.rows import COLUMNS, row_of
from matinv.jobs.event import event_of
from matinv.jobs.lanes import Lane
from matinv.jobs.record import Record, Status
from matinv.jobs.record_document import document_of, field_of, noted_document, record_of
from matinv.testing.contracts import full_record

# What a document calls otherwise than a record, and what it leaves out: `inline` says only whether
# there are bytes.
RENAMED = {
    "timings_ms": "timings",
    "input.size_bytes": "input.bytes",
    "result.size_bytes": "result.bytes",
}
ADDED = {"error.retryable"}
MAPPINGS = {"timings", "tags", "engine", "options"}  # by names that users or workers choose
MAPPINGS |= {"certificate.sign"}  # of a complex matrix in two parts

LANE = Lane("standard", "", 1769, 1, 60.0)


def paths_of(value: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of the fields of a dataclass, of those inside it too."""
    for one in fields(value):
        inner = getattr(value, one.name)
        if is_dataclass(inner):
            yield from paths_of(inner, f"{path}{one.name}.")
        else:
            yield path + one.name


def keys_of(document: Any, path: str = "") -> Iterator[str]:
    for name, value in document.items():
        if isinstance(value, dict) and path + name not in MAPPINGS:
            yield from keys_of(value, f"{path}{name}.")
        else:
            yield path + name


def test_every_field_of_a_record_is_in_its_document_and_nothing_else() -> None:
    record = full_record()
    known = {RENAMED.get(path, path) for path in paths_of(record)}
    assert {*keys_of(document_of(record))} == known | ADDED


def test_a_record_reads_back_from_its_document() -> None:
    record = full_record()
    document = json.loads(json.dumps(document_of(record)))
    assert record_of(document) == record
    assert document["result"]["inline"] is False
    little = record_of({"job_id": "a", "status": "QUEUED", "input": {"source": "s", "id": ""}})
    assert record_of(document_of(little)) == little


def test_the_bytes_of_a_small_result_stay_in_the_record() -> None:
    record = full_record()
    small = replace(record, result=replace(result_of(record), uri=None, inline=b"secret numbers"))
    texts = [json.dumps(noted_document(small)), event_of(small).body]
    assert json.loads(texts[0])["result"]["inline"] is True
    assert not [text for text in texts if "secret" in text]
    assert record_of_item(item_of(small)) == small  # only DynamoDB has a codec of its own


def test_what_an_event_says_is_what_the_document_says() -> None:
    record = full_record()
    document, event = document_of(record), json.loads(event_of(record).body)
    shown = {path: field_of(event, path) for path in keys_of(event)}
    assert shown == json.loads(json.dumps({path: field_of(document, path) for path in shown}))
    assert {"job_id", "status", "result.sha256", "certificate.digits", "attempts"} <= shown.keys()


def test_an_event_of_a_job_that_says_little_has_no_empty_fields() -> None:
    little = Record("a", Status.FAILED, full_record().input, "", "2026-11-28T00:00:00.000Z", 0)
    event = json.loads(event_of(little).body)
    assert event.keys() == {"job_id", "status", "input", "attempts", "updated_at"}


def test_columns_of_command_and_page_show_fields_of_the_document() -> None:
    record = full_record()
    document = noted_document(record)
    for path in JOB_COLUMNS.values():
        assert field_of(document, path) not in {None, ""}, path
    row = row_of(record, LANE)
    cells = dict(zip(COLUMNS, row.cells, strict=True))
    assert (cells["job_id"], cells["status"]) == (record.job_id, record.status)
    assert cells["shape"] == record.input.shape
    assert cells["note"] == document["note"]
    assert cells["lane"] == LANE.name
