"""Pages of jobs: filters, and the cursor that says where the next one begins."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
from pydantic_core import SchemaValidator, ValidationError
from pydantic_core import core_schema as cs

from matinv.client import Client
from matinv.errors import Code, Refused
from matinv.jobs.api_paths import cursor_of
from matinv.jobs.ids import valid_job_id
from matinv.jobs.message import Fields, Schema, object_schema
from matinv.jobs.record import Record, Status
from matinv.jobs.record_document import document_of
from matinv.ports import Place

# A tag is looked for in the records themselves. A thousand are ten reads of the table, 0.1 s; what
# is beyond is for the next page.
LOOKED_THROUGH: Final = 1000

TIME: Final = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?Z?)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class JobQuery:
    """Which jobs to list.

    Parameters
    ----------
    limit : int
        How many.
    status, tag, since, cursor : optional
        Those with this status, with this ``key=value`` among their tags, updated at or after this
        time (ISO 8601, UTC), and behind the place where the last page ended.
    """

    limit: int
    status: Status | None = None
    tag: str | None = None
    since: str | None = None
    cursor: str | None = None


@cache
def query_schema() -> cs.TypedDictSchema:
    """Return the schema of the parameters of ``GET /jobs``."""
    return object_schema(query_fields(100, "status", "tag", "since", "limit", "cursor"))


def query_fields(most: int, *names: str) -> Fields:
    """Return the fields of a query that may have these parameters, and ask for `most` at once."""
    fields: dict[str, cs.CoreSchema] = {
        "status": cs.enum_schema(Status, list(Status), sub_type="str"),
        "tag": cs.str_schema(pattern="^[^=]{1,128}=.{0,256}$"),
        "since": cs.str_schema(),
        "limit": cs.with_default_schema(cs.int_schema(ge=1, le=most), default=most // 2),
        "cursor": cs.str_schema(max_length=1000),  # the longest id there is makes 800
    }
    return {name: cs.typed_dict_field(fields[name]) for name in names}


@cache
def _validator(schema: Schema) -> SchemaValidator:
    return SchemaValidator(schema())


def parameters_of(query: str, schema: Schema) -> dict[str, Any]:
    """Return the parameters of a query, as `schema` has them.

    Raises
    ------
    Refused
        BAD_MESSAGE.
    """
    pairs = parse_qsl(query, keep_blank_values=True)
    parameters: dict[str, Any] = dict(pairs)
    if len(parameters) < len(pairs):
        raise refused("a parameter appears twice")
    try:
        found: dict[str, Any] = _validator(schema).validate_strings(parameters)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        known = where in schema()["fields"]
        raise refused(
            f"parameter {where}: {first['msg']}" if known else "unknown parameter"
        ) from None
    return found


def asked(query: str) -> JobQuery:
    """Parse a query.

    Raises
    ------
    Refused
        BAD_MESSAGE.
    """
    found = JobQuery(**parameters_of(query, query_schema))
    if found.since is not None and not TIME.fullmatch(found.since):
        raise refused("since is not a time like 2026-11-21T03:00:00Z")
    return found


def page_of(client: Client, query: JobQuery) -> dict[str, Any]:
    """Return the page that a query asks for, as a document."""
    before = _place_of(query.cursor) if query.cursor is not None else None
    found: list[Record] = []
    last: Place | None = None
    looked = 0
    wanted = query.limit if query.tag is None else LOOKED_THROUGH
    first = (query.since or "").removesuffix("Z")  # 03:00:00Z is not behind 03:00:00.000Z
    key, _, value = (query.tag or "").partition("=")
    for record in client.list(query.status, wanted, before):
        if record.updated_at < first:
            break
        looked += 1
        place = (record.updated_at, record.job_id)
        last = place if last is None else min(last, place)
        if query.tag is None or record.tags.get(key) == value:
            found.append(record)
        if len(found) == query.limit:
            break
    more = last is not None and (looked == wanted or len(found) == query.limit)
    page: dict[str, Any] = {"jobs": [document_of(record) for record in found]}
    return page | ({"cursor": cursor_of(last)} if more and last else {})


def place_of(cursor: str) -> Any:
    """Return the place that a cursor names, as unchecked JSON.

    Raises
    ------
    Refused
        BAD_MESSAGE.
    """
    try:
        return orjson.loads(
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        )
    except (binascii.Error, ValueError):
        raise refused("invalid cursor") from None


def _place_of(cursor: str) -> Place:
    """Return the place that a cursor names: a time and a job id, as records have them."""
    match place_of(cursor):
        case [str(at), str(job_id)] if TIME.fullmatch(at) and valid_job_id(job_id):
            return at, job_id
    raise refused("invalid cursor")


def refused(message: str) -> Refused:
    """Return the error of a query."""
    return Refused(Code.BAD_MESSAGE, message, "see the parameters in /openapi.json")
