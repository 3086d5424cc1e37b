"""``GET /health``, and each route while the service is away."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest

from matinv.errors import Code, Transient
from support.api_server import ApiServer

GOOD = [[1, 2], [3, 4]]
UPLOAD = {"job_id": "new", "format": "npy", "upload_id": "u1"}
PART = {"number": 1, "sha256": 64 * "0"}


def npy(array: Any) -> str:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return base64.b64encode(buffer.getvalue()).decode()


def done(ask: ApiServer, job_id: str, **fields: Any) -> None:
    """Submit a job and let a worker do it."""
    assert ask.post("/jobs", {"job_id": job_id, "matrix": GOOD, **fields}).status == 202
    ask.service.work()


def test_health_is_that_of_table_and_queue(ask: ApiServer) -> None:
    assert ask.get("/health").tree["status"] == "ok"
    for part in (ask.service.table, ask.service.queue):
        part.fail = lambda moment: (_ for _ in ()).throw(Transient(Code.STORAGE, "down"))
        answer = ask.get("/health")
        assert (answer.status, answer.code) == (503, "STORAGE")
        part.fail = None


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("code", [Code.STORAGE, Code.THROTTLED, Code.ACCESS_DENIED])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/invert", {"job_id": "new", "matrix": GOOD}),
        ("POST", "/jobs", {"job_id": "new", "matrix": GOOD}),
        ("POST", "/jobs", {"job_id": "new", "upload": {"format": "npy", "bytes": 9}}),
        ("POST", "/jobs", {"job_id": "new", "upload": {"format": "npy", "bytes": 6 * 2**30}}),
        ("POST", "/uploads/complete", UPLOAD | {"bytes": 9, "parts": [PART | {"etag": "e"}]}),
        ("POST", "/uploads/parts", UPLOAD | {"parts": [PART | {"part_bytes": 9}]}),
        ("POST", "/uploads/abort", UPLOAD),
        ("GET", "/jobs", None),
        ("GET", "/jobs/a", None),
        ("GET", "/jobs/a/result", None),
        ("POST", "/jobs/bad/redrive", None),
        ("GET", "/health", None),
    ],
)
def test_a_service_that_is_away_is_503_for_every_route(  # noqa: PLR0917 - what is asked, and how
    ask: ApiServer, method: str, path: str, body: Any, code: Code, moment: str
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
