"""``GET /jobs``: pages and filters."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

import pytest

from support.api_server import ApiServer

GOOD = [[1, 2], [3, 4]]


def done(ask: ApiServer, job_id: str, **fields: Any) -> None:
    """Submit a job and let a worker do it."""
    assert ask.post("/jobs", {"job_id": job_id, "matrix": GOOD, **fields}).status == 202
    ask.service.work()


def test_jobs_are_listed_page_by_page_the_newest_first(ask: ApiServer) -> None:
    for number in range(7):
        ask.service.now_s += number % 2  # some at the same time
        done(ask, f"j{number}")
    seen: list[str] = []
    query = "limit=3"
    while query:
        page = ask.get("/jobs", query=query).tree
        seen += [job["job_id"] for job in page["jobs"]]
        query = f"limit=3&cursor={page['cursor']}" if "cursor" in page else ""
    assert seen == [f"j{number}" for number in range(6, -1, -1)]


def test_jobs_are_filtered_by_status_tag_and_time(ask: ApiServer) -> None:
    done(ask, "old", tags={"team": "a,b=c"})
    ask.service.now_s += 10
    done(ask, "new", tags={"team": "a,b=c"})
    done(ask, "bad", matrix=[[0]])

    def listed(query: str) -> list[str]:
        answer = ask.get("/jobs", query=query)
        assert answer.status == 200, answer.body
        return [job["job_id"] for job in answer.tree["jobs"]]

    assert listed("") == ["new", "bad", "old"]
    assert listed("status=FAILED") == ["bad"]
    assert listed("tag=" + quote("team=a,b=c")) == ["new", "old"]
    assert listed("tag=team=a") == []
    assert listed("since=2023-11-14T22:13:30Z") == ["new", "bad"]
    assert listed("since=2023-11-14T22:13:31Z") == []
    assert listed("since=2023-11-14&tag=team%3Da%2Cb%3Dc&limit=1&status=SUCCEEDED") == ["new"]


def test_a_rare_tag_is_found_over_several_pages(
    ask: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("matinv.http_api.listing.LOOKED_THROUGH", 2)
    for number in range(5):
        ask.service.now_s += 1
        done(ask, f"j{number}", tags={"rare": "yes"} if number == 0 else {})
    query, pages = "tag=rare=yes", 0
    while True:
        page = ask.get("/jobs", query=query).tree
        pages += 1
        if page["jobs"]:
            break
        query = f"tag=rare=yes&cursor={page['cursor']}"
    assert ([job["job_id"] for job in page["jobs"]], pages) == (["j0"], 3)


@pytest.mark.parametrize(
    "query",
    [
        "status=DONE",
        "limit=0",
        "limit=101",
        "limit=many",
        "tag=team",
        "tag==x",
        "since=yesterday",
        "unknown=1",
        "limit=1&limit=2",
        "cursor=",
        "cursor=!",
        "cursor=" + "A" * 401,
        "cursor=" + base64.urlsafe_b64encode(b'["2023-11-14", 7]').decode(),
        "cursor=" + base64.urlsafe_b64encode(b'["x", "a"]').decode(),
        "cursor=" + base64.urlsafe_b64encode(b'["2023-11-14", "../a"]').decode(),
        "cursor=" + base64.urlsafe_b64encode(b'{"a": 1}').decode(),
    ],
)
def test_a_query_that_means_nothing_is_400(ask: ApiServer, query: str) -> None:
    answer = ask.get("/jobs", query=query)
    assert (answer.status, answer.code) == (400, "BAD_MESSAGE")
