"""An HTTP API as its client sees it: signatures, answers of any kind, and none."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

from matinv.backends.http.api import Api, UnknownProblem, error_of
from matinv.backends.http.sigv4 import Reply
from matinv.client import Client
from matinv.errors import Code, Refused, Transient
from matinv.local.api import server
from matinv.settings import SettingsError
from support.api_server import ApiServer
from support.memory_service import general


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
        (409, b'{"code": "NEW_CODE", "detail": "x", "hint": "y"}', UnknownProblem, "NEW_CODE"),
        (
            405,
            b'{"code": "METHOD_NOT_ALLOWED", "detail": "x"}',
            UnknownProblem,
            "METHOD_NOT_ALLOWED",
        ),
        (400, b'{"code": {"a": 1}, "detail": "x"}', Refused, Code.BAD_MESSAGE),
        (429, b"", Transient, Code.THROTTLED),
        (422, b'{"code": "SINGULAR", "detail": "x"}', Refused, Code.SINGULAR),
        (503, b'{"code": "INTERNAL", "detail": "x"}', Transient, Code.INTERNAL),
    ],
)
def test_whatever_is_answered_is_one_of_our_errors(
    status: int, body: bytes, kind: type, code: str
) -> None:
    error = error_of(Reply(status, {}, body))
    assert (type(error), error.code) == (kind, code)


def test_a_code_that_is_not_known_keeps_its_words_and_its_status() -> None:
    body = b'{"code": "NEW_CODE", "detail": "it is", "hint": "do so", "limit": "3"}'
    error = error_of(Reply(409, {}, body))
    assert isinstance(error, UnknownProblem)
    assert (str(error), error.status) == ("NEW_CODE: it is (allowed: 3); do so", 409)
    assert not error.info.retryable


@pytest.mark.parametrize("url", ["http://example.com", "ftp://127.0.0.1", "nothing", "https://["])
def test_a_url_that_is_none_or_not_encrypted_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="https"):
        Client.connect(api=url)


def test_forty_connections_wait_for_a_server_that_is_busy_and_are_answered() -> None:
    empty = {"statusCode": 200, "headers": {}, "body": "", "isBase64Encoded": False}
    with ExitStack() as stack:
        listening = stack.enter_context(server(0, lambda event: empty))
        address = ("127.0.0.1", listening.server_port)
        waiting = [
            stack.enter_context(socket.create_connection(address, timeout=30)) for _ in range(40)
        ]
        for connection in waiting:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            answers = [connection.makefile("rb").read() for connection in waiting]
        finally:
            listening.shutdown()
            thread.join()
    assert [answer[:12] for answer in answers] == [b"HTTP/1.1 200"] * 40
