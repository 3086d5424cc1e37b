"""Job ids in paths, with their slashes."""

from __future__ import annotations

import re
import unicodedata
from typing import Any
from urllib.parse import unquote

import pytest

from support.api_server import ApiServer

GOOD = [[1, 2], [3, 4]]


def done(ask: ApiServer, job_id: str, **fields: Any) -> None:
    """Submit a job and let a worker do it."""
    assert ask.post("/jobs", {"job_id": job_id, "matrix": GOOD, **fields}).status == 202
    ask.service.work()


@pytest.mark.parametrize("name", ["..", "%2e%2e%2fx", "a//b", "a%00", "é", "%ff", "a" * 2000])
def test_a_name_that_makes_no_id_is_looked_for_all_the_same(ask: ApiServer, name: str) -> None:
    assert ask.get(f"/jobs/{name}").code == "NOT_FOUND"


@pytest.mark.parametrize(
    "path", ["eins%20zwei.npy", "eins%20zwei", "eins%20zwei.JSON", "a%2525", "gro%CC%88%C3%9Fe.npy"]
)
def test_a_job_is_found_by_key_name_and_id(ask: ApiServer, path: str) -> None:
    name = unquote(path)
    job_id = unicodedata.normalize("NFC", re.sub(r"(?i)\.(npy|json)$", "", name))
    ask.service.store.upload(f"{job_id}.json", [b"[[2, 0], [0, 4]]"], {})
    assert ask.get(f"/jobs/{path}").tree["status"] == "QUEUED"
    ask.service.work()
    assert ask.get(f"/jobs/{path}").tree["job_id"] == job_id
    assert ask.get(f"/jobs/{path}/result").tree["inverse"] == [[0.5, 0.0], [0.0, 0.25]]


@pytest.mark.parametrize(
    "path", ["/jobs/a/b/c", "/jobs/a%2Fb%2fc", "/jobs/a/b%2Fc", "/jobs/%61/b/c"]
)
def test_slashes_of_an_id_may_be_encoded(ask: ApiServer, path: str) -> None:
    done(ask, "a/b/c")
    assert ask.get(path).tree["job_id"] == "a/b/c"
    assert ask.get(f"{path}/result").tree["job_id"] == "a/b/c"


@pytest.mark.parametrize("name", ["result", "redrive"])
def test_an_id_that_ends_like_an_action_is_reached_by_an_encoded_slash(
    ask: ApiServer, name: str
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
