"""Methods and paths that the API does not have."""

from __future__ import annotations

import pytest

from support.api_server import ApiServer


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "post", None])
def test_other_methods_are_405_and_compute_nothing(ask: ApiServer, method: str | None) -> None:
    for path in ("/", "/invert"):
        answer = ask(method, path, '{"job_id": "a", "matrix": [[2]]}')
        assert (answer.status, answer.code) == (405, "METHOD_NOT_ALLOWED")
        assert answer.headers["allow"] == answer.tree["limit"] == "POST"
    assert not (ask.service.table.calls + ask.service.store.calls)


@pytest.mark.parametrize("path", ["/nothing", "", "/jobs/", "/jobs//result", "/Jobs", "//invert"])
def test_what_is_not_there_is_404(ask: ApiServer, path: str) -> None:
    assert ask.get(path).code == "NOT_FOUND"
