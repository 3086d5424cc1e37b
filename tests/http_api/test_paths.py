"""Job ids in paths, with their slashes."""

from __future__ import annotations

from typing import Any

import pytest

from support.api_requests import ApiRequests

GOOD = [[1, 2], [3, 4]]


def done(ask: ApiRequests, job_id: str, **fields: Any) -> None:
    """Submit a job and let a worker do it."""
    assert ask.post("/jobs", {"job_id": job_id, "matrix": GOOD, **fields}).status == 202
    ask.service.work()


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
