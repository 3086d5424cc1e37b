"""Requests of any kind: read, refused or logged."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinv.http_api.request import REQUEST_BYTES
from support.api_server import ApiServer

GOOD = '{"matrix": [[1, 2], [3, 4]]}'


def test_a_body_that_is_not_the_base64_it_claims_to_be_is_refused(ask: ApiServer) -> None:
    answer = ask.post("/invert", "€", encoded=True)
    assert (answer.status, answer.code) == (400, "BAD_MESSAGE")
    assert "base64" in answer.tree["detail"]


def test_a_request_that_is_too_large_is_413_and_parsed_by_nobody(ask: ApiServer) -> None:
    assert ask.post("/invert", "x" * REQUEST_BYTES).code == "BAD_MESSAGE"
    answer = ask.post("/invert", "x" * (REQUEST_BYTES + 1))
    assert (answer.status, answer.code) == (413, "TOO_LARGE")
    assert "upload" in answer.tree["hint"]


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
def test_a_body_must_be_json(ask: ApiServer, type_: str, status: int) -> None:
    assert ask.post("/invert", GOOD, headers={"content-type": type_}).status == status


def test_a_body_without_a_type_is_taken_for_json(ask: ApiServer) -> None:
    ask.change = lambda event: event["headers"].pop("content-type")
    assert ask.post("/invert", GOOD).status == 200


def test_a_stage_of_an_api_gateway_is_no_part_of_the_path(ask: ApiServer) -> None:
    ask.change = lambda event: event["requestContext"].update(stage="prod")
    assert ask.post("/prod/invert", GOOD).status == 200
    answer = ask.post("/prod/jobs", {"job_id": "a", "matrix": [[2]]})
    assert (answer.status, answer.headers["location"]) == (202, "/prod/jobs/a")
    assert ask.get("/prod").status == 405
    assert ask.get("/product/jobs").status == 404
    assert ask.get("/jobs/a").status == 200


def test_a_request_is_one_line_of_the_log(ask: ApiServer, log: io.StringIO) -> None:
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
    answer = ApiServer().event(event)
    assert answer.status in {200, 400, 404, 405, 415, 422}
