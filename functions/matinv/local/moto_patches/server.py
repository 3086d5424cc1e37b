"""The embedded AWS: moto as a server, patched where the service would notice a difference.

Run as ``python -m matinv.local.moto_patches.server --port 0``: prints the port that it listens on,
serves until its standard input ends, and therefore never outlives the process that started it. The
state is in memory.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any, Final
from urllib.parse import quote_plus

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.s3 import notifications
from werkzeug.serving import BaseWSGIServer, make_server

from matinv import processes
from matinv.local.moto_patches import indexes, kept_ready, move_tasks, partiql, sqs

_ONE_AT_A_TIME: Final = frozenset({"s3", "dynamodb"})
_READS: Final = frozenset({"Query", "GetItem", "BatchGetItem", "Scan", "DescribeTable"})


def serve(host: str, port: int) -> BaseWSGIServer:
    """Return a listening server that does not serve yet; port 0 chooses a free one."""
    sqs.patch()
    move_tasks.add()
    kept_ready.add()
    _patch_s3_events()
    indexes.patch()
    partiql.patch()
    return make_server(
        host, port, OneAtATime(create_backend_app), threaded=True, request_handler=_QuietHandler
    )


class _QuietHandler(MotoRequestHandler):
    """Writes no line per request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


class OneAtATime(DomainDispatcherApplication):
    """Serves S3 and DynamoDB one request at a time each.

    moto checks a condition and writes in two steps, so that of two concurrent conditional writes
    both could succeed. AWS lets exactly one succeed, and the service is built on that. A request's
    body is read before its turn: a client that stalls halfway holds up nobody.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._turns = {service: threading.Lock() for service in _ONE_AT_A_TIME}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        if length := int(environ.get("CONTENT_LENGTH") or 0):
            environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(length))
        app = self.get_application(environ)
        service = getattr(app, "service", "")
        reads = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2] in _READS
        with self._turns.get(service, nullcontext()):
            try:
                return app(environ, start_response)
            finally:
                if service not in {"s3", "sqs"} and not reads:  # moto's own API resets tables
                    indexes.forget()


class _Sequencer:
    """Counts as S3 does: upper-case hexadecimal digits that grow as text."""

    def __init__(self) -> None:
        self._last = 0
        self._turn = threading.Lock()

    def next(self) -> str:
        """Return a sequencer above all earlier ones, those of earlier servers included."""
        with self._turn:
            self._last = max(self._last + 1, time.time_ns())
            return f"{self._last:018X}"


def _patch_s3_events() -> None:
    """Let S3's events carry ``sequencer`` and ``versionId``, and leave "/" in keys as it is.

    And announce an upload in parts once: moto does it as a Put, too, and with another sequencer,
    which is a second upload.
    """
    sequencer = _Sequencer()
    of_moto = notifications._get_s3_event
    send = notifications.send_event

    def patched(event_name: str, bucket: Any, key: Any, notification_id: str) -> Any:
        event = of_moto(event_name, bucket, key, notification_id)
        for record in event["Records"]:
            entry = record["s3"]["object"]
            entry["key"] = quote_plus(key.name, safe="/")
            entry["sequencer"] = sequencer.next()
            if bucket.is_versioned:
                entry["versionId"] = key.version_id
        return event

    def send_once(account_id: str, event_name: Any, bucket: Any, key: Any) -> None:
        put = notifications.S3NotificationEvent.OBJECT_CREATED_PUT_EVENT
        if event_name is not put or key.multipart is None:
            send(account_id, event_name, bucket, key)

    notifications._get_s3_event = patched
    notifications.send_event = send_once


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="matinv.local.moto_patches.server")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = serve(options.host, options.port)
    # At once: the state is in memory, and nobody is left to ask for it.
    processes.when_orphaned(lambda: os._exit(0))
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
