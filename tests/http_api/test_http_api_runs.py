"""``/runs``: how a run goes, its jobs, and its results in pages."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from matinv.http_api import models
from matinv.jobs.record import Status
from matinv.local.samples import npy_bytes
from matinv.testing.contracts.runs import run_record
from support.api_server import ApiServer
from support.memory_service import general

GOOD = [[2, 0], [0, 4]]
SINGULAR = [[1, 2], [2, 4]]


def pages_of(ask: ApiServer, path: str, name: str, **query: Any) -> list[list[Any]]:
    """Return the pages of a list, to the last."""
    found, cursor = [], ""
    while True:
        text = "&".join(f"{key}={value}" for key, value in query.items())
        page = ask.get(path, query=text + cursor).tree
        found.append(page[name])
        if "cursor" not in page:
            return found
        cursor = f"&cursor={page['cursor']}"


def submit(ask: ApiServer, job_id: str, matrix: Any = GOOD, **fields: Any) -> None:
    answer = ask.post("/jobs", {"job_id": job_id, "matrix": matrix, **fields})
    assert answer.status == 202, answer.tree


def test_a_run_is_counted_from_its_first_message_to_its_last_result(ask: ApiServer) -> None:
    submit(ask, "fem/a")
    submit(ask, "b", SINGULAR, run="fem")
    submit(ask, "c", run="other")
    found = ask.get("/runs/fem")
    assert found.status == 200
    assert models.Run.model_validate(found.tree).counts == {Status.QUEUED: 2}
    ask.service.work()
    tree = ask.get("/runs/fem").tree
    assert tree["counts"] == {"SUCCEEDED": 1, "FAILED": 1}
    assert tree["failures"] == {"SINGULAR": 1}
    assert (tree["total"], tree["ended"]) == (2, 2)
    assert tree["first"] <= tree["last"]


@pytest.mark.parametrize("name", ["none", "a%2F%2Fb", "%00", "..%2F..", "a/jobs/b"])
def test_a_run_that_nobody_knows_is_404_and_its_lists_are_empty(ask: ApiServer, name: str) -> None:
    assert ask.get(f"/runs/{name}").code == "NOT_FOUND"
    assert ask.get(f"/runs/{name}/jobs").tree == {"jobs": []}
    assert ask.get(f"/runs/{name}/results").tree["results"] == []


@pytest.mark.parametrize("run", ["fem/7", "a/jobs", "results", "größe 逆", "a#?&b"])
def test_every_name_finds_its_way(ask: ApiServer, run: str) -> None:
    submit(ask, "x", run=run)
    path = quote(run, safe="")
    assert ask.get(f"/runs/{path}").tree["run"] == run
    assert [job["job_id"] for job in ask.get(f"/runs/{path}/jobs").tree["jobs"]] == ["x"]


def test_runs_are_listed_the_latest_first(ask: ApiServer) -> None:
    for run in ("a", "b/c"):
        submit(ask, f"of {run}", run=run)
        ask.service.now_s += 1
    tree = ask.get("/runs").tree
    assert [run["run"] for run in models.Runs.model_validate(tree).model_dump()["runs"]] == [
        "b/c",
        "a",
    ]
    assert len(ask.get("/runs", query="limit=1").tree["runs"]) == 1


def test_the_jobs_of_a_run_come_in_pages_and_by_status(ask: ApiServer) -> None:
    jobs = [
        run_record(f"{status}-{n}", "fem", status, at=n % 3) for status in Status for n in range(7)
    ]
    assert all(ask.service.table.put(jobs))
    pages = pages_of(ask, "/runs/fem/jobs", "jobs", limit=5)
    assert {len(page) for page in pages[:-1]} == {5}
    listed = [models.RunJob.model_validate(job) for page in pages for job in page]
    assert [job.job_id for job in listed] == [
        entry.job_id for entry in ask.service.table.run_entries("fem")
    ]
    failed = pages_of(ask, "/runs/fem/jobs", "jobs", limit=5, status="FAILED")
    assert [len(page) for page in failed] == [5, 2]
    assert {job["error_code"] for page in failed for job in page} == {"SINGULAR", "NON_FINITE"}


def test_results_come_in_pages_small_ones_inline_and_large_ones_as_urls(ask: ApiServer) -> None:
    matrices = {f"small/{n}": general(3, n) for n in range(3)}
    matrices |= {f"large/{n}": general(60, n) for n in range(2)}
    for job_id, matrix in matrices.items():
        npy = base64.b64encode(npy_bytes(matrix)).decode()
        assert ask.post("/jobs", {"job_id": job_id, "npy": npy, "run": "fem"}).status == 202
    submit(ask, "bad", SINGULAR, run="fem")
    submit(ask, "half", [GOOD, SINGULAR], run="fem")
    ask.service.work()
    pages = pages_of(ask, "/runs/fem/results", "results", limit=2)
    found = [models.RunResult.model_validate(one) for page in pages for one in page]
    assert [len(page) for page in pages] == [2, 2, 2, 0]  # a full page may have been the last
    assert {one.job_id for one in found} == {*matrices, "half"}
    assert found[-1].status is Status.PARTIAL
    for one in found:
        if one.url is None:
            content = base64.b64decode(one.inline or "")
        else:
            uri = ask.service.table.records[one.job_id].result.uri  # type: ignore[union-attr]
            assert uri in one.url
            with ask.service.store.results(str(uri), None) as blob:
                content = blob.read(blob.size_bytes)
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (one.sha256, one.bytes)
        if one.job_id in matrices:
            inverse = np.frombuffer(content[-8 * matrices[one.job_id].size :])
            n = len(matrices[one.job_id])
            assert np.allclose(inverse.reshape(n, n) @ matrices[one.job_id], np.eye(n))
    assert {one.job_id for one in found if one.url} == {"large/0", "large/1"}


def test_a_page_of_results_fits_an_answer_of_lambda(
    ask: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records hold results of up to 400 KB where somebody asks for it: such pages are shorter."""
    monkeypatch.setattr("matinv.http_api.runs.INLINE_BYTES", 3000)
    for n in range(5):
        submit(ask, f"j{n}", general(8, n).tolist(), run="fem", output="dynamodb", format="npy")
    ask.service.work()
    pages = pages_of(ask, "/runs/fem/results", "results")
    assert [len(page) for page in pages] == [4, 1]  # of 640 bytes each


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/runs", "limit=0"),
        ("/runs", "status=FAILED"),
        ("/runs/a/jobs", "limit=1001"),
        ("/runs/a/jobs", "status=failed"),
        ("/runs/a/jobs", "cursor=x"),
        ("/runs/a/jobs", "cursor=WzEsIDJd"),
        ("/runs/a/results", "status=FAILED"),
        ("/runs/a/results", "limit=101"),
    ],
)
def test_a_query_that_means_nothing_is_refused(ask: ApiServer, path: str, query: str) -> None:
    assert ask.get(path, query=query).code == "BAD_MESSAGE"


