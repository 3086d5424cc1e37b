"""One request: what is used of Lambda's event, and what all routes ask of it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from matinv.client import Client
from matinv.errors import Code, Refused, printable
from matinv.http_api.paths import at_stage, split
from matinv.http_api.problems import Problem
from matinv.http_api.responses import JSON_TYPE
from matinv.jobs.api_paths import path_of
from matinv.jobs.error_answers import UNSUPPORTED_MEDIA_TYPE
from matinv.pipeline import App, Deadline
from matinv.telemetry import LambdaContext

# Lambda takes events of 6 MB, and a function's URL sends a body of 4.5 MB as 6 MB of base64. What
# comes in one piece all the same is measured as it came.
REQUEST_BYTES: Final = 6 * 10**6


@dataclass(frozen=True, slots=True)
class Services:
    """The services behind the API: pipeline, client and settings.

    Parameters
    ----------
    app : App
        The service, which inverts at once.
    client : Client
        The same service as those who submit jobs see it.
    """

    app: App
    client: Client


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, with the services behind the API.

    Parameters
    ----------
    services, context, deadline
        The service's parts, Lambda's context and the time that is left.
    method, query : str
        As they came.
    root : str
        The stage that an API Gateway puts before the path.
    template, name : str
        The path with ``{job_id}`` or ``{run}`` in the place of a name, and that name, decoded.
    headers : mapping
        By names in lower case.
    content : str
        The body, maybe as base64.
    encoded : bool
        Whether it is.
    """

    services: Services
    context: LambdaContext
    deadline: Deadline
    method: str
    root: str
    template: str
    name: str
    query: str
    headers: Mapping[str, str]
    content: str = field(repr=False)
    encoded: bool

    @classmethod
    def of(
        cls,
        services: Services,
        event: Mapping[str, Any],
        context: LambdaContext,
        deadline: Deadline,
    ) -> Exchange:
        """Build an exchange from a Lambda event; absent fields become empty."""
        asked = _mapping(event.get("requestContext"))
        content = event.get("body")
        root, path = at_stage(str(event.get("rawPath", "")), str(asked.get("stage", "")))
        template, name = split(path)
        return cls(
            services,
            context,
            deadline,
            method=str(_mapping(asked.get("http")).get("method")),
            root=root,
            template=template,
            name=name,
            query=str(event.get("rawQueryString", "")),
            headers={k.lower(): str(v) for k, v in _mapping(event.get("headers")).items()},
            content=content if isinstance(content, str) else "",
            encoded=bool(event.get("isBase64Encoded")),
        )

    def check_size(self) -> None:
        """Raise `Refused` (TOO_LARGE) for a body that Lambda would not have taken as well."""
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
                "the request marks its body as base64, but it is not",
                f"send JSON with content-type: {JSON_TYPE}",
            ) from None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
