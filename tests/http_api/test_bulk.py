"""``POST /jobs`` of many messages: an outcome for each, as if it had come alone."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from matinv.http_api import models
from matinv.http_api.bulk import MOST
from support.api_server import ApiServer

GOOD = [[1, 2], [3, 4]]


def matrix(number: int) -> list[list[int]]:
    return [[number + 2, 1], [1, 1]]


def bulk(ask: ApiServer, *messages: Any) -> list[dict[str, Any]]:
    """Submit messages in one request; return their outcomes."""
    answer = ask.post("/jobs", {"jobs": messages})
    assert answer.status == 200
    models.Outcomes.model_validate(answer.tree)
    found: list[dict[str, Any]] = answer.tree["jobs"]
    return found


def test_many_messages_become_jobs_in_their_order(ask: ApiServer) -> None:
    found = bulk(ask, *({"job_id": f"a/{n}", "matrix": matrix(n)} for n in range(25)))
    assert found == [{"status": 202, "job_id": f"a/{n}"} for n in range(25)]
    assert ask.get("/jobs/a/24").tree["status"] == "QUEUED"
    ask.service.work()
    for number in range(25):
        a, b, c, d = 1, -1, -1, number + 2  # over the determinant, number + 1
        inverse = ask.get(f"/jobs/a/{number}/result").tree["inverse"]
        expected = [[a / (number + 1), b / (number + 1)], [c / (number + 1), d / (number + 1)]]
        assert [pytest.approx(row) for row in expected] == inverse


def test_the_table_is_read_once_and_written_once(ask: ApiServer) -> None:
    before = Counter(ask.service.table.calls)
    bulk(ask, *({"matrix": matrix(n)} for n in range(50)))
    calls = Counter(ask.service.table.calls) - before
    assert calls == {"get": 1, "put": 1}


def test_the_text_of_each_matrix_reaches_the_queue_as_it_is(ask: ApiServer) -> None:
    texts = ['{"matrix": [[0.10, 1e0], [ 3, 4.0]]}', '{"job_id":"é","matrix":[[2.50]]}']
    ask.post("/jobs", ' {"jobs" : [' + "\n,\t".join(texts) + " ] } ")
    assert ask.service.queue.sent == texts


BAD = [
    ("5", 400, "BAD_MESSAGE"),
    ("null", 400, "BAD_MESSAGE"),
    ("[[1]]", 400, "BAD_MESSAGE"),
    ('{"matrix": [[NaN]]}', 400, "BAD_MESSAGE"),
    ('{"matrix": [[1, 2]]}', 400, "NOT_SQUARE"),
    ('{"matrix": [[2]], "job_id": "../x"}', 400, "BAD_JOB_ID"),
    ('{"matrix": [[2]], "redrive": 1}', 400, "BAD_MESSAGE"),
    ('{"matrix": [[2]], "matrix": [[3]]}', 400, "BAD_MESSAGE"),
    ('{"matrix": [[2]], "job_id": "\\ud800"}', 400, "BAD_MESSAGE"),
    ('{"upload": {"format": "npy", "bytes": 9}}', 400, "BAD_MESSAGE"),
    ('{"jobs": [{"matrix": [[2]]}]}', 400, "BAD_MESSAGE"),
    ('{"matrix": ' + str([[0] * 400] * 400) + "}", 413, "TOO_LARGE"),
    ('{"matrix": [[7]], "job_id": "taken"}', 409, "JOB_ID_CONFLICT"),
]


@pytest.mark.parametrize(("text", "status", "code"), BAD, ids=range(len(BAD)))
def test_a_bad_message_never_hurts_its_neighbours(
    ask: ApiServer, text: str, status: int, code: str
) -> None:
    ask.post("/jobs", {"job_id": "taken", "matrix": GOOD})
    ask.service.queue.sent.clear()
    good = [json.dumps({"job_id": name, "matrix": GOOD}) for name in ("a", "b")]
    answer = ask.post("/jobs", '{"jobs": [' + ", ".join([good[0], text, good[1]]) + "]}")
    first, bad, last = answer.tree["jobs"]
    assert [first, last] == [{"status": 202, "job_id": name} for name in ("a", "b")]
    assert (bad["status"], bad["problem"]["status"], bad["problem"]["code"]) == (
        status,
        status,
        code,
    )
    assert ask.service.queue.sent == good


def test_a_problem_is_the_one_that_the_message_has_alone(ask: ApiServer) -> None:
    message = {"matrix": [[1, 2]], "job_id": "a"}
    assert bulk(ask, message)[0]["problem"] == ask.post("/jobs", message).tree


def test_messages_that_ask_the_same_are_one_job(ask: ApiServer) -> None:
    found = bulk(ask, {"matrix": GOOD}, {"matrix": [[1.0, 2.0], [3.0, 4.0]]}, {"matrix": GOOD})
    assert {one["status"] for one in found} == {202}
    assert len({one["job_id"] for one in found}) == 1
    assert len(ask.service.queue.sent) == 1


def test_of_two_questions_under_one_id_the_one_that_owns_it_is_done(ask: ApiServer) -> None:
    ask.post("/jobs", {"job_id": "a", "matrix": GOOD})
    ask.service.work()
    found = bulk(
        ask,
        {"job_id": "a", "matrix": [[5]]},
        {"job_id": "a", "matrix": GOOD},
        {"job_id": "b", "matrix": [[5]]},
        {"job_id": "b", "matrix": [[6]]},
        {"job_id": "b", "matrix": [[6]], "replace": True},
    )
    assert [one["status"] for one in found] == [409, 200, 202, 409, 202]


def test_a_request_that_is_sent_again_has_the_same_jobs(ask: ApiServer) -> None:
    messages = [{"matrix": matrix(n)} for n in range(12)]
    first = bulk(ask, *messages)
    assert bulk(ask, *messages) == first
    ask.service.work()
    assert bulk(ask, *messages) == [one | {"status": 200} for one in first]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ('{"jobs": []}', 400, "BAD_MESSAGE"),
        ('{"jobs": 5}', 400, "BAD_MESSAGE"),
        ('{"jobs": {"matrix": [[2]]}}', 400, "BAD_MESSAGE"),
        ('{"jobs": [{"matrix": [[2]]}], "tags": {}}', 400, "BAD_MESSAGE"),
        ('{"tags": {}, "jobs": [{"matrix": [[2]]}]}', 400, "BAD_MESSAGE"),
        ('{"jobs": [{"matrix": [[2]]}', 400, "BAD_MESSAGE"),
        ('{"jobs": [{"matrix": [[2]]},]}', 400, "BAD_MESSAGE"),
        ('{"jobs": [{"matrix": [[2]]}]} x', 400, "BAD_MESSAGE"),
        ('{"jobs": ' + "[" * 100_000 + "]" * 100_000 + "}", 400, "BAD_MESSAGE"),
        ('{"jobs": [' + "5," * MOST + "5]}", 413, "TOO_LARGE"),
    ],
    ids=range(10),
)
def test_what_is_no_list_of_messages_is_refused_as_a_whole(
    ask: ApiServer, body: str, status: int, code: str
) -> None:
    answer = ask.post("/jobs", body)
    assert (answer.status, answer.code) == (status, code)
    assert ask.service.queue.sent == []


def test_a_key_cannot_be_the_id_of_several_jobs(ask: ApiServer) -> None:
    key = {"idempotency-key": "a"}
    answer = ask.post("/jobs", {"jobs": [{"matrix": GOOD}]}, headers=key)
    assert (answer.status, answer.code) == (400, "BAD_MESSAGE")


def test_as_many_as_are_allowed_have_an_answer_that_lambda_takes(ask: ApiServer) -> None:
    long = [{"job_id": f"{n:0512}", "matrix": matrix(n)} for n in range(MOST)]
    assert len(ask.post("/jobs", {"jobs": long}).body) < 6 * 10**6
    refused = [{"job_id": "x/" * 99, "method": "é" * 2000} for _ in range(MOST)]
    assert len(ask.post("/jobs", {"jobs": refused}).body) < 6 * 10**6