def test_a_cursor_of_the_longest_ids_is_taken(ask: ApiServer) -> None:
    """512 bytes of id are 800 characters of cursor: also of ``GET /jobs``."""
    ids = [f"{n}" + "é" * 255 for n in range(3)]
    assert all(ask.service.table.put([run_record(job_id, "fem") for job_id in ids]))
    for path in ("/runs/fem/jobs", "/jobs"):
        pages = pages_of(ask, path, "jobs", limit=1)
        assert sorted(job["job_id"] for page in pages for job in page) == ids


def test_a_job_is_cancelled(ask: ApiServer) -> None:
    submit(ask, "a/b")
    answer = ask.post("/jobs/a/b/cancel")
    assert (answer.status, answer.tree["status"]) == (200, "CANCELLED")
    ask.service.work()
    assert ask.get("/jobs/a/b").tree["error"]["code"] == "CANCELLED"
    found = ask.get("/jobs/a/b/result")
    assert (found.status, found.code) == (409, "CANCELLED")
    assert ask.post("/jobs/never/cancel").code == "NOT_FOUND"


def test_a_job_that_has_ended_is_not_cancelled(ask: ApiServer) -> None:
    submit(ask, "a")
    ask.service.work()
    assert ask.post("/jobs/a/cancel").tree["status"] == "SUCCEEDED"


def test_a_run_is_cancelled(ask: ApiServer) -> None:
    submit(ask, "fem/7/a")
    ask.service.work()
    for name in "bc":
        submit(ask, f"fem/7/{name}")
    assert ask("DELETE", "/runs/fem").tree == {"run": "fem", "cancelled": 2}
    assert ask.get("/runs/fem").tree["counts"] == {"SUCCEEDED": 1, "CANCELLED": 2}
    assert ask("DELETE", "/runs/none").tree == {"run": "none", "cancelled": 0}


def test_a_run_that_is_too_large_for_one_request_is_cancelled_in_several(ask: ApiServer) -> None:
    submit(ask, "fem/a")
    ask.remaining_ms = 1000
    answer = ask("DELETE", "/runs/fem")
    assert (answer.status, answer.code) == (503, "DEADLINE")
    ask.remaining_ms = 60_000
    assert ask("DELETE", "/runs/fem").tree["cancelled"] == 1
