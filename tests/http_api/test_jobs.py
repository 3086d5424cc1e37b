"""``/jobs``: submit, look, list, fetch, redrive."""

from __future__ import annotations

import base64
import io
import json
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from matinv.errors import Code, Refused, Transient
from matinv.http_api.results import BODY_BYTES
from matinv.jobs.record_document import document_of, record_of
from matinv.jobs.request import Delivery
from matinv.ports import DeadLetter
from matinv.testing.contracts import full_record
from support.api_requests import ApiRequests
from support.memory_service import general

GOOD = [[1, 2], [3, 4]]


def npy(array: Any) -> str:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return base64.b64encode(buffer.getvalue()).decode()


def done(ask: ApiRequests, job_id: str, **fields: Any) -> None:
    """Submit a job and let a worker do it."""
    assert ask.post("/jobs", {"job_id": job_id, "matrix": GOOD, **fields}).status == 202
    ask.service.work()


# Submit


def test_a_job_is_submitted_done_and_fetched(ask: ApiRequests) -> None:
    answer = ask.post("/jobs", {"matrix": GOOD, "tags": {"team": "fem"}})
    assert (answer.status, answer.tree["status"], answer.tree["tags"]) == (
        202,
        "QUEUED",
        {"team": "fem"},
    )
    path = answer.headers["location"]
    assert path == f"/jobs/{answer.tree['job_id']}"
    assert int(ask.get(path).headers["retry-after"]) > 0
    ask.service.work()
    job = ask.get(path)
    assert (job.status, job.tree["status"]) == (200, "SUCCEEDED")
    assert "retry-after" not in job.headers
    assert ask.get(f"{path}/result").tree["inverse"] == [[-2.0, 1.0], [1.5, -0.5]]


def test_the_idempotency_key_is_the_job_id(ask: ApiRequests) -> None:
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
def test_a_key_that_is_no_id_or_not_the_one_in_the_body_is_400(ask: ApiRequests, key: str) -> None:
    body = {"matrix": GOOD, "job_id": "exp-1"}
    answer = ask.post("/jobs", body, headers={"idempotency-key": key})
    assert (answer.status, answer.code) == (400, "BAD_JOB_ID")
    assert ask.service.queue.sent == []


def test_the_text_of_a_matrix_reaches_the_queue_as_it_is(ask: ApiRequests) -> None:
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
        ({"upload": {"format": "npz", "bytes": 9}}, 400, "BAD_MESSAGE"),
        ({"upload": {"format": "npy", "bytes": 2**40}}, 413, "TOO_LARGE"),
        ({"upload": {"format": "npy", "bytes": 9}, "matrix": GOOD}, 400, "BAD_MESSAGE"),
        ({"upload": {"format": "npy", "bytes": 9}, "job_id": "../x"}, 400, "BAD_JOB_ID"),
        ({"upload": {"format": "npy", "bytes": 9}, "tags": {"É": "x"}}, 400, "BAD_MESSAGE"),
    ],
)
def test_what_no_worker_would_take_is_refused_and_not_sent(
    ask: ApiRequests, body: Any, status: int, code: str
) -> None:
    answer = ask.post("/jobs", body)
    assert (answer.status, answer.code) == (status, code)
    assert (ask.service.queue.sent, ask.service.store.calls["upload_url"]) == ([], 0)


def test_an_upload_is_bound_to_one_key_size_and_options(ask: ApiRequests) -> None:
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


def test_an_upload_without_a_name_gets_one(ask: ApiRequests) -> None:
    body = {"upload": {"format": "json", "bytes": 9}}
    ids = {ask.post("/jobs", body).tree["job_id"] for _ in range(2)}
    assert len(ids) == 2
    assert all(job_id.startswith("upload-") for job_id in ids)


def test_a_known_job_gets_no_upload(ask: ApiRequests) -> None:
    done(ask, "a")
    ask.service.store.upload("b.npy", [b"x"], {})
    for job_id in ("a", "b"):
        body = {"job_id": job_id, "upload": {"format": "npy", "bytes": 9}}
        assert ask.post("/jobs", body).code == "JOB_ID_CONFLICT"


# Look


def test_a_job_that_nobody_knows_is_404(ask: ApiRequests) -> None:
    for path in ("/jobs/never", "/jobs/never/result"):
        assert ask.get(path).code == "NOT_FOUND"


