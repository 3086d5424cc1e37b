"""Jobs through an HTTP API: their ids in its paths, and pages of a list."""

from __future__ import annotations

import pytest

from matinv.client import prepare
from matinv.errors import Code, Refused
from matinv.jobs.record import Status
from support.api_server import ApiServer


@pytest.mark.parametrize("job_id", ["a/b", "a/result", "a/.b", "result"])
def test_every_id_finds_its_way(api: ApiServer, job_id: str) -> None:
    job = api.client.submit([[2.0]], job_id=job_id)
    job.wait()
    assert job.result() == [[0.5]]


def test_jobs_are_listed_over_several_pages(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("matinv.backends.http.table._PAGE", 2)
    for number in range(5):
        api.client.submit([[number + 1.0]], job_id=f"j{number}")
        api.service.now_s += 1
    assert [r.job_id for r in api.client.list(limit=4)] == ["j4", "j3", "j2", "j1"]
    assert [r.job_id for r in api.client.list("FAILED")] == []


def test_jobs_and_runs_are_cancelled(api: ApiServer) -> None:
    for name in ("a/cancel", "fem/b", "fem/c"):
        api.client.submit([[2.0]], job_id=name)
    found = api.client.cancel(["a/cancel", "never"])
    assert {name: record.status for name, record in found.items()} == {"a/cancel": Status.CANCELLED}
    assert api.client.cancel_run("fem") == 2
    assert api.client.table.run_summary("fem").counts == {Status.CANCELLED: 2}


def test_many_messages_go_in_few_requests_and_each_has_its_own_outcome(api: ApiServer) -> None:
    api.client.submit([[5.0]], job_id="j7")
    api.requests.clear()
    made = [prepare([[number + 1.0]], f"j{number}") for number in range(250)]
    sent = api.client.queue.send_all([one.body or "" for one in made])
    assert len(api.requests) == 3
    assert [number for number, refusal in enumerate(sent) if refusal] == [7]
    assert isinstance(sent[7], Refused)
    assert sent[7].code is Code.JOB_ID_CONFLICT
    assert api.client.job("j249").wait().status is Status.SUCCEEDED
