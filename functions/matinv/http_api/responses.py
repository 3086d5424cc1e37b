"""Responses, as routes make them and as Lambda takes them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

JSON_TYPE: Final = "application/json"
PROBLEM_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Response:
    """A response.

    Parameters
    ----------
    status : int
        HTTP's.
    type : str or None
        Media type of the body, None if there is none.
    body : str or bytes
        Text, or bytes that Lambda takes in base64.
    headers : mapping
        More headers, by names in lower case.
    """

    status: int
    type: str | None
    body: str | bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)

    def for_lambda(self) -> dict[str, Any]:
        """Return the response in payload format 2.0."""
        body = self.body
        return {
            "statusCode": self.status,
            "headers": ({"content-type": self.type} if self.type else {}) | dict(self.headers),
            "body": base64.b64encode(body).decode() if isinstance(body, bytes) else body,
            "isBase64Encoded": isinstance(body, bytes),
        }


def as_json(status: int, document: object, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response that holds a JSON document."""
    return Response(status, JSON_TYPE, orjson.dumps(document).decode(), headers or {})
