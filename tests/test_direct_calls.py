"""Calls of the api as Lambda hands them over, by invocation and by URL, and its answers."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinv import service
from matinv.core.errors import TRANSIENT, Code, MatinvError, Refused, Transient
from matinv.core.job import Inline, Request
from matinv.direct import Call, call_of, reply
from matinv.testing.events import url_event
from matinv.testing.world import World

GOOD = '{"matrix": [[1, 2], [3, 4]]}'


def code_of(call: Call) -> Code:
    assert isinstance(call.parsed.content, MatinvError)
    return call.parsed.content.code


def called(world: World, event: object) -> Any:
    """Do what the handler does."""
    call = call_of(event)
    deadline = service.Deadline(lambda: world.remaining_s, 60.0)
    return reply(call, service.answer(world.app, call.parsed, deadline, stored=call.stored))


def failing(code: Code) -> service.Answer:
    error = (Transient if code in TRANSIENT else Refused)(code, "for tests")
    return service.Answer(b'{"error":{}}', service.Report([], []), error)


# By invocation


def test_a_call_is_a_message_that_lambda_has_parsed() -> None:
    call = call_of({"job_id": "a", "matrix": [[1, 2], [3, 4]], "method": "general"})

    assert (call.stored, call.method) == (True, None)
    assert isinstance(call.parsed.content, Request)
    assert isinstance(call.parsed.content.input, Inline)
    assert np.array_equal(call.parsed.content.input.array, [[1, 2], [3, 4]])
    assert not call_of({"matrix": [[1]]}).stored


@pytest.mark.parametrize(
    ("code", "event"),
    [
        (Code.NON_FINITE, {"matrix": [[float("nan")]]}),
        (Code.NON_FINITE, {"matrix": [[1, 2], [3, float("inf")]]}),
        (Code.NON_FINITE, json.loads('{"job_id": "a", "matrix": [[1e999]]}')),
        (Code.BAD_FORMAT, {"matrix": [[None]]}),
        (Code.BAD_FORMAT, {"matrix": [[True]]}),
        (Code.BAD_FORMAT, {"matrix": [["1"]]}),
        (Code.BAD_FORMAT, {"matrix": [[10**400]]}),
        (Code.PRECISION, {"matrix": [[2**53 + 1]]}),
        (Code.PRECISION, {"matrix": [[2**70 + 1]]}),
        (Code.BAD_MESSAGE, {"matrix": [[1]], "tags": {"a": "\ud800"}}),
        (Code.BAD_MESSAGE, {"matrix": json.loads("[" * 900 + "]" * 900)}),
        (Code.BAD_MESSAGE, {}),
        (Code.BAD_MESSAGE, None),
        (Code.BAD_MESSAGE, []),
        (Code.BAD_MESSAGE, [[1]]),
        (Code.BAD_MESSAGE, "text"),
        (Code.BAD_MESSAGE, {"matrix": {1, 2}}),
        (Code.BAD_MESSAGE, {"requestContext": {}, "body": GOOD}),
        (Code.BAD_MESSAGE, {"requestContext": {"http": "POST"}, "body": GOOD}),
        (Code.BAD_JOB_ID, {"job_id": "../x", "matrix": [[1]]}),
        (Code.NOT_SQUARE, {"matrix": [[1, 2]]}),
    ],
)
def test_a_bad_call_is_refused_by_the_code_of_a_message(code: Code, event: object) -> None:
    assert code_of(call_of(event)) is code


@pytest.mark.parametrize(
    ("event", "job_id", "stored"),
    [
        ({"job_id": "a", "matrix": [[float("nan")]]}, "a", True),
        ({"job_id": "a", "matrix": [[1, 2]]}, "a", True),
        ({"job_id": "../a", "matrix": [[1]]}, None, False),
        ({"job_id": "../a", "matrix": [[float("nan")]]}, None, False),
        ({"job_id": 7, "matrix": [[1]]}, None, False),
    ],
)
def test_a_refused_call_is_kept_only_under_a_valid_id(
    event: object, job_id: str | None, *, stored: bool
) -> None:
    call = call_of(event)
    assert call.stored is stored
    assert job_id in {call.parsed.job_id, None}


# By URL


def test_a_post_is_answered_with_the_inverse() -> None:
    response = called(World.make(), url_event(GOOD))
    assert response["statusCode"] == 200
    assert response["headers"] == {"content-type": "application/json"}
    assert json.loads(response["body"])["inverse"] == [[-2.0, 1.0], [1.5, -0.5]]


def test_a_body_in_base64_is_the_same_body() -> None:
    event = url_event(base64.b64encode(GOOD.encode()).decode(), encoded=True)
    assert called(World.make(), event) == called(World.make(), url_event(GOOD))


def test_a_post_with_a_job_id_is_kept_and_conflicts_with_another() -> None:
    world = World.make()
    first = called(world, url_event('{"job_id": "a", "matrix": [[2]]}'))
    again = called(world, url_event('{"job_id": "a", "matrix": [[2.0]]}'))
    other = called(world, url_event('{"job_id": "a", "matrix": [[4]]}'))
    assert [r["statusCode"] for r in (first, again, other)] == [200, 200, 409]
    assert world.inverse("a") == [[0.5]]


@pytest.mark.parametrize(
    ("status", "code", "body"),
    [
        (400, Code.BAD_MESSAGE, ""),
        (400, Code.BAD_MESSAGE, None),
        (400, Code.BAD_MESSAGE, "hello"),
        (400, Code.BAD_MESSAGE, "\ud800"),
        (400, Code.BAD_MESSAGE, "[[1]]"),
        (400, Code.BAD_MESSAGE, '{"job_id": "a", "job_id": "b", "matrix": [[1]]}'),
        (400, Code.BAD_MESSAGE, '{"matrix": [[1]], "unknown": 1}'),
        (400, Code.BAD_MESSAGE, '{"s3": {"bucket": "inputs", "key": "a.npy"}}'),
        (400, Code.BAD_JOB_ID, '{"job_id": "../x", "matrix": [[1]]}'),
        (400, Code.UNSUPPORTED_VERSION, '{"v": 2, "matrix": [[1]]}'),
        (400, Code.NOT_SQUARE, '{"matrix": [[1, 2]]}'),
        (400, Code.NON_FINITE, '{"matrix": [[1e999]]}'),
        (422, Code.SINGULAR, '{"matrix": [[1, 2], [2, 4]]}'),
        (422, Code.NOT_POSITIVE_DEFINITE, '{"matrix": [[-1]], "method": "spd"}'),
        (422, Code.OVERFLOW, '{"matrix": [[5e-324, 0], [0, 1]]}'),
    ],
)
def test_a_bad_post_gets_the_status_of_its_code(status: int, code: Code, body: str | None) -> None:
    response = called(World.make(), url_event(body))
    assert response["statusCode"] == status
    error = json.loads(response["body"])["error"]
    assert (error["code"], error["retryable"]) == (code, False)


def test_nan_is_no_json() -> None:
    response = called(World.make(), url_event('{"matrix": [[NaN]]}'))
    error = json.loads(response["body"])["error"]
    assert (response["statusCode"], error["code"]) == (400, "BAD_MESSAGE")


def test_a_body_that_is_not_the_base64_it_claims_to_be_is_refused() -> None:
    response = called(World.make(), url_event("€", encoded=True))
    assert response["statusCode"] == 400
    assert "base64" in json.loads(response["body"])["error"]["message"]


def test_an_answer_that_is_too_large_is_413() -> None:
    matrix = (np.eye(600) * 9 + 1 / 3).tolist()
    response = called(World.make(), url_event(json.dumps({"matrix": matrix})))
    assert response["statusCode"] == 413


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "post", None])
def test_other_methods_are_405_and_compute_nothing(method: str | None) -> None:
    world = World.make()
    response = called(world, url_event('{"job_id": "a", "matrix": [[2]]}', method=method))
    assert response["statusCode"] == 405
    assert response["headers"]["allow"] == "POST"
    assert json.loads(response["body"])["error"]["limit"] == "POST"
    assert not (world.table.calls + world.store.calls)


def test_a_passing_fault_is_503_and_says_when_to_come_again() -> None:
    world = World.make()

    def fail(moment: str) -> None:
        if moment == "get:before":
            raise Transient(Code.THROTTLED, "slow down")

    world.table.fail = fail
    response = called(world, url_event('{"job_id": "a", "matrix": [[2]]}'))
    assert response["statusCode"] == 503
    assert int(response["headers"]["retry-after"]) > 0
    error = json.loads(response["body"])["error"]
    assert (error["code"], error["retryable"]) == ("THROTTLED", True)
    world.table.fail = None
    assert called(world, url_event('{"job_id": "a", "matrix": [[2]]}'))["statusCode"] == 200


@pytest.mark.parametrize("code", Code)
def test_every_error_has_a_status_that_tells_whether_to_try_again(code: Code) -> None:
    status = reply(call_of(url_event(GOOD)), failing(code))["statusCode"]
    assert (status == 503) is (code in TRANSIENT)
    assert status in {400, 409, 413, 422, 503}


@pytest.mark.parametrize("code", Code)
def test_an_invocation_raises_what_passes_and_answers_the_rest(code: Code) -> None:
    call = call_of({"matrix": [[1]]})
    if code in TRANSIENT:
        with pytest.raises(Transient, match=code):
            reply(call, failing(code))
    else:
        assert reply(call, failing(code)) == {"error": {}}


@given(
    st.fixed_dictionaries(
        {"requestContext": st.fixed_dictionaries({"http": st.dictionaries(st.text(), st.text())})},
        optional={"body": st.none() | st.text() | st.integers(), "isBase64Encoded": st.booleans()},
    )
)
def test_whatever_comes_by_url_becomes_a_call(event: dict[str, Any]) -> None:
    event["requestContext"]["http"]["method"] = "POST"
    call = call_of(event)
    assert call.method == "POST"
    assert call.parsed.job_id
