"""``POST /jobs``: ids, uploads, and refusals before anything is sent."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest

from support.api_server import ApiServer
from support.memory_service import general

GOOD = [[1, 2], [3, 4]]


def npy(array: Any) -> str:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return base64.b64encode(buffer.getvalue()).decode()


def done(ask: ApiServer, job_id: str, **fields: Any) -> None:
    """Submit a job and let a worker do it."""
    assert ask.post("/jobs", {"job_id": job_id, "matrix": GOOD, **fields}).status == 202
    ask.service.work()


def test_the_idempotency_key_is_the_job_id(ask: ApiServer) -> None:
    key = {"idempotency-key": "exp/1"}
    first, again = (ask.post("/jobs", {"matrix": GOOD}, headers=key) for _ in range(2))
    assert (first.status, first) == (202, again)
    ask.service.work()
    ended = ask.post("/jobs", {"matrix": GOOD, "job_id": "exp/1"}, headers=key)
    assert (ended.status, ended.tree["status"]) == (200, "SUCCEEDED")
    assert ended.headers["location"] == "/jobs/exp/1"
    assert ask.service.queue.sent == []
    other = ask.post("/jobs", {"matrix": [[5]]}, headers=key)
    assert (other.status, other.code) == (409, "JOB_ID_CONFLICT")


@pytest.mark.parametrize("key", ["../x", "a b", "", "other"])
def test_a_key_that_is_no_id_or_not_the_one_in_the_body_is_400(ask: ApiServer, key: str) -> None:
    body = {"matrix": GOOD, "job_id": "exp-1"}
    answer = ask.post("/jobs", body, headers={"idempotency-key": key})
    assert (answer.status, answer.code) == (400, "BAD_JOB_ID")
    assert ask.service.queue.sent == []


def test_the_text_of_a_matrix_reaches_the_queue_as_it_is(ask: ApiServer) -> None:
    text = '{"matrix": [[0.10, 1e0], [ 3, 4.0]]}'
    ask.post("/jobs", text)
    ask.post("/jobs", text, headers={"idempotency-key": "a"})
    assert ask.service.queue.sent[0] == text
    assert "[[0.10, 1e0], [ 3, 4.0]]" in ask.service.queue.sent[1]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"matrix": [[1, 2]]}, 400, "NOT_SQUARE"),
        ({"matrix": GOOD, "redrive": 1}, 400, "BAD_MESSAGE"),
        ("hello", 400, "BAD_MESSAGE"),
        ({"npy": npy(general(180))}, 413, "TOO_LARGE"),
        ({"upload": {"format": "npy"}}, 400, "BAD_MESSAGE"),
        ({"upload": {"format": "npy", "bytes": 0}}, 400, "BAD_MESSAGE"),
        ({"upload": {"format": "xlsx", "bytes": 9}}, 400, "BAD_MESSAGE"),
        ({"upload": {"format": "npy", "bytes": 2**43}}, 413, "TOO_LARGE"),
        ({"upload": {"format": "npy", "bytes": 9}, "matrix": GOOD}, 400, "BAD_MESSAGE"),
        ({"upload": {"format": "npy", "bytes": 9}, "job_id": "../x"}, 400, "BAD_JOB_ID"),
        ({"upload": {"format": "npy", "bytes": 9}, "tags": {"É": "x"}}, 400, "BAD_MESSAGE"),
    ],
)
def test_what_no_worker_would_take_is_refused_and_not_sent(
    ask: ApiServer, body: Any, status: int, code: str
) -> None:
    answer = ask.post("/jobs", body)
    assert (answer.status, answer.code) == (status, code)
    assert (ask.service.queue.sent, ask.service.store.calls["upload_url"]) == ([], 0)


def test_an_upload_is_bound_to_one_key_size_and_options(ask: ApiServer) -> None:
    body = {
        "job_id": "big/1",
        "upload": {"format": "npy", "bytes": 800_128},
        "method": "spd",
        "tags": {"team": "fem"},
    }
    answer = ask.post("/jobs", body)
    assert (answer.status, answer.headers["location"]) == (202, "/jobs/big/1")
    upload = answer.tree["upload"]
    assert (upload["method"], upload["source"]) == ("PUT", "s3://inputs/big/1.npy")
    assert upload["headers"] == {
        "content-length": "800128",
        "if-none-match": "*",
        "x-amz-meta-matinv-method": "spd",
        "x-amz-meta-matinv-tag-team": "fem",
    }
    assert ask.get("/jobs/big/1").status == 404
    assert ask.post("/jobs", body).status == 202  # nothing has come: the URL may have been lost


def test_an_upload_without_a_name_gets_one(ask: ApiServer) -> None:
    body = {"upload": {"format": "json", "bytes": 9}}
    ids = {ask.post("/jobs", body).tree["job_id"] for _ in range(2)}
    assert len(ids) == 2
    assert all(job_id.startswith("upload-") for job_id in ids)


def test_a_known_job_gets_no_upload(ask: ApiServer) -> None:
    done(ask, "a")
    ask.service.store.upload("b.npy", [b"x"], {})
    for job_id in ("a", "b"):
        body = {"job_id": job_id, "upload": {"format": "npy", "bytes": 9}}
        assert ask.post("/jobs", body).code == "JOB_ID_CONFLICT"


def test_a_submission_reads_the_table_once(ask: ApiServer) -> None:
    body = {"job_id": "a", "matrix": GOOD}
    new, again = ask.post("/jobs", body), ask.post("/jobs", body)
    ask.service.work()
    reads = ask.service.table.calls["get"]
    ended = ask.post("/jobs", body)
    assert ask.service.table.calls["get"] == reads + 1
    assert [one.tree["status"] for one in (new, again, ended)] == ["QUEUED", "QUEUED", "SUCCEEDED"]
    assert (new.status, new.tree) == (202, again.tree)
    assert ended.tree == ask.get("/jobs/a").tree


def test_an_id_in_a_body_is_taken_as_it_stands(ask: ApiServer) -> None:
    body = {"upload": {"format": "npy", "bytes": 9}, "job_id": "a%2Fb"}
    assert ask.post("/jobs", body).headers["location"] == "/jobs/a%252Fb"  # paths are encoded
