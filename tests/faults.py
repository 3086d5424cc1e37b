"""Faults on the way to AWS: canned answers, lost answers, broken connections."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

# Whose the stand-in's queues, buckets and tables are.
ACCOUNT = "123456789012"

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


@contextmanager
def owners_named(s3: Any) -> Iterator[list[str | None]]:
    """Note what each request of a client names as the account that must own the bucket.

    Making a bucket and listing all of them have no owner to name.
    """
    named: list[str | None] = []

    def note(request: Any, event_name: str, **_: object) -> None:
        if event_name.rpartition(".")[2] not in {"CreateBucket", "ListBuckets"}:
            owner = request.headers.get("x-amz-expected-bucket-owner")
            named.append(owner.decode() if isinstance(owner, bytes) else owner)

    s3.meta.events.register("before-send.s3.*", note)
    try:
        yield named
    finally:
        s3.meta.events.unregister("before-send.s3.*", note)


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


def only(to: str, fault: Fault) -> Fault:
    """Return a fault that lets through what does not go to, say, ``PUT …partNumber=2``."""
    method, _, text = to.partition(" …")

    def answer(request: Any, send: Callable[[], Any]) -> Any:
        meant = request.method == method and text in request.url
        return fault(request, send) if meant else send()

    return answer


def once(to: str, fault: Fault) -> Fault:
    """Return a fault that lets through all but the first attempt that goes there."""
    left = [fault]
    return only(to, lambda request, send: left.pop()(request, send) if left else send())


@contextmanager
def s3_that_breaks(
    promised: int, sent: int, *, reset: bool, at: int | None = None
) -> Iterator[str]:
    """Serve GETs with fewer bytes than promised, then close or reset the connection.

    Every GET, which then is answered with the whole object; or, with `at`, only the one whose
    range begins there.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            begin, last = (
                map(int, asked.groups()) if asked and at is not None else (0, promised - 1)
            )
            self.send_response(206 if asked and at is not None else 200)
            self.send_header("Content-Length", str(last - begin + 1))
            self.send_header("Content-Range", f"bytes {begin}-{last}/{promised}")
            self.send_header("ETag", '"0"')
            self.end_headers()
            if at in {None, begin}:
                self.break_off()
            else:
                with suppress(OSError):  # the client takes only the first piece of the first answer
                    self.wfile.write(bytes(last - begin + 1))

        def break_off(self) -> None:
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