@pytest.mark.parametrize("job_id", ["..", "%2e%2e%2fx", "a//b", "a%00", "é", "%ff", "a" * 129])
def test_an_id_that_cannot_be_is_400(ask: ApiRequests, job_id: str) -> None:
    assert ask.get(f"/jobs/{job_id}").code == "BAD_JOB_ID"


@pytest.mark.parametrize(
    "path", ["/jobs/a/b/c", "/jobs/a%2Fb%2fc", "/jobs/a/b%2Fc", "/jobs/%61/b/c"]
)
def test_slashes_of_an_id_may_be_encoded(ask: ApiRequests, path: str) -> None:
    done(ask, "a/b/c")
    assert ask.get(path).tree["job_id"] == "a/b/c"
    assert ask.get(f"{path}/result").tree["job_id"] == "a/b/c"


@pytest.mark.parametrize("name", ["result", "redrive"])
def test_an_id_that_ends_like_an_action_is_reached_by_an_encoded_slash(
    ask: ApiRequests, name: str
) -> None:
    done(ask, "a")
    answer = ask.post("/jobs", {"job_id": f"a/{name}", "matrix": [[2]]})
    assert answer.headers["location"] == f"/jobs/a%2F{name}"
    ask.service.work()
    assert ask.get(answer.headers["location"]).tree["job_id"] == f"a/{name}"
    assert ask.get(f"/jobs/a%2F{name}/result").tree["inverse"] == [[0.5]]
    assert ask.get("/jobs/a/result").tree["inverse"] == [[-2.0, 1.0], [1.5, -0.5]]
    done(ask, name)
    assert ask.get(f"/jobs/{name}").tree["job_id"] == name


def test_a_location_survives_clients_that_tidy_paths(ask: ApiRequests) -> None:
    answer = ask.post("/jobs", {"job_id": "a/./b", "matrix": GOOD})
    assert answer.headers["location"] == "/jobs/a%2F.%2Fb"
    assert ask.get("/jobs/a%2F.%2Fb").status == 200


def test_a_record_reads_back_from_its_document() -> None:
    record = full_record()
    document = json.loads(json.dumps(document_of(record)))
    assert record_of(document) == record
    assert document["result"]["inline"] is False
    little = record_of({"job_id": "a", "status": "QUEUED", "input": {"source": "s", "id": ""}})
    assert record_of(document_of(little)) == little


# Result


def test_a_result_comes_in_the_form_that_is_accepted(ask: ApiRequests) -> None:
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
    ask: ApiRequests, matrix: list[Any]
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
def test_a_form_that_there_is_not_is_406(ask: ApiRequests, accept: str) -> None:
    done(ask, "a")
    answer = ask.get("/jobs/a/result", headers={"accept": accept})
    assert (answer.status, answer.code) == (406, "NOT_ACCEPTABLE")


def test_a_large_result_is_a_redirection_to_where_it_is(ask: ApiRequests) -> None:
    n = int((BODY_BYTES / 8) ** 0.5) + 1
    ask.service.store.upload("big.npy", [base64.b64decode(npy(general(n)))], {})
    ask.service.work()
    for accept in ("*/*", "application/json"):
        answer = ask.get("/jobs/big/result", headers={"accept": accept})
        assert (answer.status, answer.headers["vary"], answer.body) == (303, "accept", b"")
        assert answer.headers["location"].startswith("memory:s3://results/big/")


def test_a_result_that_would_only_fit_as_it_is_stored_comes_so(ask: ApiRequests) -> None:
    n = int((BODY_BYTES / 10) ** 0.5)
    ask.service.store.upload("big.npy", [base64.b64decode(npy(general(n)))], {})
    ask.service.work()
    as_json = ask.get("/jobs/big/result", headers={"accept": "application/json"})
    assert (as_json.status, ask.get("/jobs/big/result").status) == (303, 200)


def test_a_job_without_a_result_says_why(ask: ApiRequests) -> None:
    ask.post("/jobs", {"job_id": "slow", "matrix": GOOD})
    early = ask.get("/jobs/slow/result")
    assert (early.status, early.code, early.tree["retryable"]) == (409, "NOT_FINISHED", True)
    assert int(early.headers["retry-after"]) > 0
    done(ask, "bad", matrix=[[1, 2], [2, 4]])
    failed = ask.get("/jobs/bad/result")
    assert (failed.status, failed.code, failed.tree["retryable"]) == (422, "SINGULAR", False)
    assert ask.get("/jobs/bad").tree["error"]["code"] == "SINGULAR"


