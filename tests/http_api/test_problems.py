"""Errors as problem documents: one status for each code."""

from __future__ import annotations

import io
from typing import Any

import pytest

from matinv.errors import Code, Transient
from support.api_server import ApiServer

GOOD = '{"matrix": [[1, 2], [3, 4]]}'

SECRET = "kanarienvogel"


def test_a_passing_fault_is_503_and_says_when_to_come_again(ask: ApiServer) -> None:
    def fail(moment: str) -> None:
        if moment == "get:before":
            raise Transient(Code.THROTTLED, "slow down")

    ask.service.table.fail = fail
    answer = ask.post("/invert", {"job_id": "a", "matrix": [[2]]})
    assert (answer.status, answer.code, answer.tree["retryable"]) == (503, "THROTTLED", True)
    assert int(answer.headers["retry-after"]) > 0
    ask.service.table.fail = None
    assert ask.post("/invert", {"job_id": "a", "matrix": [[2]]}).status == 200


def test_a_bug_is_503_without_its_text_and_is_logged_with_its_place(
    ask: ApiServer, monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    def broken(*args: Any) -> Any:
        raise ValueError(SECRET)

    monkeypatch.setattr("matinv.http_api.jobs.read", broken)
    answer = ask.post("/jobs", GOOD)
    assert (answer.status, answer.code, answer.tree["retryable"]) == (503, "INTERNAL", True)
    assert "in broken" in log.getvalue()
    assert SECRET not in log.getvalue() + answer.body.decode()
