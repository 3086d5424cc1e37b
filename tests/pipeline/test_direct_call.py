"""Calls of the api as Lambda hands them over by invocation, and its answers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from matinv import pipeline
from matinv.errors import TRANSIENT, Code, MatinvError, Refused, Transient
from matinv.jobs.request import Inline, Request
from matinv.pipeline.direct_call import Call, call_of, reply

GOOD = '{"matrix": [[1, 2], [3, 4]]}'


def code_of(call: Call) -> Code:
    assert isinstance(call.parsed.content, MatinvError)
    return call.parsed.content.code


def failing(code: Code) -> pipeline.Answer:
    error = (Transient if code in TRANSIENT else Refused)(code, "for tests")
    return pipeline.Answer(b'{"error":{}}', pipeline.Report([], []), error)


def test_a_call_is_a_message_that_lambda_has_parsed() -> None:
    call = call_of({"job_id": "a", "matrix": [[1, 2], [3, 4]], "method": "general"})

    assert call.stored
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


@pytest.mark.parametrize("code", Code)
def test_an_invocation_raises_what_passes_and_answers_the_rest(code: Code) -> None:
    if code in TRANSIENT:
        with pytest.raises(Transient, match=code):
            reply(failing(code))
    else:
        assert reply(failing(code)) == {"error": {}}
