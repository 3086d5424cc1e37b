"""Direct calls of the api: what Lambda hands it, and what it answers.

A call is a message, as an invocation's payload. Requests to the function's URL
are `matinv.http_api`'s.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize

import orjson

from matinv.errors import Code, Refused, Transient
from matinv.formats import json_text
from matinv.jobs.ids import checked_id, hashed_id
from matinv.jobs.message import Parsed, parse_tree
from matinv.pipeline import Answer


@dataclass(frozen=True, slots=True)
class Call:
    """A direct call.

    Parameters
    ----------
    parsed : Parsed
        The parsed call.
    stored : bool
        Whether it names the job under which to keep it.
    """

    parsed: Parsed
    stored: bool


def by_url(event: object) -> bool:
    """Whether an event of the api is an HTTP request, to its URL or through API Gateway."""
    context = event.get("requestContext") if isinstance(event, dict) else None
    return isinstance(context, dict) and isinstance(context.get("http"), dict)


def call_of(event: object) -> Call:
    """Return the call in an event of the api; never raises.

    Its error is NON_FINITE for the NaN and Infinity that Lambda's JSON parser lets pass.
    """
    try:
        text = _as_text(event)
        return call_of_tree(json_text.parse(text, Code.BAD_MESSAGE), text)
    except Refused as error:
        try:
            job_id = checked_id(event.get("job_id") if isinstance(event, dict) else None)
        except Refused:
            return Call(Parsed(hashed_id(b""), error), stored=False)
        return Call(Parsed(job_id, error), stored=True)


def call_of_tree(tree: object, text: bytes) -> Call:
    """Return the call in `text`, which `matinv.formats.json_text` has parsed into `tree`."""
    parsed = parse_tree(tree, text)
    named = tree.get("job_id") if isinstance(tree, dict) else None
    return Call(parsed, stored=isinstance(named, str) and normalize("NFC", named) == parsed.job_id)


def reply(answer: Answer) -> Any:
    """Return the answer that Lambda gives to the caller: the document.

    Raises
    ------
    Transient
        A passing fault: Lambda tries an asynchronous invocation again.
    """
    if isinstance(answer.error, Transient):
        raise answer.error
    return orjson.loads(answer.document)


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