def test_a_job_that_failed_in_passing_is_not_worth_asking_again(ask: ApiRequests) -> None:
    ask.service.store.upload("a.npy", [base64.b64decode(npy(GOOD))], {})
    ask.service.store.fail = lambda moment: (_ for _ in ()).throw(Transient(Code.STORAGE, "down"))
    ask.service.work(receive_count=5)
    ask.service.store.fail = None
    answer = ask.get("/jobs/a/result")
    assert (answer.status, answer.code) == (409, "STORAGE")
    assert "retry-after" not in answer.headers


# List


def test_jobs_are_listed_page_by_page_the_newest_first(ask: ApiRequests) -> None:
    for number in range(7):
        ask.service.world.now_s += number % 2  # some at the same time
        done(ask, f"j{number}")
    seen: list[str] = []
    query = "limit=3"
    while query:
        page = ask.get("/jobs", query=query).tree
        seen += [job["job_id"] for job in page["jobs"]]
        query = f"limit=3&cursor={page['cursor']}" if "cursor" in page else ""
    assert seen == [f"j{number}" for number in range(6, -1, -1)]


def test_jobs_are_filtered_by_status_tag_and_time(ask: ApiRequests) -> None:
    done(ask, "old", tags={"team": "a,b=c"})
    ask.service.world.now_s += 10
    done(ask, "new", tags={"team": "a,b=c"})
    done(ask, "bad", matrix=[[0]])

    def listed(query: str) -> list[str]:
        answer = ask.get("/jobs", query=query)
        assert answer.status == 200, answer.body
        return [job["job_id"] for job in answer.tree["jobs"]]

    assert listed("") == ["new", "bad", "old"]
    assert listed("status=FAILED") == ["bad"]
    assert listed("tag=" + quote("team=a,b=c")) == ["new", "old"]
    assert listed("tag=team=a") == []
    assert listed("since=2023-11-14T22:13:30Z") == ["new", "bad"]
    assert listed("since=2023-11-14T22:13:31Z") == []
    assert listed("since=2023-11-14&tag=team%3Da%2Cb%3Dc&limit=1&status=SUCCEEDED") == ["new"]


