"""The HTTP API of a service in memory: asked by events, or over a socket by a client of its own."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from matinv import wiring
from matinv.client import Client
from matinv.client.in_memory import NotifyingStore
from matinv.http_api.entry import Services, respond
from matinv.jobs.request import Reference
from matinv.local.api import server
from matinv.ports import UploadUrl
from matinv.settings import of_api
from matinv.telemetry import Context
from matinv.testing.events import url_event
from support.memory_service import MemoryService

OBJECTS = "/objects/"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def tree(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Return the code of a problem, after looking whether it is one."""
        assert self.headers["content-type"] == "application/problem+json"
        assert self.tree["status"] == self.status
        assert {"type", "title", "detail", "retryable"} <= self.tree.keys()
        code: str = self.tree["code"]
        return code


@dataclass
class ApiServer:
    """An API.

    Call it, or its ``get`` and ``post``, to hand it an event as a function's URL would: ``change``
    changes each event before, and ``remaining_ms`` is what is left of the invocation.

    While it serves (`serving`), ``url`` is its address and ``requests`` are those that came. It
    plays S3 as well: the presigned URLs of its store lead back to it, and it refuses what is not
    as it was signed. ``busy`` counts the requests that it still turns away, and a worker does what
    is on the queue after each request if it is ``working``.
    """

    service: MemoryService = field(default_factory=MemoryService)
    remaining_ms: int = 60_000
    change: Callable[[dict[str, Any]], object] = lambda event: None
    url: str = ""
    busy: int = 0
    working: bool = False
    uploads: dict[str, UploadUrl] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)

    def __call__(
        self,
        method: str | None,
        path: str,
        body: str | None = None,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        encoded: bool = False,
    ) -> Answer:
        event = url_event(body, path, method=method, query=query, headers=headers, encoded=encoded)
        self.change(event)
        return self.event(event)

    def event(self, event: Mapping[str, Any]) -> Answer:
        found = self._respond(event)
        assert found.keys() >= {"statusCode", "headers", "body"}
        json.dumps(found)
        text = found["body"] or ""
        data = base64.b64decode(text) if found["isBase64Encoded"] else text.encode()
        headers = {name.lower(): value for name, value in found["headers"].items()}
        return Answer(found["statusCode"], headers, data)

    def get(self, path: str, **options: Any) -> Answer:
        return self("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        text = body if isinstance(body, str | None) else json.dumps(body)
        return self("POST", path, text, **options)

    def play_s3(self) -> None:
        """Let presigned URLs lead here."""
        store = self.service.store
        sign_upload = store.upload_url

        def upload_url(key: str, *arguments: Any, **options: Any) -> UploadUrl:
            signed = sign_upload(key, *arguments, **options)
            place = UploadUrl(signed.uri, f"{self.url}{OBJECTS}{key}", signed.headers)
            self.uploads[OBJECTS + key] = place
            return place

        def url(uri: str, version_id: str | None, expires_s: int) -> str:
            return f"{self.url}{OBJECTS}{uri}"

        store.upload_url = upload_url  # type: ignore[method-assign]
        store.url = url  # type: ignore[method-assign]

    def invoke(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a request that came over the socket."""
        self.requests.append(dict(event))
        path = event["rawPath"]
        if path.startswith(OBJECTS):
            assert "authorization" not in event["headers"], "a signature for S3's eyes alone"
            return self._object(event, unquote(path))
        if self.busy:
            self.busy -= 1
            return _answer(429)
        services = Services(self.service.app, self.service.client)
        answer = respond(services, event, Context(60.0))
        if self.working:
            self.service.work()
        return answer

    def _respond(self, event: Mapping[str, Any]) -> dict[str, Any]:
        services = Services(self.service.app, self.service.client)
        return respond(services, event, Context(self.remaining_ms / 1000))

    def _object(self, event: Mapping[str, Any], path: str) -> dict[str, Any]:
        store = self.service.store
        if event["requestContext"]["http"]["method"] == "GET":
            with store.results(path.removeprefix(OBJECTS), None) as blob:
                return _answer(200, blob.read(blob.size_bytes))
        place = self.uploads[path]
        if not place.headers.items() <= event["headers"].items():
            return _answer(403)
        key = path.removeprefix(OBJECTS)
        if "if-none-match" in place.headers and store.find_input(key):
            return _answer(412)
        names = {n: t for n, t in place.headers.items() if n.startswith("x-amz-meta-")}
        metadata = {name.removeprefix("x-amz-meta-"): text for name, text in names.items()}
        body = event["body"]
        content = base64.b64decode(body) if event["isBase64Encoded"] else body.encode()
        made: Reference = store.upload(key, [content], metadata)
        return _answer(200, b"", {"etag": f'"{made.etag}"', "x-amz-version-id": made.version_id})

    @property
    def client(self) -> Client:
        """Return a client that knows nothing but the URL."""
        service = self.service
        return Client(
            wiring.api_backend(self.url),
            of_api(self.url),
            now=lambda: service.now_s,
            sleep=service.sleep,
            jitter=lambda: 0.5,
        )


def _answer(status: int, content: bytes = b"", headers: Any = None) -> dict[str, Any]:
    text = base64.b64encode(content).decode()
    return {"statusCode": status, "headers": headers or {}, "body": text, "isBase64Encoded": True}


@contextmanager
def serving(service: MemoryService | None = None) -> Iterator[ApiServer]:
    """Serve for the length of the block."""
    made = ApiServer(service or MemoryService())
    assert isinstance(made.service.store, NotifyingStore)
    made.play_s3()
    with server(0, made.invoke) as listening:
        made.url = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield made
        finally:
            listening.shutdown()
            thread.join()
