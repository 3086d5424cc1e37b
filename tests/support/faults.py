"""Faults on the way to AWS: canned answers, lost answers, broken connections."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from botocore.httpsession import URLLib3Session

_BATCH: Final = "/v1/"  # a part of its addresses: it answers in JSON, and says the error aside

Fault = Callable[[Any, Callable[[], Any]], Any]


class _Raw:
    """The body of an answer that never was on the wire."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self._body


class Faults:
    """Stands between a boto3 client and the network; counts the calls, attempts included.

    Each attempt takes the next fault of the script, or of its operation's own; without one it goes
    through.
    """

    def __init__(self, client: Any) -> None:
        self.calls: Counter[str] = Counter()
        self.script: deque[Fault | None] = deque()
        self.of: dict[str, Iterator[Fault | None]] = {}
        self._client = client
        self._turn = threading.Lock()
        client.meta.events.register("before-send", self._before_send)

    def _before_send(self, request: Any, event_name: str, **_: object) -> Any:
        with self._turn:
            operation = event_name.rpartition(".")[2]
            self.calls[operation] += 1
            fault = next(self.of.get(operation, iter(())), None)
            if self.script:
                fault = self.script.popleft()
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


def refusal(status: int, code: str, text: str = "for tests", **extra: Any) -> Fault:
    """Return a fault: AWS answers with an error, in JSON or, for S3 and SNS, in XML."""

    def answer(request: Any, send: Callable[[], Any]) -> AWSResponse:
        headers: dict[str, str] = {}
        if "X-Amz-Target" in request.headers or _BATCH in request.url:
            headers = {"x-amzn-ErrorType": code}
            body = json.dumps({"__type": code, "message": f"{code} {text}", **extra}).encode()
        else:
            xml = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>"
            form = b"form" in request.headers.get("Content-Type", b"")
            body = (f"<ErrorResponse>{xml}</ErrorResponse>" if form else xml).encode()
        return AWSResponse(
            request.url, status, headers, _Raw(b"" if request.method == "HEAD" else body)
        )

    return answer


def success(xml: str = "", **body: Any) -> Fault:
    """Return a fault: AWS answers in JSON or XML, without having done anything."""

    def answer(request: Any, send: Callable[[], Any]) -> AWSResponse:
        return AWSResponse(request.url, 200, {}, _Raw((xml or json.dumps(body)).encode()))

    return answer


def refusing(*codes: str) -> Fault:
    """Return a fault: of a batch of statements those with a code fail, and the others go through.

    The codes are those of BatchStatementError, `""` for a statement that goes through.
    """

    def answer(request: Any, send: Callable[[], Any]) -> Any:
        statements = json.loads(request.body)["Statements"]
        assert len(codes) == len(statements)
        kept = [s for s, code in zip(statements, codes, strict=True) if not code]
        done = iter(())
        if kept:
            request.body = json.dumps({"Statements": kept}).encode()
            request.headers["Content-Length"] = str(len(request.body))
            done = iter(json.loads(send().content)["Responses"])
        errors = [{"Error": {"Code": code}} if code else next(done) for code in codes]
        return AWSResponse(request.url, 200, {}, _Raw(json.dumps({"Responses": errors}).encode()))

    return answer


def lost_answer(request: Any, send: Callable[[], Any]) -> Any:
    """Do what was asked, and lose the answer."""
    send()
    raise ReadTimeoutError(endpoint_url=request.url)


def lost_request(request: Any, send: Callable[[], Any]) -> Any:
    """Lose the request."""
    raise ConnectionClosedError(endpoint_url=request.url)


def refused(request: Any, send: Callable[[], Any]) -> Any:
    """Send the request to a port that nobody listens to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        _move(request, server)
    return send()


def silent(request: Any, send: Callable[[], Any]) -> Any:
    """Send the request to a server that never answers, by a client of little patience."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        _move(request, server)
        return URLLib3Session(timeout=0.05).send(request)


def reset(request: Any, send: Callable[[], Any]) -> Any:
    """Send the request to a server that resets the connection instead of an answer."""
    with _broken_server(b"", reset=True) as server:
        _move(request, server)
        return send()


def broken_off(*, reset: bool) -> Fault:
    """Return a fault: what was asked is done, but half of the answer's body is all that comes.

    Of an answer without a body, nothing comes.
    """

    def answer(request: Any, send: Callable[[], Any]) -> Any:
        genuine = send()
        request.reset_stream()
        body = b"" if request.method == "HEAD" else genuine.content
        headers = {name: text for name, text in genuine.headers.items() if name not in _FRAMES}
        lines = [f"{name}: {text}" for name, text in headers.items()]
        head = [f"HTTP/1.1 {genuine.status_code} OK", *lines, f"Content-Length: {len(body)}"]
        half = "\r\n".join([*head, "", ""]).encode() + body[: len(body) // 2] if body else b""
        with _broken_server(half, reset=reset) as server:
            _move(request, server)
            return send()

    return answer


_FRAMES: Final = frozenset({"Connection", "Content-Length", "Transfer-Encoding"})


def _move(request: Any, server: socket.socket) -> None:
    """Send a request elsewhere, without a second's wait for leave to send its body."""
    where = request.url.partition("//")[2].partition("/")[2]
    request.url = f"http://127.0.0.1:{server.getsockname()[1]}/{where}"
    request.headers.pop("Expect", None)


@contextmanager
def _broken_server(answer: bytes, *, reset: bool) -> Iterator[socket.socket]:
    """Take one request, answer it with just these bytes, then close or reset the connection."""

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            with connection.makefile("rb") as request:
                lines = [line.lower() for line in iter(request.readline, b"\r\n")]
                sizes = [int(x.split()[1]) for x in lines if x.startswith(b"content-length")]
                request.read(sum(sizes))
            connection.sendall(answer)
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server
        finally:
            thread.join()


_AT_ONCE: Final = b"\x01\0\0\0\0\0\0\0"  # linger for 0 s: a close is an RST


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
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
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
