"""One request: what is used of Lambda's event, and what all routes ask of it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from matinv.client import Client
from matinv.errors import Code, MatinvError, Refused, printable
from matinv.http_api.paths import METHODS, at_stage, split
from matinv.http_api.problems import (
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    PROBLEM_TYPE,
    UNSUPPORTED_MEDIA_TYPE,
    Problem,
    problem_of,
)
from matinv.http_api.throttle import Throttle
from matinv.jobs.api_paths import path_of
from matinv.pipeline import App, Deadline
from matinv.telemetry import LambdaContext

JSON_TYPE: Final = "application/json"

# Lambda takes events of 6 MB, and a function's URL sends a body of 4.5 MB as 6 MB of base64. What
# comes in one piece all the same is measured as it came.
REQUEST_BYTES: Final = 6 * 10**6

_KNOWN_METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})


@dataclass(frozen=True, slots=True)
class Services:
    """What requests are served with.

    Parameters
    ----------
    app : App
        The service, which inverts at once.
    client : Client
        The same service as those who submit jobs see it.
    throttle : Throttle
        Who may come how often.
    """

    app: App
    client: Client
    throttle: Throttle


@dataclass(slots=True)
class Exchange:
    """A request and what becomes of it.

    Parameters
    ----------
    parts, context, deadline
        What it is served with.
    method, root, path, query : str
        As they came; `root` is the stage that an API Gateway puts before the path.
    headers : mapping
        By names in lower case.
    caller : str
        Who sent it: an IAM identity, or an address.
    content : str
        The body, maybe as base64.
    encoded : bool
        Whether it is.
    error_code : str or None
        Why it was refused.
    bug : BaseException or None
        What nobody had foreseen.
    """

    parts: Services
    context: LambdaContext
    deadline: Deadline
    method: str
    root: str
    path: str
    query: str
    headers: Mapping[str, str]
    caller: str
    content: str = field(repr=False)
    encoded: bool
    error_code: str | None = None
    bug: BaseException | None = None

    @classmethod
    def of(
        cls, parts: Services, event: Mapping[str, Any], context: LambdaContext, deadline: Deadline
    ) -> Exchange:
        """Take what is used from an event; what is missing is empty."""
        asked = _mapping(event.get("requestContext"))
        http = _mapping(asked.get("http"))
        content = event.get("body")
        root, path = at_stage(str(event.get("rawPath", "")), str(asked.get("stage", "")))
        return cls(
            parts,
            context,
            deadline,
            method=str(http.get("method")),
            root=root,
            path=path,
            query=str(event.get("rawQueryString", "")),
            headers={k.lower(): str(v) for k, v in _mapping(event.get("headers")).items()},
            caller=_caller(asked, http),
            content=content if isinstance(content, str) else "",
            encoded=bool(event.get("isBase64Encoded")),
        )

    @property
    def template(self) -> str:
        """The path with the job's id left out, for logs, ``other`` for one that is unknown."""
        template, _ = split(self.path)
        return template if template in METHODS else "other"

    def check(self) -> None:
        """Refuse what no route would take.

        Raises
        ------
        Problem
            404, 405, 413, 429.
        """
        self.parts.throttle.check(self.caller)
        if self.template not in METHODS:
            raise Problem(404, NOT_FOUND, "there is nothing here", "see /openapi.json")
        allowed = ", ".join(METHODS[self.template])
        if self.method not in METHODS[self.template]:
            raise Problem(
                405,
                METHOD_NOT_ALLOWED,
                "this cannot be asked of it",
                f"use {allowed}",
                observed=printable(self.method, 20),
                limit=allowed,
                headers={"allow": allowed},
            )
        if len(self.content) > REQUEST_BYTES:
            raise Refused(
                Code.TOO_LARGE,
                "the request is too large",
                'POST /jobs with {"upload": …} gives a URL for a file of any size',
                observed=f"{len(self.content)} bytes",
                limit=f"{REQUEST_BYTES} bytes",
            )

    def location(self, job_id: str) -> dict[str, str]:
        """Return the header that says where a job is."""
        return {"location": self.root + path_of(job_id)}

    def event(self) -> dict[str, Any]:
        """Return an event with nothing but what routing takes."""
        template, job_id = split(self.path)
        path = template.replace("{job_id}", quote(job_id, safe=""))
        context = {"stage": "$default", "http": {"method": self.method, "path": path}}
        return {"version": "2.0", "rawPath": path, "headers": {}, "requestContext": context}

    def body(self) -> bytes:
        """Return the body of a request that must be JSON.

        Raises
        ------
        Problem
            415.
        Refused
            BAD_MESSAGE, for what is not the base64 that it claims to be.
        """
        kind = self.headers.get("content-type", JSON_TYPE)
        if kind.partition(";")[0].strip().lower() != JSON_TYPE:
            raise Problem(
                415,
                UNSUPPORTED_MEDIA_TYPE,
                "the body is not JSON",
                f"send JSON with content-type: {JSON_TYPE}",
                observed=printable(kind, 100),
                limit=JSON_TYPE,
            )
        if not self.encoded:
            return self.content.encode("utf-8", "surrogatepass")  # JSON has no lone surrogates
        try:
            return base64.b64decode(self.content, validate=True)
        except ValueError:
            raise Refused(
                Code.BAD_MESSAGE,
                "the request says that its body is base64, and it is not",
                f"send JSON with content-type: {JSON_TYPE}",
            ) from None

    def refuse(self, error: Exception) -> Response[str]:
        """Return the response to a request that failed, and remember why."""
        problem = problem_of(error)
        self.error_code = problem.code
        if not isinstance(error, Problem | MatinvError):
            self.bug = error
        return Response(int(problem.status), PROBLEM_TYPE, problem.body(), problem.headers)

    def facts(self, status: int, took_ms: float) -> dict[str, Any]:
        """Return what a log may say of it: nothing that its body, headers, path or query hold."""
        return {
            "method": self.method if self.method in _KNOWN_METHODS else "other",
            "path": self.template,
            "status": status,
            "took_ms": round(took_ms, 3),
            "error_code": self.error_code,
        }


def answered(response: Response[str]) -> dict[str, Any]:
    """Return a response as Lambda takes it."""
    return {
        "statusCode": response.status_code,
        "headers": response.headers,
        "body": response.body,
        "isBase64Encoded": False,
    }


def router() -> Router:
    """Return what a module gathers its routes in."""
    return Router()  # type: ignore[no-untyped-call] # Powertools left it without types


def exchange_of(routes: Router) -> Exchange:
    """Return the request that is being served."""
    exchange: Exchange = routes.context["exchange"]
    return exchange


def _caller(asked: Mapping[str, Any], http: Mapping[str, Any]) -> str:
    iam = _mapping(_mapping(asked.get("authorizer")).get("iam"))
    return str(iam.get("userArn") or iam.get("userId") or http.get("sourceIp"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
