"""The command line with ``--api``: the tests of its main commands again, over a real socket.

Beside those of `tests/cli`, which find their `run` and `service` here, what only HTTP has.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from matinv.backends.http.api import Api, error_of
from matinv.backends.http.sigv4 import Reply
from matinv.cli.app import cli
from matinv.client import Client
from matinv.errors import Code, Refused, Transient
from matinv.settings import SettingsError
from support.api_server import ApiServer
from support.memory_service import MemoryService, Run, general


def test_nothing_but_the_url_is_needed(
    api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    body = '{"job_id": "a", "matrix": [[2]]}'
    sent = CliRunner().invoke(cli, ["--api", api.url, "submit", "-"], input=body)
    assert (sent.exit_code, sent.stdout) == (0, "a\n")
    api.service.work()
    monkeypatch.setenv("MATINV_API_URL", api.url)
    fetched = CliRunner().invoke(cli, ["result", "a", "--output", "json"])
    assert json.loads(fetched.stdout)["inverse"] == [[0.5]]


def test_requests_are_signed_for_lambda_and_uploads_are_not(api: ApiServer) -> None:
    big = general(200)
    client = api.client
    job = client.submit(big, job_id="big", tags={"team": "fem"})
    assert job.wait().tags == {"team": "fem"}
    assert np.abs(job.result() @ big - np.eye(200)).max() < 1e-9
    ours = [r["headers"] for r in api.requests if not r["rawPath"].startswith("/objects/")]
    assert all("/us-east-1/lambda/aws4_request" in headers["authorization"] for headers in ours)
    assert len(ours) < len(api.requests)


@pytest.mark.parametrize(
    ("url", "scope"),
    [
        ("https://k7.lambda-url.eu-west-1.on.aws", "/eu-west-1/lambda/"),
        ("https://k7.execute-api.eu-west-1.amazonaws.com/prod/", "/eu-west-1/execute-api/"),
        ("http://127.0.0.1:1", "/us-east-1/lambda/"),
    ],
)
def test_a_signature_names_the_service_and_the_region_of_the_url(
    url: str, scope: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    api = Api(url)
    monkeypatch.setattr(api.http, "_sent", sent.append)
    with pytest.raises(AttributeError):  # there is no answer
        api.ask("GET", "/health")
    assert scope in sent[0].headers["authorization"]
    assert sent[0].url == url.rstrip("/") + "/health"


@pytest.mark.parametrize("job_id", ["a/b", "a/result", "a/./b", "result"])
def test_every_id_finds_its_way(api: ApiServer, job_id: str) -> None:
    job = api.client.submit([[2.0]], job_id=job_id)
    job.wait()
    assert job.result() == [[0.5]]


def test_a_large_result_is_fetched_from_where_it_is(run: Run, service: MemoryService) -> None:
    big = general(800)
    np.save("big.npy", big)
    assert run("submit", "big.npy", "--wait").exit_code == 0
    assert run("result", "big", "-o", "x.npy").exit_code == 0
    assert np.abs(np.load("x.npy") @ big - np.eye(800)).max() < 1e-9
    assert "/objects/s3://results/big/" in run("result", "big", "--url").stdout


def test_a_small_result_has_no_url(run: Run, service: MemoryService) -> None:
    run("submit", "-", "--job-id", "a", "--wait", stdin="[[2]]")
    result = run("result", "a", "--url")
    assert (result.exit_code, "fetch it" in result.stderr) == (7, True)


def test_an_upload_that_lost_a_race_is_a_conflict(api: ApiServer) -> None:
    upload = api.service.store.upload_url

    def overtaken(key: str, *arguments: Any) -> Any:
        place = upload(key, *arguments)
        api.service.store.upload(key, [b"other"], {})
        return place

    api.service.store.upload_url = overtaken  # type: ignore[method-assign]
    with pytest.raises(Refused, match="JOB_ID_CONFLICT"):
        api.client.submit(general(200), job_id="big")


def test_verifying_needs_the_matrix(run: Run) -> None:
    np.save("big.npy", general(200))
    run("submit", "big.npy", "--wait")
    result = run("result", "big", "--verify", "-o", "x.npy")
    assert (result.exit_code, "--input FILE" in result.stderr) == (7, True)
    assert run("result", "big", "--verify", "--input", "big.npy", "-o", "x.npy").exit_code == 0


def test_a_dead_job_is_redriven_by_its_id_with_other_options(
    run: Run, service: MemoryService
) -> None:
    run("submit", "-", "--job-id", "bad", "--wait", stdin="[[1, 2], [2, 4]]")
    result = run("dlq", "redrive", "--job-id", "bad", "--method", "pinv")
    assert (result.exit_code, result.stdout) == (0, "bad\n")
    service.work()
    assert "SUCCEEDED" in run("status", "bad").stdout
    assert run("dlq", "redrive", "--job-id", "bad").exit_code == 6


@pytest.mark.parametrize("args", [(), ("--code", "SINGULAR"), ("--job-id", "a", "--dry-run")])
def test_dead_letters_are_redriven_by_id_alone(run: Run, args: tuple[str, ...]) -> None:
    result = run("dlq", "redrive", *args)
    assert (result.exit_code, "by --job-id alone" in result.stderr) == (2, True)


def test_dead_letters_are_not_shown(run: Run) -> None:
    result = run("dlq", "list")
    assert (result.exit_code, "does not offer" in result.stderr) == (7, True)


def test_jobs_are_listed_over_several_pages(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("matinv.backends.http.table._PAGE", 2)
    for number in range(5):
        api.client.submit([[number + 1.0]], job_id=f"j{number}")
        api.service.world.now_s += 1
    assert [r.job_id for r in api.client.list(limit=4)] == ["j4", "j3", "j2", "j1"]
    assert [r.job_id for r in api.client.list("FAILED")] == []


def test_a_caller_who_came_too_often_waits_and_comes_again(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[int] = []
    monkeypatch.setattr("matinv.backends.http.api.pause", pauses.append)
    api.busy = 2
    assert api.client.records(["never"]) == {}
    assert len(pauses) == 2


def test_no_server_is_a_passing_fault() -> None:
    client = Client.connect(api="http://127.0.0.1:9")
    with pytest.raises(Transient, match="STORAGE"):
        client.job("a").record()


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (403, b'{"Message": "Forbidden"}', Transient, Code.ACCESS_DENIED),
        (502, b"<html>", Transient, Code.STORAGE),
        (404, b"[]", Refused, Code.BAD_MESSAGE),
        (429, b"", Transient, Code.THROTTLED),
        (422, b'{"code": "SINGULAR", "detail": "x"}', Refused, Code.SINGULAR),
        (503, b'{"code": "INTERNAL", "detail": "x"}', Transient, Code.INTERNAL),
    ],
)
def test_whatever_is_answered_is_one_of_our_errors(
    status: int, body: bytes, kind: type, code: Code
) -> None:
    error = error_of(Reply(status, {}, body))
    assert (type(error), error.code) == (kind, code)


@pytest.mark.parametrize("url", ["http://example.com", "ftp://127.0.0.1", "nothing", "https://["])
def test_a_url_that_is_none_or_not_encrypted_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="https"):
        Client.connect(api=url)


def test_two_ways_to_a_service_are_one_too_many() -> None:
    result = CliRunner().invoke(cli, ["--api", "https://x", "--stack", "y", "status", "a"])
    assert result.exit_code == 2
    assert "two ways" in result.stderr


def test_a_stack_on_the_command_line_wins_over_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MATINV_API_URL", "http://127.0.0.1:9")
    result = CliRunner().invoke(cli, ["--stack", "nowhere", "status", "a"])
    assert "--stack nowhere" in result.stderr
