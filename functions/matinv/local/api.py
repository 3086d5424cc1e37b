"""The HTTP API on the loopback interface: requests as events of a function's URL, in this process.

Nobody checks signatures: whoever reaches this machine's loopback interface may do all of it.
"""

from __future__ import annotations

import base64
import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from matinv import processes
from matinv.backends.aws.event_source import FunctionError
from matinv.handlers.api import handler
from matinv.handlers.invocation import InProcess

# A function's URL takes no more, and answers so itself.
_REQUEST_BYTES: Final = 6 * 2**20

_LOOK_S: Final = 0.1
_Invoke = Callable[[dict[str, Any]], Any]


def serve(port: int, timeout_s: float, ready: Callable[[str], object]) -> None:
    """Serve the API of the stack that the environment names until it is stopped.

    Parameters
    ----------
    port : int
        On the loopback interface; 0 takes a free one.
    timeout_s : float
        Time that a request has.
    ready : callable
        Called once with the API's URL.

    Raises
    ------
    OSError
        If the port is taken.
    """
    logging.getLogger("botocore").setLevel(logging.WARNING)
    stop = processes.stop_event()
    with server(port, InProcess(handler, timeout_s)) as listening:
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        ready(f"http://127.0.0.1:{listening.server_port}")
        while not stop.is_set():
            time.sleep(_LOOK_S)
        listening.shutdown()
    sys.stdout.flush()


def server(port: int, invoke: _Invoke) -> ThreadingHTTPServer:
    """Return a listening server that hands requests to a function, one at a time as Lambda does."""
    turn = threading.Lock()

    class Handler(_Handler):
        def answer(self, event: dict[str, Any]) -> Any:
            with turn:
                return invoke(event)

    return _Server(("127.0.0.1", port), Handler)


class _Server(ThreadingHTTPServer):
    # A client opens 16 connections at once; past the base's 5 that wait, Linux resets them.
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def answer(self, event: dict[str, Any]) -> Any:
        """Return the function's answer."""
        raise NotImplementedError

    def respond(self) -> None:
        """Answer a request as a function's URL does."""
        length = self.headers.get("content-length", "0")
        if not length.isdigit() or self.headers.get("transfer-encoding"):
            self._refuse(411)
            return
        if int(length) > _REQUEST_BYTES:
            self._refuse(413)
            return
        event = _event_of(self.command, self.path, dict(self.headers), self.rfile.read(int(length)))
        try:
            answer = self.answer(event)
        except FunctionError:
            self._refuse(502)
            return
        text: str = answer.get("body") or ""
        content = base64.b64decode(text) if answer.get("isBase64Encoded") else text.encode()
        self._write(answer["statusCode"], answer["headers"], content)

    def __getattr__(self, name: str) -> Any:
        """Let every method be answered by the function; the base looks for one named ``do_GET``."""
        if name.startswith("do_"):
            return self.respond
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Say nothing: the function has written a line."""

    def _refuse(self, status: int) -> None:
        self.close_connection = True
        self._write(status, {"content-type": "application/json", "connection": "close"}, b"{}")

    def _write(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _event_of(method: str, target: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Return a request as Lambda's event, payload format 2.0."""
    path, _, query = target.partition("?")
    http = {"method": method, "path": path, "sourceIp": "127.0.0.1"}
    event: dict[str, Any] = {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {name.lower(): text for name, text in headers.items()},
        "requestContext": {"stage": "$default", "http": http},
        "isBase64Encoded": False,
    }
    try:
        return event | {"body": body.decode()}
    except UnicodeDecodeError:
        return event | {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
