"""``/uploads``: files that are too large for one PUT, in parts that go to S3 by URLs of their own.

``POST /jobs`` begins an upload and says how long its parts are. Nothing of it is kept here: each
request names the file and the upload, and S3 knows the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from pydantic_core import core_schema as cs

from matinv.errors import Code
from matinv.formats import json_text
from matinv.http_api.request import Exchange
from matinv.http_api.responses import Response, as_json
from matinv.http_api.submit import EXPIRES_S, LARGEST_PUT_BYTES, LARGEST_UPLOAD_BYTES, has_record
from matinv.jobs.ids import checked_id
from matinv.jobs.message import Schema, message_schema, object_schema, options_schema, validated
from matinv.jobs.times import timestamp
from matinv.ports import MOST_PARTS, ComingPart, MatrixStore, SentPart

MOST_URLS: Final = 100  # in a page


def part_urls(exchange: Exchange) -> Response:
    """Give the URLs of some parts."""
    client = exchange.services.client
    fields, key, store = _asked(exchange, parts_schema)
    urls = []
    for part in fields["parts"]:
        coming = ComingPart(part["number"], part["part_bytes"], part["sha256"])
        place = store.part_url(key, fields["upload_id"], coming, EXPIRES_S)
        urls.append({"method": "PUT", "url": place.url, "headers": dict(place.headers)})
    return as_json(200, {"urls": urls, "expires_at": timestamp(client.now() + EXPIRES_S)})


def complete(exchange: Exchange) -> Response:
    """Make the object of its parts, unless the job has got an input meanwhile."""
    fields, key, store = _asked(exchange, completion_schema)
    replaces = fields.get("replace", False)
    known = has_record(exchange.services.client, fields["job_id"], replaces=replaces)
    sent = [SentPart(part["number"], part["etag"], part["sha256"]) for part in fields["parts"]]
    made = store.finish_upload(key, fields["upload_id"], fields["bytes"], sent, overwrite=known)
    document = {"job_id": fields["job_id"], "source": made.uri, "etag": made.etag}
    document |= {"version_id": made.version_id} if made.version_id else {}
    return as_json(202, document, exchange.location(fields["job_id"]))


def abort(exchange: Exchange) -> Response:
    """Drop an upload and its parts."""
    fields, key, store = _asked(exchange, upload_place_schema)
    store.abort_upload(key, fields["upload_id"])
    return as_json(200, {"upload_id": fields["upload_id"]})


def _asked(exchange: Exchange, schema: Schema) -> tuple[Mapping[str, Any], str, MatrixStore]:
    fields = validated(schema, json_text.parse(exchange.body(), Code.BAD_MESSAGE))
    key = f"{checked_id(fields['job_id'])}.{fields['format']}"
    return fields, key, exchange.services.client.stack("making URLs for uploads").store


@cache
def upload_place_schema() -> cs.TypedDictSchema:
    """Return the schema of what names an upload: its job, the file's format, and its id."""
    return object_schema(_place())


@cache
def parts_schema() -> cs.TypedDictSchema:
    """Return the schema of a request for the URLs of parts."""
    part = _part("part_bytes", cs.int_schema(ge=1, le=LARGEST_PUT_BYTES))
    parts = cs.list_schema(part, min_length=1, max_length=MOST_URLS)
    return object_schema({**_place(), "parts": cs.typed_dict_field(parts, required=True)})


@cache
def completion_schema() -> cs.TypedDictSchema:
    """Return the schema of the end of an upload."""
    etag = cs.str_schema(pattern="^[!-~]{1,200}$")
    parts = cs.list_schema(_part("etag", etag), min_length=1, max_length=MOST_PARTS)
    size = cs.int_schema(ge=1, le=LARGEST_UPLOAD_BYTES)
    return object_schema(
        {
            **_place(),
            "bytes": cs.typed_dict_field(size, required=True),
            "replace": message_schema()["fields"]["replace"],
            "parts": cs.typed_dict_field(parts, required=True),
        }
    )


def _place() -> dict[str, cs.TypedDictField]:
    job_id = message_schema()["fields"]["job_id"]["schema"]
    upload_id = cs.str_schema(pattern="^[!-~]{1,1024}$")
    return {
        "job_id": cs.typed_dict_field(job_id, required=True),
        "format": cs.typed_dict_field(
            options_schema()["fields"]["format"]["schema"], required=True
        ),
        "upload_id": cs.typed_dict_field(upload_id, required=True),
    }


def _part(name: str, schema: cs.CoreSchema) -> cs.TypedDictSchema:
    number = cs.int_schema(ge=1, le=MOST_PARTS)
    return object_schema(
        {
            "number": cs.typed_dict_field(number, required=True),
            "sha256": cs.typed_dict_field(cs.str_schema(pattern="^[0-9a-f]{64}$"), required=True),
            name: cs.typed_dict_field(schema, required=True),
        }
    )
