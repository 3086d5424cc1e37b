"""Runs: their names, the run of a job, and its way through messages, metadata and records."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinv.errors import Code, Refused
from matinv.jobs.event import event_of
from matinv.jobs.message import encode, metadata_of, options_of_metadata, parse_message
from matinv.jobs.record import Status
from matinv.jobs.record_document import document_of, record_of
from matinv.jobs.request import Inline, Options, Request
from matinv.jobs.runs import checked_run, run_of, summary_of
from matinv.testing.contracts import full_record
from support.memory_service import MemoryService, general

TWO = [[2, 0], [0, 4]]


def run_named(name: Any) -> Any:
    """Return the run of a message that names one, or its error."""
    content = parse_message(json.dumps({"matrix": TWO, "run": name}).encode()).content
    return content.options.run if isinstance(content, Request) else content.info


class TestNames:
    @pytest.mark.parametrize("name", ["a", "fem/7", "größe 逆", "2026-11-28T21:00", "x" * 128, "#"])
    def test_printable_names_are_taken_as_they_are(self, name: str) -> None:
        assert run_named(name) == name

    def test_a_name_is_kept_in_normal_form_c(self) -> None:
        assert run_named("gro\u0308ße") == "größe"

    @pytest.mark.parametrize(
        "name",
        [
            *("", " a", "a ", "a\n", "a\x00b", "/a", "a/", "a//b", "..", "a/../b", ".", "a/./b"),
            *("x" * 129, "é" * 65, "a\u200b", 7, None, ["a"]),
        ],
    )
    def test_others_are_refused_and_the_job_keeps_its_id(self, name: Any) -> None:
        body = json.dumps({"job_id": "mine", "matrix": TWO, "run": name}).encode()
        parsed = parse_message(body)
        assert parsed.job_id == "mine"
        assert isinstance(parsed.content, Refused)
        assert parsed.content.code == Code.BAD_MESSAGE

    def test_an_error_says_what_is_allowed_and_what_to_do(self) -> None:
        with pytest.raises(Refused) as caught:
            checked_run("a//b")
        info = caught.value.info
        assert (info.observed, "128 bytes" in str(info.limit)) == ("a//b", True)
        assert info.hint == 'choose another, or leave "run" out'

    @pytest.mark.parametrize(
        ("job_id", "run"),
        [("a", ""), ("fem/a", "fem"), ("fem/7/a", "fem"), ("./a", ""), ("é" * 65 + "/a", "")],
    )
    def test_the_first_folder_of_an_id_is_a_run(self, job_id: str, run: str) -> None:
        assert run_of(job_id) == run
        assert run_of(job_id, "named") == "named"


class TestOnItsWay:
    @given(st.text(min_size=1, max_size=60))
    def test_a_run_goes_through_messages_and_metadata_unchanged(self, text: str) -> None:
        try:
            run = checked_run(text)
        except Refused:
            return
        options = Options(run=run)
        metadata = metadata_of(options)
        assert metadata["matinv-run"].isascii()
        assert options_of_metadata(metadata) == options
        matrix = Inline(np.eye(2), "json", 9)  # type: ignore[arg-type]
        body = encode(Request("a", matrix, options))
        assert parse_message(body.encode()).content.options == options  # type: ignore[union-attr]

    def test_a_name_in_metadata_that_is_none_is_refused(self) -> None:
        for text in ("", "%20a", "a%2F%2Fb", "%FF%00"):
            with pytest.raises(Refused, match="BAD_MESSAGE"):
                options_of_metadata({"matinv-run": text})

    def test_record_document_and_event_name_the_run(self) -> None:
        record = full_record()
        assert document_of(record)["run"] == record.run == "fem/7"
        assert record_of(document_of(record)).run == "fem/7"
        event = event_of(record)
        assert (event.attributes["run"], json.loads(event.body)["run"]) == ("fem/7", "fem/7")


class TestJobs:
    def test_messages_and_files_with_a_folder_are_of_one_run(self) -> None:
        service = MemoryService()
        service.deliver({"job_id": "fem/a", "matrix": TWO}, {"job_id": "b", "matrix": TWO})
        service.deliver(service.drop("fem/c.npy", np.eye(2)))
        service.deliver(service.drop("d.npy", np.eye(2), run="fem"))
        service.deliver({"job_id": "e", "matrix": [[1, 2], [2, 4]], "run": "fem"})
        summary = service.table.run_summary("fem")
        assert summary.counts == {Status.SUCCEEDED: 3, Status.FAILED: 1}
        assert summary.failures == {Code.SINGULAR: 1}
        ids = [entry.job_id for entry in service.table.run_entries("fem", Status.SUCCEEDED)]
        assert sorted(ids) == ["d", "fem/a", "fem/c"]

    def test_the_run_is_no_part_of_the_question(self) -> None:
        """A duplicate under another run changes nothing, and makes the same id."""
        service = MemoryService()
        for run in ("first", "second"):
            service.deliver({"matrix": TWO, "run": run})
        (record,) = service.table.records.values()
        assert (record.run, record.revision) == ("first", 1)

    @pytest.mark.parametrize("n", [4, 200])
    def test_the_client_names_a_run_in_messages_and_uploads(self, n: int) -> None:
        service = MemoryService()
        service.client.submit(general(n), job_id="a", run="gro\u0308ße").wait()
        assert service.table.records["a"].run == "größe"
        service.client.submit(general(n), job_id="fem/a").wait()
        assert [entry.job_id for entry in service.table.run_entries("fem")] == ["fem/a"]

    def test_what_waits_in_the_queue_is_in_its_run_already(self) -> None:
        service = MemoryService()
        service.client.submit(general(3), job_id="a", run="gro\u0308ße")
        assert service.table.run_summary("größe").counts == {Status.QUEUED: 1}


def test_a_job_that_moves_while_its_run_is_read_counts_once() -> None:
    entries = []
    for status in (Status.QUEUED, Status.RUNNING, Status.SUCCEEDED):
        service = MemoryService()
        service.deliver({"job_id": "a", "matrix": TWO, "run": "r"})
        (entry,) = service.table.run_entries("r")
        entries.append(type(entry)("a", status, "2026-11-21", entry.updated_at))
    assert summary_of("r", entries).counts == {Status.SUCCEEDED: 1}
