"""Records as JSON documents."""

from __future__ import annotations

import json

from matinv.jobs.record_document import document_of, record_of
from matinv.testing.contracts import full_record


def test_a_record_reads_back_from_its_document() -> None:
    record = full_record()
    document = json.loads(json.dumps(document_of(record)))
    assert record_of(document) == record
    assert document["result"]["inline"] is False
    little = record_of({"job_id": "a", "status": "QUEUED", "input": {"source": "s", "id": ""}})
    assert record_of(document_of(little)) == little
