"""Faults on the way to AWS: canned answers, lost answers, broken connections."""

from __future__ import annotations

import json
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

Fault = Callable[[Any, Callable[[], Any]], Any]


class _Raw:
    """The body of an answer that never was on the wire."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self._body


class Faults:
    """Stands between a boto3 client and the network; counts the calls, attempts included.

    Each attempt takes the next fault of the script; without one it goes through.
    """

    def __init__(self, client: Any) -> None:
        self.calls: Counter[str] = Counter()
        self.script: deque[Fault | None] = deque()
        self._client = client
        self._turn = threading.Lock()
        client.meta.events.register("before-send", self._before_send)

    def _before_send(self, request: Any, event_name: str, **_: object) -> Any:
        with self._turn:
            self.calls[event_name.rpartition(".")[2]] += 1
            fault = self.script.popleft() if self.script else None
        return (
            fault(request, lambda: self._client._endpoint.http_session.send(request))
            if fault
            else None
        )


def refusal(status: int, code: str, **extra: Any) -> Fault:
    """Return a fault: AWS answers with an error, in JSON or, for S3, in XML."""

    def answer(request: Any, send: Callable[[], Any]) -> AWSResponse:
        if "X-Amz-Target" in request.headers:
            body = json.dumps({"__type": code, "message": f"{code} for tests", **extra}).encode()
        else:
            body = f"<Error><Code>{code}</Code><Message>for tests</Message></Error>".encode()
        return AWSResponse(request.url, status, {}, _Raw(b"" if request.method == "HEAD" else body))

    return answer


def success(xml: str = "", **body: Any) -> Fault:
    """Return a fault: AWS answers in JSON or XML, without having done anything."""

    def answer(request: Any, send: Callable[[], Any]) -> AWSResponse:
        return AWSResponse(request.url, 200, {}, _Raw((xml or json.dumps(body)).encode()))

    return answer


def lost_answer(request: Any, send: Callable[[], Any]) -> Any:
    """Do what was asked, and lose the answer."""
    assert send().status_code < 300
    raise ReadTimeoutError(endpoint_url=request.url)


def lost_request(request: Any, send: Callable[[], Any]) -> Any:
    """Lose the request."""
    raise ConnectionClosedError(endpoint_url=request.url)


@contextmanager
def s3_that_breaks(promised: int, sent: int, *, reset: bool) -> Iterator[str]:
    """Serve every GET with fewer bytes than promised, then close or reset the connection."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(promised))
            self.send_header("ETag", '"0"')
            self.end_headers()
            self.wfile.write(bytes(sent))
            self.wfile.flush()
            if reset:
                self.connection.setsockopt(1, 13, b"\x01\0\0\0\0\0\0\0")  # SO_LINGER 0: RST
            self.close_connection = True
            self.connection.shutdown(2) if not reset else self.connection.close()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
