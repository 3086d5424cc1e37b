"""``POST /invert``, and what holds for every request."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinv.errors import TRANSIENT, Code, ErrorInfo, Transient
from matinv.http_api.problems import status_of
from matinv.http_api.request import REQUEST_BYTES
from matinv.http_api.throttle import BURST, RATE_PER_S, Throttle
from support.api_requests import ApiRequests

GOOD = '{"matrix": [[1, 2], [3, 4]]}'
SECRET = "kanarienvogel"


@pytest.mark.parametrize("path", ["/invert", "/"])
def test_a_matrix_is_answered_with_its_inverse(ask: ApiRequests, path: str) -> None:
    answer = ask.post(path, GOOD)
    assert (answer.status, answer.headers) == (200, {"content-type": "application/json"})
    assert answer.tree["inverse"] == [[-2.0, 1.0], [1.5, -0.5]]
    assert answer.tree["certificate"]["rcond_1"] == pytest.approx(1 / 21)
    assert ask.service.table.records == {}


def test_a_body_in_base64_is_the_same_body(ask: ApiRequests) -> None:
    encoded = ask.post("/invert", base64.b64encode(GOOD.encode()).decode(), encoded=True)
    assert encoded == ask.post("/invert", GOOD)


def test_a_matrix_with_a_job_id_is_kept_and_conflicts_with_another(ask: ApiRequests) -> None:
    first = ask.post("/invert", {"job_id": "a", "matrix": [[2]]})
    again = ask.post("/invert", '{"matrix": [[2.0]]}', headers={"idempotency-key": "a"})
    other = ask.post("/invert", {"job_id": "a", "matrix": [[4]]})
    assert [answer.status for answer in (first, again, other)] == [200, 200, 409]
    assert other.code == "JOB_ID_CONFLICT"
    assert ask.service.world.inverse("a") == [[0.5]]


@pytest.mark.parametrize(
    ("status", "code", "body"),
    [
        (400, Code.BAD_MESSAGE, ""),
        (400, Code.BAD_MESSAGE, None),
        (400, Code.BAD_MESSAGE, "hello"),
        (400, Code.BAD_MESSAGE, "\ud800"),
        (400, Code.BAD_MESSAGE, "[[1]]"),
        (400, Code.BAD_MESSAGE, "[" * 100_000),
        (400, Code.BAD_MESSAGE, '{"matrix": [[NaN]]}'),
        (400, Code.BAD_MESSAGE, '{"job_id": "a", "job_id": "b", "matrix": [[1]]}'),
        (400, Code.BAD_MESSAGE, '{"matrix": [[1]], "unknown": 1}'),
        (400, Code.BAD_MESSAGE, '{"s3": {"bucket": "inputs", "key": "a.npy"}}'),
        (400, Code.BAD_JOB_ID, '{"job_id": "../x", "matrix": [[1]]}'),
        (400, Code.UNSUPPORTED_VERSION, '{"v": 2, "matrix": [[1]]}'),
        (400, Code.NOT_SQUARE, '{"matrix": [[1, 2]]}'),
        (400, Code.NON_FINITE, '{"matrix": [[1e999]]}'),
        (400, Code.BAD_FORMAT, f'{{"matrix": [[{"9" * 5000}]]}}'),
        (422, Code.SINGULAR, '{"matrix": [[1, 2], [2, 4]]}'),
        (422, Code.NOT_POSITIVE_DEFINITE, '{"matrix": [[-1]], "method": "spd"}'),
        (422, Code.OVERFLOW, '{"matrix": [[5e-324, 0], [0, 1]]}'),
    ],
)
def test_a_bad_matrix_gets_the_status_of_its_code(
    ask: ApiRequests, status: int, code: Code, body: str | None
) -> None:
    answer = ask.post("/invert", body)
    assert (answer.status, answer.code, answer.tree["retryable"]) == (status, code, False)


def test_a_body_that_is_not_the_base64_it_claims_to_be_is_refused(ask: ApiRequests) -> None:
    answer = ask.post("/invert", "€", encoded=True)
    assert (answer.status, answer.code) == (400, "BAD_MESSAGE")
    assert "base64" in answer.tree["detail"]


def test_an_answer_that_is_too_large_is_413(ask: ApiRequests) -> None:
    matrix = (np.eye(600) * 9 + 1 / 3).tolist()
    assert ask.post("/invert", {"matrix": matrix}).status == 413


def test_a_request_that_is_too_large_is_413_and_parsed_by_nobody(ask: ApiRequests) -> None:
    assert ask.post("/invert", "x" * REQUEST_BYTES).code == "BAD_MESSAGE"
    answer = ask.post("/invert", "x" * (REQUEST_BYTES + 1))
    assert (answer.status, answer.code) == (413, "TOO_LARGE")
    assert "upload" in answer.tree["hint"]


def test_a_passing_fault_is_503_and_says_when_to_come_again(ask: ApiRequests) -> None:
    def fail(moment: str) -> None:
        if moment == "get:before":
            raise Transient(Code.THROTTLED, "slow down")

    ask.service.table.fail = fail
    answer = ask.post("/invert", {"job_id": "a", "matrix": [[2]]})
    assert (answer.status, answer.code, answer.tree["retryable"]) == (503, "THROTTLED", True)
    assert int(answer.headers["retry-after"]) > 0
    ask.service.table.fail = None
    assert ask.post("/invert", {"job_id": "a", "matrix": [[2]]}).status == 200


@pytest.mark.parametrize("code", Code)
def test_every_error_has_a_status_that_tells_whether_to_try_again(code: Code) -> None:
    status = status_of(ErrorInfo(code, "for tests"))
    assert (status == 503) is (code in TRANSIENT)
    assert status in {400, 409, 413, 422, 503}


# Every request


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "post", None])
def test_other_methods_are_405_and_compute_nothing(ask: ApiRequests, method: str | None) -> None:
    for path in ("/", "/invert"):
        answer = ask(method, path, '{"job_id": "a", "matrix": [[2]]}')
        assert (answer.status, answer.code) == (405, "METHOD_NOT_ALLOWED")
        assert answer.headers["allow"] == answer.tree["limit"] == "POST"
    assert not (ask.service.table.calls + ask.service.store.calls)


@pytest.mark.parametrize("path", ["/nothing", "", "/jobs/", "/jobs//result", "/Jobs", "//invert"])
def test_what_is_not_there_is_404(ask: ApiRequests, path: str) -> None:
    assert ask.get(path).code == "NOT_FOUND"


@pytest.mark.parametrize(
    ("type_", "status"),
    [
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("text/plain", 415),
        ("application/x-npy", 415),
        ("", 415),
    ],
)
def test_a_body_must_be_json(ask: ApiRequests, type_: str, status: int) -> None:
    assert ask.post("/invert", GOOD, headers={"content-type": type_}).status == status


def test_a_body_without_a_type_is_taken_for_json(ask: ApiRequests) -> None:
    ask.change = lambda event: event["headers"].pop("content-type")
    assert ask.post("/invert", GOOD).status == 200


def test_a_stage_of_an_api_gateway_is_no_part_of_the_path(ask: ApiRequests) -> None:
    ask.change = lambda event: event["requestContext"].update(stage="prod")
    assert ask.post("/prod/invert", GOOD).status == 200
    answer = ask.post("/prod/jobs", {"job_id": "a", "matrix": [[2]]})
    assert (answer.status, answer.headers["location"]) == (202, "/prod/jobs/a")
    assert ask.get("/prod").status == 405
    assert ask.get("/product/jobs").status == 404
    assert ask.get("/jobs/a").status == 200


def test_a_caller_who_comes_too_often_is_told_when_to_come_again() -> None:
    now_s = [0.0]
    ask = ApiRequests(throttle=Throttle(lambda: now_s[0]))
    assert [ask.get("/health").status for _ in range(BURST + 1)] == [200] * BURST + [429]
    answer = ask.get("/health")
    assert (answer.code, answer.tree["retryable"]) == ("THROTTLED", True)
    now_s[0] += int(answer.headers["retry-after"])
    assert [ask.get("/health").status for _ in range(int(RATE_PER_S) + 1)] == [
        *[200] * int(RATE_PER_S),
        429,
    ]


def test_callers_are_told_apart_by_identity_else_by_address(ask: ApiRequests) -> None:
    def come_as(**iam: str) -> int:
        ask.change = lambda event: event["requestContext"].update(authorizer={"iam": iam})
        return ask.get("/health").status

    assert {come_as(userArn="one") for _ in range(BURST)} == {200}
    assert [come_as(userArn="one"), come_as(userArn="two"), come_as()] == [429, 200, 200]


def test_a_bug_is_503_without_its_text_and_is_logged_with_its_place(
    ask: ApiRequests, monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    def broken(*args: Any) -> Any:
        raise ValueError(SECRET)

    monkeypatch.setattr("matinv.http_api.jobs.read", broken)
    answer = ask.post("/jobs", GOOD)
    assert (answer.status, answer.code, answer.tree["retryable"]) == (503, "INTERNAL", True)
    assert "in broken" in log.getvalue()
    assert SECRET not in log.getvalue() + answer.body.decode()


def test_a_request_is_one_line_of_the_log(ask: ApiRequests, log: io.StringIO) -> None:
    ask.get("/jobs/some-id/result")
    (line,) = [json.loads(line) for line in log.getvalue().splitlines()]
    facts = {name: line[name] for name in ("message", "method", "path", "status", "error_code")}
    assert facts == {
        "message": "request",
        "method": "GET",
        "path": "/jobs/{job_id}/result",
        "status": 404,
        "error_code": "NOT_FOUND",
    }


_TEXTS = st.none() | st.text() | st.integers()


@given(
    st.fixed_dictionaries(
        {"requestContext": st.fixed_dictionaries({"http": st.dictionaries(st.text(), _TEXTS)})},
        optional={
            "body": _TEXTS,
            "rawPath": _TEXTS | st.sampled_from(["/invert", "/jobs/%ff", "/jobs/a"]),
            "rawQueryString": _TEXTS,
            "isBase64Encoded": st.booleans(),
            "headers": st.none() | st.dictionaries(st.text(), _TEXTS),
        },
    ),
    st.sampled_from(["GET", "POST"]),
)
def test_whatever_comes_by_url_is_answered(event: dict[str, Any], method: str) -> None:
    event["requestContext"]["http"]["method"] = method
    answer = ApiRequests().event(event)
    assert answer.status in {200, 400, 404, 405, 415, 422}
