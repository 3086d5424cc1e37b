"""``POST /invert``: a matrix in the request, its inverse in the answer."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from matinv.errors import Code
from support.api_server import ApiServer

GOOD = '{"matrix": [[1, 2], [3, 4]]}'


@pytest.mark.parametrize("path", ["/invert", "/"])
def test_a_matrix_is_answered_with_its_inverse(ask: ApiServer, path: str) -> None:
    answer = ask.post(path, GOOD)
    assert (answer.status, answer.headers) == (200, {"content-type": "application/json"})
    assert answer.tree["inverse"] == [[-2.0, 1.0], [1.5, -0.5]]
    certificate = answer.tree["certificate"]
    assert certificate["rcond_1"] == pytest.approx(1 / 21)
    assert certificate["log_abs_det"] == pytest.approx(np.log(2))
    assert certificate["sign"] == -1
    assert ask.service.table.records == {}


def test_sign_of_a_complex_matrix_has_two_parts(ask: ApiServer) -> None:
    answer = ask.post("/invert", '{"matrix": {"re": [[0]], "im": [[-2]]}}')
    assert answer.tree["certificate"]["sign"] == {"re": 0, "im": -1}


def test_a_body_in_base64_is_the_same_body(ask: ApiServer) -> None:
    encoded = ask.post("/invert", base64.b64encode(GOOD.encode()).decode(), encoded=True)
    assert encoded == ask.post("/invert", GOOD)


def test_a_matrix_with_a_job_id_is_kept_and_conflicts_with_another(ask: ApiServer) -> None:
    first = ask.post("/invert", {"job_id": "a", "matrix": [[2]]})
    again = ask.post("/invert", '{"matrix": [[2.0]]}', headers={"idempotency-key": "a"})
    other = ask.post("/invert", {"job_id": "a", "matrix": [[4]]})
    assert [answer.status for answer in (first, again, other)] == [200, 200, 409]
    assert other.code == "JOB_ID_CONFLICT"
    assert ask.service.inverse("a") == [[0.5]]


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
    ask: ApiServer, status: int, code: Code, body: str | None
) -> None:
    answer = ask.post("/invert", body)
    assert (answer.status, answer.code, answer.tree["retryable"]) == (status, code, False)


def test_an_answer_that_is_too_large_is_413(ask: ApiServer) -> None:
    matrix = (np.eye(600) * 9 + 1 / 3).tolist()
    assert ask.post("/invert", {"matrix": matrix}).status == 413
