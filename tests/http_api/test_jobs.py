"""``/jobs``: a job from the submission to its result, and its redrive."""

from __future__ import annotations

from typing import Any

import pytest

from matinv.errors import Code, Refused
from matinv.jobs.request import Delivery
from matinv.ports import DeadLetter
from support.api_server import ApiServer

GOOD = [[1, 2], [3, 4]]


def done(ask: ApiServer, job_id: str, **fields: Any) -> None:
    """Submit a job and let a worker do it."""
    assert ask.post("/jobs", {"job_id": job_id, "matrix": GOOD, **fields}).status == 202
    ask.service.work()


def test_a_job_is_submitted_done_and_fetched(ask: ApiServer) -> None:
    answer = ask.post("/jobs", {"matrix": GOOD, "tags": {"team": "fem"}})
    assert (answer.status, answer.tree["status"], answer.tree["tags"]) == (
        202,
        "QUEUED",
        {"team": "fem"},
    )
    path = answer.headers["location"]
    assert path == f"/jobs/{answer.tree['job_id']}"
    assert int(ask.get(path).headers["retry-after"]) > 0
    ask.service.work()
    job = ask.get(path)
    assert (job.status, job.tree["status"]) == (200, "SUCCEEDED")
    assert "retry-after" not in job.headers
    assert ask.get(f"{path}/result").tree["inverse"] == [[-2.0, 1.0], [1.5, -0.5]]


def test_a_job_that_nobody_knows_is_404(ask: ApiServer) -> None:
    for path in ("/jobs/never", "/jobs/never/result"):
        assert ask.get(path).code == "NOT_FOUND"


def test_a_dead_job_is_sent_back_with_other_options(ask: ApiServer) -> None:
    done(ask, "bad", matrix=[[1, 2], [2, 4]])
    done(ask, "other", matrix=[[0]])
    answer = ask.post("/jobs/bad/redrive", {"method": "pinv"})
    assert (answer.status, answer.tree) == (202, {"job_ids": ["bad"]})
    assert answer.headers["location"] == "/jobs/bad"
    ask.service.work()
    assert ask.get("/jobs/bad").tree["status"] == "SUCCEEDED"
    assert ask.get("/jobs/other").tree["status"] == "FAILED"
    assert ask.post("/jobs/bad/redrive").code == "NOT_FOUND"
    assert ask.post("/jobs/other/redrive").status == 202


@pytest.mark.parametrize("body", [{"method": "magic"}, {"matrix": [[1]]}, "hello", "[]"])
def test_options_that_are_none_redrive_nothing(ask: ApiServer, body: Any) -> None:
    done(ask, "bad", matrix=[[0]])
    answer = ask.post("/jobs/bad/redrive", body)
    assert (answer.status, answer.code) == (400, "BAD_MESSAGE")
    assert len(ask.service.queue._letters) == 1


def test_a_letter_that_cannot_be_sent_back_stays_and_says_why(ask: ApiServer) -> None:
    error = Refused(Code.NOT_SQUARE, "not square")
    dead = Delivery("m", "r", '{"job_id": "a", "matrix": [[1, 2]]}', 1, 0, "a", error)
    ask.service.queue.dead_letter([DeadLetter(dead, "NOT_SQUARE", "not square", "message")])
    answer = ask.post("/jobs/a/redrive")
    assert (answer.status, answer.code) == (400, "NOT_SQUARE")
    assert len(ask.service.queue._letters) == 1


def test_of_several_letters_those_that_are_jobs_are_sent_back(ask: ApiServer) -> None:
    done(ask, "a", matrix=[[0]])
    error = Refused(Code.NOT_SQUARE, "not square")
    dead = Delivery("m", "r", '{"job_id": "a", "matrix": [[1, 2]]}', 1, 0, "a", error)
    ask.service.queue.dead_letter([DeadLetter(dead, "NOT_SQUARE", "not square", "message")])
    assert ask.post("/jobs/a/redrive").tree == {"job_ids": ["a"]}
    assert len(ask.service.queue._letters) == 1


def test_a_search_through_many_letters_ends_with_the_invocation(ask: ApiServer) -> None:
    done(ask, "bad", matrix=[[0]])
    ask.remaining_ms = 1000
    assert ask.post("/jobs/bad/redrive").code == "DEADLINE"
    ask.remaining_ms = 60_000
    assert ask.post("/jobs/bad/redrive").status == 202  # the letters were put back at once
