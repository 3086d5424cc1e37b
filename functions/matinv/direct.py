"""Direct calls of the api: what Lambda hands it, and what it answers.

A call is a message, as an invocation's payload or as the body of a POST to the function's URL.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import orjson

from matinv.core import jsontext
from matinv.core.errors import Code, MatinvError, Refused, Transient
from matinv.core.job import hashed_id, valid_job_id
from matinv.core.message import Parsed, parse_tree
from matinv.service import Answer

_RETRY_AFTER_S: Final = 5

# Of errors that will stay; any other of them is 400, and one that passes is 503.
_STATUSES: Final = {
    Code.JOB_ID_CONFLICT: HTTPStatus.CONFLICT,
    Code.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.SINGULAR: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.ILL_CONDITIONED: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.NOT_POSITIVE_DEFINITE: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.OVERFLOW: HTTPStatus.UNPROCESSABLE_ENTITY,
}
_HEADERS: Final = {
    HTTPStatus.METHOD_NOT_ALLOWED: {"allow": "POST"},
    HTTPStatus.SERVICE_UNAVAILABLE: {"retry-after": str(_RETRY_AFTER_S)},
}


@dataclass(frozen=True, slots=True)
class Call:
    """A direct call.

    Parameters
    ----------
    parsed : Parsed
        What it asks for.
    stored : bool
        Whether it names the job under which to keep it.
    method : str or None
        The HTTP method of a call by URL.
    """

    parsed: Parsed
    stored: bool
    method: str | None = None


def call_of(event: object) -> Call:
    """Return the call in an event of the api; never raises.

    The error of an invocation is NON_FINITE for the NaN and Infinity that Lambda's JSON parser
    lets pass; a body that comes by URL is parsed here, and they are BAD_MESSAGE as in the queue.
    """
    if isinstance(event, dict) and isinstance(context := event.get("requestContext"), dict):
        http = context.get("http")
        if isinstance(http, dict):
            return _of_url(event, str(http.get("method")))
    try:
        return _of_text(_as_text(event), None)
    except Refused as error:
        job_id = event.get("job_id") if isinstance(event, dict) else None
        if isinstance(job_id, str) and valid_job_id(job_id):
            return Call(Parsed(job_id, error), stored=True)
        return Call(Parsed(hashed_id(b""), error), stored=False)


def reply(call: Call, answer: Answer) -> Any:
    """Return what Lambda gives to the caller: the document, by URL as an HTTP response.

    Raises
    ------
    Transient
        A passing fault of an invocation: Lambda tries an asynchronous one again.
    """
    if call.method is None:
        if isinstance(answer.error, Transient):
            raise answer.error
        return orjson.loads(answer.document)
    status = _status(call.method, answer.error)
    return {
        "statusCode": int(status),
        "headers": {"content-type": "application/json", **_HEADERS.get(status, {})},
        "body": answer.document.decode(),
    }


def _status(method: str, error: MatinvError | None) -> HTTPStatus:
    if method != "POST":
        return HTTPStatus.METHOD_NOT_ALLOWED
    if error is None:
        return HTTPStatus.OK
    if error.info.retryable:
        return HTTPStatus.SERVICE_UNAVAILABLE
    return _STATUSES.get(error.code, HTTPStatus.BAD_REQUEST)


def _of_url(event: Mapping[str, Any], method: str) -> Call:
    try:
        return _of_text(_body(event, method), method)
    except Refused as error:
        return Call(Parsed(hashed_id(b""), error), stored=False, method=method)


def _body(event: Mapping[str, Any], method: str) -> bytes:
    if method != "POST":
        raise Refused(
            Code.BAD_MESSAGE, "this is not a POST", "post a message", observed=method, limit="POST"
        )
    body = event.get("body")
    text = body if isinstance(body, str) else ""
    if not event.get("isBase64Encoded"):
        return text.encode("utf-8", "surrogatepass")  # a lone surrogate is not JSON, nor a crash
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise Refused(
            Code.BAD_MESSAGE,
            "the request says that its body is base64, and it is not",
            "send JSON with content-type: application/json",
        ) from None


def _of_text(text: bytes, method: str | None) -> Call:
    tree = jsontext.parse(text, Code.BAD_MESSAGE)
    parsed = parse_tree(tree, text)
    named = tree.get("job_id") if isinstance(tree, dict) else None
    return Call(parsed, stored=named == parsed.job_id, method=method)


def _as_text(event: object) -> bytes:
    """Write `event` as JSON again; orjson writes NaN as null, so its nulls are looked at twice."""
    try:
        text = orjson.dumps(event)
        if b"null" not in text:
            return text
    except TypeError:  # an integer of more than 64 bits, or a lone surrogate
        pass
    try:
        return json.dumps(event, allow_nan=False).encode()
    except ValueError:
        raise Refused(
            Code.NON_FINITE,
            "the matrix holds NaN or Infinity",
            "such a matrix has no inverse; NaN and Infinity are not JSON either",
        ) from None
    except (TypeError, RecursionError):
        raise Refused(
            Code.BAD_MESSAGE, "the event is not a message", 'send {"matrix": …}'
        ) from None
