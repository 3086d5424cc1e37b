"""Advice of the console, asked as a browser asks it."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Mapping
from typing import Any, Final
from unittest import mock
from urllib.parse import urlencode

import numpy as np

from matinv.console import jobs
from matinv.console.app import Limits, console
from matinv.console.guard import CSRF_HEADER, Session
from matinv.jobs.request import reference_of
from support.bodies import SINGULAR
from support.hints.ways import GOOD, Advice, Way, advice, command, npy
from support.memory_service import MemoryService, general

_PORT: Final = 4711
LINK: Final = "the link's token"
_MEBIBYTE: Final = 2**20
_LIMITS: Final = Limits(upload_bytes=_MEBIBYTE)

Before = Callable[[MemoryService], object]


def clicked(
    method: str,
    path: str,
    body: Any = b"",
    before: Before | None = None,
    *,
    headers: Mapping[str, str | None] | None = None,
    limits: Limits = _LIMITS,
    **query: str,
) -> Way:
    """Send the console of a service in memory a request of its own page, with changed headers."""

    def way() -> str:
        service = MemoryService()
        if before:
            before(service)
        session = Session(_PORT)
        own: dict[str, str | None] = {
            "host": f"127.0.0.1:{_PORT}",
            "origin": f"http://127.0.0.1:{_PORT}",
            "cookie": f"{session.cookie}={session.key}",
            "sec-fetch-site": "same-origin",
            CSRF_HEADER: session.csrf,
        }
        given = {name: text for name, text in (own | dict(headers or {})).items() if text}
        content = body if isinstance(body, bytes) else json.dumps(_filled(body, service)).encode()
        app = console(service.client, session, limits)
        asked = {n: text.replace(LINK, session.token or "") for n, text in query.items()}
        return asyncio.run(_answer(app, method, path, urlencode(asked), given, content))

    return way


def _filled(body: Any, service: MemoryService) -> Any:
    """Return an order with the ids of the dead letters in place of ``all``."""
    if isinstance(body, dict) and body.get("message_ids") == "all":
        return body | {"message_ids": list(service.queue._letters)}
    return body


async def _answer(  # noqa: PLR0917 - what a request consists of
    app: Any, method: str, path: str, query: str, headers: Mapping[str, str], content: bytes
) -> str:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": query.encode(),
        "headers": [(name.encode(), text.encode()) for name, text in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", _PORT),
    }
    status, answer = 0, b""

    received = iter([{"type": "http.request", "body": content, "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(received, {"type": "http.disconnect"})

    async def send(message: dict[str, Any]) -> None:
        nonlocal status, answer
        status = message.get("status", status)
        answer += message.get("body", b"")

    await app(scope, receive, send)
    assert status
    return "" if status < 400 else str(json.loads(answer)["error"]["hint"])


def _stored(matrix: Any = GOOD) -> Before:
    return lambda service: service.client.submit(matrix, job_id="a").wait()


def _in_a_run(service: MemoryService) -> None:
    service.client.submit(GOOD, job_id="fem/a").wait()


def _without_drawing(way: Way) -> Way:
    """Ask a console that takes each matrix for too large to be drawn."""

    def hint() -> str:
        with mock.patch.object(jobs, "_DRAWN_BYTES", 8):
            return way()

    return hint


def _read_from_s3() -> str:
    """Fetch the object that a record names as its input."""
    service = MemoryService()
    job = service.client.submit(general(200), job_id="a")
    job.wait()
    with service.store.open(reference_of(job.record().input)) as blob:
        assert np.array_equal(np.load(io.BytesIO(blob.read(blob.size_bytes))), general(200))
    return ""


_DEAD: Final = _stored(SINGULAR)
_REDRIVE: Final = "/api/dead-letters/redrive"

CONSOLE: Final[tuple[Advice, ...]] = (
    advice(
        "open 127.0.0.1",
        clicked("GET", "/api/session", headers={"host": f"evil.example:{_PORT}"}),
        clicked("GET", "/api/session", headers={"host": f"127.0.0.1:{_PORT}"}),
    ),
    advice(
        "use the console's own",
        clicked("GET", "/api/session", headers={"sec-fetch-site": "cross-site"}),
        clicked("GET", "/api/session"),
    ),
    advice(
        "use the console's own",
        clicked("POST", "/api/jobs", b"[[2]]", headers={"origin": "http://evil.example"}),
        clicked("POST", "/api/jobs", b"[[2]]"),
    ),
    advice(
        "load the page again",  # which fetches the token
        clicked("POST", "/api/jobs", b"[[2]]", headers={CSRF_HEADER: None}),
        clicked("GET", "/api/session"),
        clicked("POST", "/api/jobs", b"[[2]]"),
    ),
    advice(
        "load the page again",
        clicked("POST", _REDRIVE, b"1", _DEAD),
        clicked("POST", _REDRIVE, {"message_ids": "all", "changes": {"method": "pinv"}}, _DEAD),
    ),
    advice(
        "name a {}",
        clicked("GET", "/api/job", b"", _stored()),
        clicked("GET", "/api/job", b"", _stored(), id="a"),
    ),
    advice(
        "name a {}",
        clicked("GET", "/api/run/archive", b"", _in_a_run),
        clicked("GET", "/api/run/archive", b"", _in_a_run, run="fem"),
    ),
    advice(
        "name a run",
        clicked("POST", "/api/run/cancel", {}, _in_a_run),
        clicked("POST", "/api/run/cancel", {"run": "fem"}, _in_a_run),
    ),
    advice(
        "load the page again once a worker has seen its files",
        clicked("GET", "/api/run", b"", run="fem"),
        clicked("GET", "/api/run", b"", _in_a_run, run="fem"),
    ),
    advice(
        "load the page again",
        clicked("GET", "/api/run/jobs", b"", _in_a_run, run="fem", after="later"),
        clicked("GET", "/api/run/jobs", b"", _in_a_run, run="fem"),
    ),
    advice(
        "ask for {}",
        clicked("GET", "/api/job/result", b"", _stored(), id="a", format="csv"),
        *(
            clicked("GET", "/api/job/result", b"", _stored(), id="a", format=form)
            for form in ("npy", "json", "npz")
        ),
    ),
    advice(
        "choose one of the stack",
        clicked("GET", "/api/job/picture", b"", _stored([GOOD, GOOD]), id="a", slice="2"),
        clicked("GET", "/api/job/picture", b"", _stored([GOOD, GOOD]), id="a", slice="1"),
    ),
    advice(
        "download it instead",
        _without_drawing(clicked("GET", "/api/job/picture", b"", _stored(), id="a", of="x")),
        _without_drawing(clicked("GET", "/api/job/result", b"", _stored(), id="a", format="npy")),
    ),
    advice(
        "fetch it: aws s3 cp {} .",
        _without_drawing(
            clicked("GET", "/api/job/picture", b"", _stored(general(200)), id="a", of="a")
        ),
        _read_from_s3,
    ),
    advice(
        "open the link that `matinv console` printed",
        clicked("GET", "/api/session", headers={"cookie": None}),
        clicked("GET", "/", headers={"cookie": None}, token=LINK),
    ),
    advice(
        "write key=value",
        clicked("POST", "/api/jobs", b"[[2]]", tag="team"),
        clicked("POST", "/api/jobs", b"[[2]]", tag="team=fem"),
    ),
    advice(
        "start the console with a larger --max-upload-mb, or use `matinv submit`",
        clicked("POST", "/api/jobs", npy(general(400)), name="a.npy"),
        clicked(
            "POST",
            "/api/jobs",
            npy(general(400)),
            name="a.npy",
            limits=Limits(upload_bytes=2 * _MEBIBYTE),
        ),
        command("submit a.npy --wait", a_npy=general(400)),
    ),
    advice(
        "select at least one first",
        clicked("POST", _REDRIVE, {"message_ids": []}, _DEAD),
        clicked("POST", _REDRIVE, {"message_ids": "all", "changes": {"method": "pinv"}}, _DEAD),
    ),
    advice(
        "choose fewer",
        clicked("POST", _REDRIVE, {"message_ids": [36 * "x"] * 100_000}, _DEAD),
        clicked("POST", _REDRIVE, {"message_ids": "all"}, _DEAD),
    ),
    advice(
        "choose one from the list",
        clicked("POST", _REDRIVE, {"message_ids": "all", "changes": {"accuracy": "high"}}, _DEAD),
        clicked(
            "POST", _REDRIVE, {"message_ids": "all", "changes": {"accuracy": "verified"}}, _DEAD
        ),
    ),
    advice(
        "choose one from the list",
        clicked("POST", _REDRIVE, {"message_ids": "all", "changes": {"method": "lu"}}, _DEAD),
        clicked("POST", _REDRIVE, {"message_ids": "all", "changes": {"method": "pinv"}}, _DEAD),
    ),
)
