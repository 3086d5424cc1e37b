"""Requests to the HTTP API of a service in memory, as a function's URL hands them over."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from matinv.http_api.entry import Services, respond
from matinv.testing.events import url_event
from support.memory_service import MemoryService


class Context:
    aws_request_id = "request-1"
    memory_limit_in_mb = 1769

    def __init__(self, remaining_ms: int = 60_000) -> None:
        self._remaining_ms = remaining_ms

    def get_remaining_time_in_millis(self) -> int:
        return self._remaining_ms


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
class ApiRequests:
    """A caller of the API."""

    service: MemoryService = field(default_factory=MemoryService.make)
    remaining_ms: int = 60_000
    change: Callable[[dict[str, Any]], object] = lambda event: None

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
        service = self.service
        services = Services(service.world.app, service.client)
        found = respond(services, event, Context(self.remaining_ms))
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
