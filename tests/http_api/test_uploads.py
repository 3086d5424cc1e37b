"""``/uploads``: a file above 5 GiB, in parts."""

from __future__ import annotations

from typing import Any

import pytest

from matinv.jobs.request import Reference
from support.api_server import ApiServer

GIB = 2**30
NAMED = {"job_id": "a", "format": "json", "upload_id": "u1"}
HASH = 64 * "0"
PIECES = [b"[[2, 0], ", b"[0, 4]]"]


def begin(ask: ApiServer, **fields: Any) -> Any:
    upload = {"format": "json", "bytes": 5 * GIB + 1}
    answer = ask.post("/jobs", {"job_id": "a", "upload": upload, **fields})
    assert (answer.status, answer.headers["location"]) == (202, "/jobs/a")
    return answer.tree["upload"]


def completion(ask: ApiServer) -> dict[str, Any]:
    """Send all parts, past their URLs."""
    for number, piece in enumerate(PIECES, 1):
        ask.service.store.put_part("a.json", "u1", number, [piece])
    parts = [{"number": number, "sha256": HASH, "etag": '"e"'} for number in (1, 2)]
    return {**NAMED, "bytes": sum(map(len, PIECES)), "parts": parts}


def test_a_file_above_what_one_put_takes_gets_an_upload_in_parts(ask: ApiServer) -> None:
    upload = begin(ask, method="spd")
    assert upload.keys() == {"upload_id", "part_bytes", "source"}
    assert (upload["upload_id"], upload["source"]) == ("u1", "s3://inputs/a.json")
    assert ask.post("/jobs", {"upload": {"format": "npy", "bytes": 5 * GIB}}).tree["upload"]["url"]
    parts = [{"number": n, "part_bytes": 10 + n, "sha256": HASH} for n in (3, 1)]
    pages = ask.post("/uploads/parts", {**NAMED, "parts": parts}).tree
    assert [one["headers"]["content-length"] for one in pages["urls"]] == ["13", "11"]
    done = ask.post("/uploads/complete", completion(ask))
    assert (done.status, done.headers["location"]) == (202, "/jobs/a")
    with ask.service.store.open(Reference.at(done.tree["source"], done.tree["version_id"])) as blob:
        assert blob.read(99) == b"".join(PIECES)
        assert blob.metadata["matinv-method"] == "spd"
    ask.service.work()
    assert ask.get("/jobs/a").tree["status"] == "SUCCEEDED"


def test_a_job_that_has_got_an_input_meanwhile_keeps_it(ask: ApiServer) -> None:
    begin(ask)
    assert ask.post("/jobs", {"job_id": "a", "matrix": [[2]]}).status == 202
    whole = completion(ask)
    answer = ask.post("/uploads/complete", whole)
    assert (answer.status, answer.code) == (409, "JOB_ID_CONFLICT")
    assert ask.service.store.find_input("a.json") is None
    assert ask.post("/uploads/complete", {**whole, "replace": True}).status == 202


def test_what_was_dropped_cannot_be_completed(ask: ApiServer) -> None:
    begin(ask)
    whole = completion(ask)
    assert [ask.post("/uploads/abort", NAMED).status for _ in range(2)] == [200, 200]
    answer = ask.post("/uploads/complete", whole)
    assert (answer.status, answer.code) == (400, "INPUT_GONE")


PART = {"number": 1, "part_bytes": 5, "sha256": HASH}


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("parts", {**NAMED, "parts": []}, "BAD_MESSAGE"),
        ("parts", {**NAMED, "parts": 101 * [PART]}, "BAD_MESSAGE"),
        ("parts", {**NAMED, "parts": [PART | {"number": 10_001}]}, "BAD_MESSAGE"),
        ("parts", {**NAMED, "parts": [PART | {"part_bytes": 5 * GIB + 1}]}, "BAD_MESSAGE"),
        ("parts", {**NAMED, "parts": [PART | {"sha256": "no"}]}, "BAD_MESSAGE"),
        ("parts", {**NAMED, "job_id": "../x", "parts": [PART]}, "BAD_JOB_ID"),
        ("complete", {**NAMED, "bytes": 5, "parts": []}, "BAD_MESSAGE"),
        ("complete", NAMED, "BAD_MESSAGE"),
        ("abort", NAMED | {"upload_id": "a b"}, "BAD_MESSAGE"),
        ("abort", NAMED | {"format": "xlsx"}, "BAD_MESSAGE"),
        ("abort", [], "BAD_MESSAGE"),
    ],
)
def test_what_s3_would_not_take_is_not_asked_of_it(
    ask: ApiServer, path: str, body: Any, code: str
) -> None:
    answer = ask.post(f"/uploads/{path}", body)
    assert (answer.status, answer.code) == (400, code)
    assert not {"part_url", "finish_upload", "abort_parts"} & {
        name for name, times in ask.service.store.calls.items() if times
    }
