"""``GET /jobs/{id}/result``: formats, redirections, and the reason why there is none."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest

from matinv.errors import Code, Transient
from matinv.http_api.results import BODY_BYTES
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


def test_a_result_comes_in_the_form_that_is_accepted(ask: ApiServer) -> None:
    done(ask, "a")
    x = np.array([[-2.0, 1.0], [1.5, -0.5]])
    for accept in (
        "application/x-npy",
        "application/json;q=0.5, application/x-npy",
        "text/*, application/x-npy;q=0.1",
    ):
        answer = ask.get("/jobs/a/result", headers={"accept": accept})
        assert answer.headers == {"content-type": "application/x-npy", "vary": "accept"}
        assert np.array_equal(np.load(io.BytesIO(answer.body)), x)
    for accept in ("*/*", "application/*", "application/json", "application/x-npy;q=0, */*;q=0.1"):
        answer = ask.get("/jobs/a/result", headers={"accept": accept})
        assert answer.headers == {"content-type": "application/json", "vary": "accept"}
        assert answer.tree["inverse"] == x.tolist()


@pytest.mark.parametrize("matrix", [GOOD, [GOOD, [[0, 0], [0, 0]]], [[1, 1], [1, 1 + 1e-9]]])
def test_an_npy_result_is_converted_to_the_document_of_a_json_one(
    ask: ApiServer, matrix: list[Any]
) -> None:
    done(ask, "as-json", matrix=matrix)
    ask.post("/jobs", {"job_id": "as-npy", "npy": npy(np.array(matrix, float))})
    ask.service.work()
    accept = {"accept": "application/json"}
    stored, converted = (
        ask.get(f"/jobs/{job_id}/result", headers=accept).tree for job_id in ("as-json", "as-npy")
    )
    assert converted == stored | {"job_id": "as-npy"}
    assert ask.get("/jobs/as-npy/result").headers["content-type"] == "application/x-npy"


@pytest.mark.parametrize("accept", ["text/html", "", "application/json;q=0", "*/*;q=x"])
def test_a_form_that_there_is_not_is_406(ask: ApiServer, accept: str) -> None:
    done(ask, "a")
    answer = ask.get("/jobs/a/result", headers={"accept": accept})
    assert (answer.status, answer.code) == (406, "NOT_ACCEPTABLE")


def test_a_large_result_is_a_redirection_to_where_it_is(ask: ApiServer) -> None:
    n = int((BODY_BYTES / 8) ** 0.5) + 1
    ask.service.store.upload("big.npy", [base64.b64decode(npy(general(n)))], {})
    ask.service.work()
    for accept in ("*/*", "application/json"):
        answer = ask.get("/jobs/big/result", headers={"accept": accept})
        assert (answer.status, answer.headers["vary"], answer.body) == (303, "accept", b"")
        assert answer.headers["location"].startswith("memory:s3://results/big/")


def test_a_result_that_would_only_fit_as_it_is_stored_comes_so(ask: ApiServer) -> None:
    n = int((BODY_BYTES / 10) ** 0.5)
    ask.service.store.upload("big.npy", [base64.b64decode(npy(general(n)))], {})
    ask.service.work()
    as_json = ask.get("/jobs/big/result", headers={"accept": "application/json"})
    assert (as_json.status, ask.get("/jobs/big/result").status) == (303, 200)


def test_a_job_without_a_result_says_why(ask: ApiServer) -> None:
    ask.post("/jobs", {"job_id": "slow", "matrix": GOOD})
    early = ask.get("/jobs/slow/result")
    assert (early.status, early.code, early.tree["retryable"]) == (409, "NOT_FINISHED", True)
    assert int(early.headers["retry-after"]) > 0
    done(ask, "bad", matrix=[[1, 2], [2, 4]])
    failed = ask.get("/jobs/bad/result")
    assert (failed.status, failed.code, failed.tree["retryable"]) == (422, "SINGULAR", False)
    assert ask.get("/jobs/bad").tree["error"]["code"] == "SINGULAR"


def test_a_job_that_failed_in_passing_is_not_worth_asking_again(ask: ApiServer) -> None:
    ask.service.store.upload("a.npy", [base64.b64decode(npy(GOOD))], {})
    ask.service.store.fail = lambda moment: (_ for _ in ()).throw(Transient(Code.STORAGE, "down"))
    for _ in range(ask.service.queue.max_receive_count()):
        ask.service.work()
    ask.service.store.fail = None
    answer = ask.get("/jobs/a/result")
    assert (answer.status, answer.code) == (409, "STORAGE")
    assert "retry-after" not in answer.headers
