"""Pages of jobs: filters, and the cursor that says where the next one begins."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
from pydantic import ValidationError

from matinv.client import Client
from matinv.errors import Code, Refused
from matinv.http_api.models import JobQuery
from matinv.jobs.ids import valid_job_id
from matinv.jobs.record import Record
from matinv.jobs.record_document import document_of
from matinv.ports import Place

# A tag is looked for in the records themselves. A thousand are ten reads of the table, 0.1 s; what
# is beyond is for the next page.
LOOKED_THROUGH: Final = 1000

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?Z?)?", re.ASCII)


def asked(query: str) -> JobQuery:
    """Return what a query asks for.

    Raises
    ------
    Refused
        BAD_MESSAGE.
    """
    pairs = parse_qsl(query, keep_blank_values=True)
    if len(dict(pairs)) < len(pairs):
        raise _refused("a parameter stands twice")
    try:
        found = JobQuery.model_validate_strings(dict(pairs))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        known = where in JobQuery.model_fields
        raise _refused(
            f"parameter {where}: {first['msg']}" if known else "unknown parameter"
        ) from None
    if found.since is not None and not _TIME.fullmatch(found.since):
        raise _refused("since is not a time like 2026-11-21T03:00:00Z")
    return found


def page_of(client: Client, query: JobQuery) -> dict[str, Any]:
    """Return the page that a query asks for, as a document."""
    before = _place_of(query.cursor) if query.cursor is not None else None
    found: list[Record] = []
    last: Place | None = None
    looked = 0
    wanted = query.limit if query.tag is None else LOOKED_THROUGH
    for record in _since(client.list(query.status, wanted, before), query.since):
        looked += 1
        place = (record.updated_at, record.job_id)
        last = place if last is None else min(last, place)
        if query.tag is None or _tagged(record, query.tag):
            found.append(record)
        if len(found) == query.limit:
            break
    more = last is not None and (looked == wanted or len(found) == query.limit)
    page: dict[str, Any] = {"jobs": [document_of(record) for record in found]}
    return page | ({"cursor": _cursor_of(last)} if more and last else {})


def _since(records: Iterator[Record], since: str | None) -> Iterator[Record]:
    first = (since or "").removesuffix("Z")  # so that 03:00:00Z is not behind 03:00:00.000Z
    for record in records:
        if record.updated_at < first:
            return
        yield record


def _tagged(record: Record, tag: str) -> bool:
    key, _, value = tag.partition("=")
    return record.tags.get(key) == value


def _cursor_of(place: Place) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(place)).decode().rstrip("=")


def _place_of(cursor: str) -> Place:
    """Return the place that a cursor names: a time and a job id, as records have them."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        match orjson.loads(text):
            case [str(at), str(job_id)] if _TIME.fullmatch(at) and valid_job_id(job_id):
                return at, job_id
    except (binascii.Error, ValueError):
        pass
    raise _refused("the cursor is none of ours")


def _refused(message: str) -> Refused:
    return Refused(Code.BAD_MESSAGE, message, "see the parameters in /openapi.json")