def test_a_rare_tag_is_found_over_several_pages(
    ask: ApiRequests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("matinv.http_api.listing.LOOKED_THROUGH", 2)
    for number in range(5):
        ask.service.world.now_s += 1
        done(ask, f"j{number}", tags={"rare": "yes"} if number == 0 else {})
    query, pages = "tag=rare=yes", 0
    while True:
        page = ask.get("/jobs", query=query).tree
        pages += 1
        if page["jobs"]:
            break
        query = f"tag=rare=yes&cursor={page['cursor']}"
    assert ([job["job_id"] for job in page["jobs"]], pages) == (["j0"], 3)


@pytest.mark.parametrize(
    "query",
    [
        "status=DONE",
        "limit=0",
        "limit=101",
        "limit=many",
        "tag=team",
        "tag==x",
        "since=yesterday",
        "unknown=1",
        "limit=1&limit=2",
        "cursor=",
        "cursor=!",
        "cursor=" + "A" * 401,
        "cursor=" + base64.urlsafe_b64encode(b'["2023-11-14", 7]').decode(),
        "cursor=" + base64.urlsafe_b64encode(b'["x", "a"]').decode(),
        "cursor=" + base64.urlsafe_b64encode(b'["2023-11-14", "../a"]').decode(),
        "cursor=" + base64.urlsafe_b64encode(b'{"a": 1}').decode(),
    ],
)
def test_a_query_that_means_nothing_is_400(ask: ApiRequests, query: str) -> None:
    answer = ask.get("/jobs", query=query)
    assert (answer.status, answer.code) == (400, "BAD_MESSAGE")


# Redrive


def test_a_dead_job_is_sent_back_with_other_options(ask: ApiRequests) -> None:
    done(ask, "bad", matrix=[[1, 2], [2, 4]])
    done(ask, "other", matrix=[[0]])
    answer = ask.post("/jobs/bad/redrive", {"method": "pinv"})
    assert (answer.status, answer.tree) == (202, {"job_ids": ["bad"]})
    assert answer.headers["location"] == "/jobs/bad"
    ask.service.work()
    assert ask.get("/jobs/bad").tree["status"] == "SUCCEEDED"
    assert ask.get("/jobs/other").tree["status"] == "FAILED"
    assert ask.post("/jobs/bad/redrive").code == "NOT_FOUND"
    assert ask.post("/jobs/other/redrive").status == 202


@pytest.mark.parametrize("body", [{"method": "magic"}, {"matrix": [[1]]}, "hello", "[]"])
def test_options_that_are_none_redrive_nothing(ask: ApiRequests, body: Any) -> None:
    done(ask, "bad", matrix=[[0]])
    answer = ask.post("/jobs/bad/redrive", body)
    assert (answer.status, answer.code) == (400, "BAD_MESSAGE")
    assert len(ask.service.queue._letters) == 1


def test_a_letter_that_cannot_be_sent_back_stays_and_says_why(ask: ApiRequests) -> None:
    error = Refused(Code.NOT_SQUARE, "not square")
    dead = Delivery("m", "r", '{"job_id": "a", "matrix": [[1, 2]]}', 1, 0, "a", error)
    ask.service.queue.bury([DeadLetter(dead, "NOT_SQUARE", "not square", "message")])
    answer = ask.post("/jobs/a/redrive")
    assert (answer.status, answer.code) == (400, "NOT_SQUARE")
    assert len(ask.service.queue._letters) == 1


def test_of_several_letters_those_that_are_jobs_are_sent_back(ask: ApiRequests) -> None:
    done(ask, "a", matrix=[[0]])
    error = Refused(Code.NOT_SQUARE, "not square")
    dead = Delivery("m", "r", '{"job_id": "a", "matrix": [[1, 2]]}', 1, 0, "a", error)
    ask.service.queue.bury([DeadLetter(dead, "NOT_SQUARE", "not square", "message")])
    assert ask.post("/jobs/a/redrive").tree == {"job_ids": ["a"]}
    assert len(ask.service.queue._letters) == 1


def test_a_search_through_many_letters_ends_with_the_invocation(ask: ApiRequests) -> None:
    done(ask, "bad", matrix=[[0]])
    ask.remaining_ms = 1000
    assert ask.post("/jobs/bad/redrive").code == "DEADLINE"
    ask.remaining_ms = 60_000
    assert ask.post("/jobs/bad/redrive").status == 202  # the letters were put back at once


# Health


def test_health_is_that_of_table_and_queue(ask: ApiRequests) -> None:
    assert ask.get("/health").tree["status"] == "ok"
    for part in (ask.service.table, ask.service.queue):
        part.fail = lambda moment: (_ for _ in ()).throw(Transient(Code.STORAGE, "down"))
        answer = ask.get("/health")
        assert (answer.status, answer.code) == (503, "STORAGE")
        part.fail = None


# Faults


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("code", [Code.STORAGE, Code.THROTTLED, Code.ACCESS_DENIED])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/invert", {"job_id": "new", "matrix": GOOD}),
        ("POST", "/jobs", {"job_id": "new", "matrix": GOOD}),
        ("POST", "/jobs", {"job_id": "new", "upload": {"format": "npy", "bytes": 9}}),
        ("GET", "/jobs", None),
        ("GET", "/jobs/a", None),
        ("GET", "/jobs/a/result", None),
        ("POST", "/jobs/bad/redrive", None),
        ("GET", "/health", None),
    ],
)
def test_a_service_that_is_away_is_503_for_every_route(  # noqa: PLR0917 - what is asked, and how
    ask: ApiRequests, method: str, path: str, body: Any, code: Code, moment: str
) -> None:
    done(ask, "a")
    done(ask, "bad", matrix=[[0]])

    def away(at: str) -> None:
        if at.endswith(moment):
            raise Transient(code, "away")

    for part in (ask.service.table, ask.service.queue, ask.service.store):
        part.fail = away
    answer = ask(method, path, None if body is None else json.dumps(body))
    assert (answer.status, answer.code, answer.tree["retryable"]) == (503, code, True)
    assert int(answer.headers["retry-after"]) > 0
