"""`matinv local api`: the HTTP API over a real socket, on the stack and beside its worker."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matinv.backends.aws.event_source import FunctionError
from matinv.client import Client
from matinv.local.api import server
from matinv.local.stack import Stack
from support.processes import matinv, until

pytestmark = pytest.mark.deep

Ask = Callable[[Any], http.client.HTTPConnection]


@pytest.fixture(scope="module")
def url(stack: Stack) -> Iterator[str]:
    env = stack.environment()
    with (
        matinv("local", "worker", env=env),
        matinv("local", "api", env=env, stdout=subprocess.PIPE) as api,
    ):
        assert api.stdout
        yield api.stdout.readline().strip()


def test_a_small_and_a_large_matrix_go_there_and_back(url: str) -> None:
    client = Client.connect(api=url)
    rng = np.random.default_rng(1)
    for job_id, n in (("api/small", 3), ("api/large", 800)):  # in a message; by URLs of S3
        a = rng.standard_normal((n, n)) + n * np.eye(n)
        job = client.submit(a, job_id=job_id, tags={"team": "fem"})
        record = job.wait(60)
        assert (record.status, record.tags) == ("SUCCEEDED", {"team": "fem"})
        assert np.abs(job.result(verify=a) @ a - np.eye(n)).max() < 1e-9
    assert {record.job_id for record in client.list("SUCCEEDED")} >= {"api/small", "api/large"}


def test_a_failed_job_is_redriven(url: str) -> None:
    client = Client.connect(api=url)
    assert client.submit([[1, 2], [2, 4]], job_id="api/bad").wait(60).status == "FAILED"
    request = urllib.request.Request(
        f"{url}/jobs/api/bad/redrive",
        b'{"method": "pinv"}',
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert (answer.status, json.load(answer)) == (202, {"job_ids": ["api/bad"]})
    until(lambda: client.job("api/bad").status() == "SUCCEEDED")


def test_up_serves_it_too_and_says_so_when_it_does(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env_file = tmp_path / "env"
    arguments = ("local", "up", "--no-worker", "--api", str(port), "--env-file", str(env_file))
    with matinv(*arguments, stdout=subprocess.DEVNULL):
        until(env_file.exists)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=60) as answer:
            assert json.load(answer)["status"] == "ok"


def test_a_port_that_is_taken_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with matinv("local", "api", "--port", port) as api:
            assert api.wait(60) == 2
    assert f"--port {port}" in capfd.readouterr().err


# The server alone


@pytest.fixture
def ask() -> Iterator[Ask]:
    """Serve a function and return what asks it."""
    with ExitStack() as ending:

        def asking(invoke: Any) -> http.client.HTTPConnection:
            listening = ending.enter_context(server(0, invoke))
            serve = threading.Thread(target=listening.serve_forever, args=(0.01,))
            serve.start()
            ending.callback(serve.join)
            ending.callback(listening.shutdown)
            to = http.client.HTTPConnection("127.0.0.1", listening.server_port, timeout=10)
            ending.callback(to.close)
            return to

        yield asking


def echoed(event: dict[str, Any]) -> dict[str, Any]:
    """Answer with what came."""
    text = json.dumps(event)
    return {"statusCode": 200, "headers": {"x-from": "here"}, "body": text}


@pytest.mark.parametrize(
    ("body", "text", "encoded"),
    [(b"{}", "{}", False), (b"\xff\x00", "/wA=", True), (b"", "", False)],
)
def test_a_request_becomes_an_event(ask: Ask, body: bytes, text: str, *, encoded: bool) -> None:
    to = ask(echoed)
    to.request("PROPFIND", "/jobs/a%2Fb/c?x=1&y=%20", body, {"X-Own": "Value"})
    answer = to.getresponse()
    event = json.load(answer)
    assert (answer.status, answer.headers["x-from"]) == (200, "here")
    assert (event["rawPath"], event["rawQueryString"]) == ("/jobs/a%2Fb/c", "x=1&y=%20")
    assert (event["body"], event["isBase64Encoded"]) == (text, encoded)
    assert event["headers"]["x-own"] == "Value"
    assert event["requestContext"]["http"]["method"] == "PROPFIND"


def test_bytes_of_an_answer_arrive_as_bytes_and_not_at_all_for_head(ask: Ask) -> None:
    answer = {"statusCode": 200, "headers": {}, "body": "/wA=", "isBase64Encoded": True}
    to = ask(lambda event: answer)
    for method, content in (("HEAD", b""), ("GET", b"\xff\x00")):
        to.request(method, "/")
        reply = to.getresponse()
        assert (reply.read(), reply.headers["content-length"]) == (content, "2")


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"content-length": "6291457"}, 413), ({"content-length": "x"}, 411)],
)
def test_what_a_url_would_not_take_is_refused_unread(
    ask: Ask, headers: dict[str, str], status: int
) -> None:
    to = ask(echoed)
    to.request("POST", "/", b"", headers)
    assert to.getresponse().status == status


def test_a_function_that_fails_is_502(ask: Ask) -> None:
    def broken(event: dict[str, Any]) -> Any:
        raise FunctionError("KeyError")

    to = ask(broken)
    to.request("GET", "/")
    assert to.getresponse().status == 502


def test_requests_are_served_one_at_a_time(ask: Ask) -> None:
    inside, most = 0, 0
    lock = threading.Lock()

    def slow(event: dict[str, Any]) -> Any:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        threading.Event().wait(0.02)
        with lock:
            inside -= 1
        return echoed(event)

    first = ask(slow)

    def get(_: int) -> int:
        to = http.client.HTTPConnection(first.host, first.port, timeout=10)
        to.request("GET", "/")
        status = to.getresponse().status
        to.close()
        return status

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(get, range(8))) == {200}
    assert most == 1
