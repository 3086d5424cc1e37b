"""The rules for every `JobEvents`."""
# ruff: noqa: D102 - a test's name is its sentence

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from matinv.formats.codecs import Format
from matinv.jobs.record import ResultInfo, Status
from matinv.ports import JobEvents
from matinv.testing.contracts.table import full_record, record


class JobEventsContract:
    """`matinv.ports.JobEvents`."""

    @pytest.fixture
    def events(self) -> JobEvents:
        """Return a topic that nothing was published to."""
        raise NotImplementedError

    def received(self, events: JobEvents) -> dict[str, tuple[dict[str, str], dict[str, Any]]]:
        """Return a subscriber's messages: by job id the attributes, and the body as parsed JSON."""
        raise NotImplementedError

    def test_an_event_says_what_the_record_says(self, events: JobEvents) -> None:
        assert events.publish([full_record()]) == [True]
        attributes, body = self.received(events)["full"]
        assert attributes == {
            "status": "PARTIAL",
            "error_code": "SINGULAR",
            "run": "fem/7",
        }
        assert list(body) == [
            "job_id",
            "status",
            "error",
            "input",
            "result",
            "certificate",
            "tags",
            "run",
            "warnings",
            "cost",
            "attempts",
            "updated_at",
        ]
        assert body["status"] == "PARTIAL"
        assert body["error"] == {"code": "SINGULAR", "message": "two rows agree"}
        assert body["input"] == {
            "source": "s3://inputs/мир.npy",
            "shape": [3, 2, 2],
            "dtype": "float64",
        }
        assert body["result"] == {
            "uri": "s3://results/x.npy",
            "version_id": "v2",
            "format": "npy",
            "sha256": "ab" * 32,
            "bytes": 96,
            "part_bytes": 64,
        }
        assert body["certificate"]["rcond_1"] == 5e-324
        assert body["certificate"]["checked"] == "probe"
        assert body["tags"] == {"team": "fem", "é ": "", "size": "逆"}
        assert body["warnings"] == ["ILL_CONDITIONED"]
        assert (body["attempts"], body["updated_at"]) == (3, "2026-11-21T03:00:01.500Z")

    def test_what_a_record_lacks_its_event_lacks(self, events: JobEvents) -> None:
        events.publish([record("little", status=Status.FAILED)])
        attributes, body = self.received(events)["little"]
        assert attributes == {"status": "FAILED"}
        assert list(body) == ["job_id", "status", "input", "attempts", "updated_at"]
        assert body["input"] == {"source": "message"}

    def test_the_bytes_of_a_small_result_stay_in_the_record(self, events: JobEvents) -> None:
        result = ResultInfo(Format.JSON, "0" * 64, 6, inline=b"SECRET")
        events.publish([replace(record("a", status=Status.SUCCEEDED), result=result)])
        _, body = self.received(events)["a"]
        assert body["result"] == {"format": "json", "sha256": "0" * 64, "bytes": 6}
        assert "SECRET" not in json.dumps(body)

    def test_many_records_are_published(self, events: JobEvents) -> None:
        assert events.publish([]) == []
        ids = [f"j{n}" for n in range(25)]
        assert events.publish([record(job_id) for job_id in ids]) == [True] * 25
        assert self.received(events).keys() == set(ids)

    @pytest.mark.parametrize(
        "text", ["a\x00b\x1f\x7f\x85", "\ufffe\uffff", "逆\U0001f600", '"\\\r\n</x>&', "\u2028"]
    )
    def test_odd_tags_arrive_as_they_are(self, events: JobEvents, text: str) -> None:
        odd = replace(record("odd"), tags={text: text})
        assert events.publish([record("a"), odd, record("b")]) == [True] * 3
        found = self.received(events)
        assert found.keys() == {"a", "odd", "b"}
        assert found["odd"][1]["tags"] == {text: text}

    def test_events_of_many_bytes_are_all_published(self, events: JobEvents) -> None:
        tags = {f"{n}{'k' * 120}": "\x01" * 256 for n in range(10)}
        records = [replace(record(f"j{n}"), tags=tags) for n in range(30)]  # 17 KB each
        assert events.publish(records) == [True] * 30
        assert self.received(events).keys() == {r.job_id for r in records}
