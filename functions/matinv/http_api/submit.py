"""From a request's body to a submission of `matinv.client`, or to the URL of an upload."""

from __future__ import annotations

from functools import cache
from typing import Any, Final
from uuid import uuid4

from pydantic_core import core_schema as cs

from matinv.client import Client, Submission
from matinv.client.message_text import edited
from matinv.client.preparation import INLINE_LIMIT_BYTES
from matinv.client.send import Sender, Sent, send
from matinv.errors import Code, MatinvError, Refused
from matinv.formats.codecs import format_of_key
from matinv.http_api.bodies import Body
from matinv.jobs.ids import checked_id
from matinv.jobs.message import (
    CONTENT,
    REPLACE,
    message_schema,
    metadata_of,
    object_schema,
    options_schema,
    parse_tree,
    validated,
)
from matinv.jobs.request import Inline, Options, input_info
from matinv.jobs.times import timestamp

EXPIRES_S: Final = 900
LARGEST_PUT_BYTES: Final = 5 * 2**30  # S3's limit for one PUT
LARGEST_UPLOAD_BYTES: Final = 5 * 2**40  # and for an object of parts


def sent(client: Client, submission: Submission) -> Sent:
    """Send a message, unless its job has ended before; raises as `matinv.client.send.send`."""
    record = client.table.get([submission.job_id]).get(submission.job_id)
    sender = Sender(client.store, client.table, client.queue, client.settings, client.now)
    return send(sender, submission, record)


def submission_of(body: Body) -> Submission:
    """Return a message as it is sent to the jobs queue.

    Raises
    ------
    Refused
        If the message is not allowed; TOO_LARGE, if the queue does not take it.
    """
    parsed = parse_tree(body.tree, body.text)
    if isinstance(parsed.content, MatinvError):
        raise parsed.content
    request = parsed.content
    if request.redrive:
        raise Refused(
            Code.BAD_MESSAGE,
            'the field "redrive" is not allowed here',
            "POST /jobs/{job_id}/redrive does",
            observed=f"redrive: {request.redrive}",
        )
    text = body.text.decode()
    message = edited(text, {"job_id": body.job_id}) if body.job_id else text
    size_bytes = len(message.encode())
    if size_bytes > INLINE_LIMIT_BYTES:
        raise Refused(
            Code.TOO_LARGE,
            "the message does not fit the jobs queue",
            'POST /jobs with {"upload": …} gives a URL for a file of any size',
            observed=f"{size_bytes} bytes",
            limit=f"{INLINE_LIMIT_BYTES} bytes",
        )
    asked = request.input
    form = asked.format if isinstance(asked, Inline) else format_of_key(asked.key)
    info, takes = input_info(request), bool(request.replace)
    return Submission(parsed.job_id, request.options, info, form, body=message, replaces=takes)


def upload_of(client: Client, body: Body) -> tuple[str, dict[str, Any]]:
    """Return a job's id, and where its file is to be sent, if the job has none yet.

    The URL makes one object, of one size and type, with the options as its metadata, and only if
    there is none under its key: whoever has it can do nothing else. A file that is too large for
    one PUT gets an upload in parts instead (`matinv.http_api.uploads`).

    Raises
    ------
    Refused
        If the request is not allowed; JOB_ID_CONFLICT, if the job is
        known, has not failed and is not to be replaced.
    """
    fields = validated(upload_schema, body.tree)
    size_bytes = fields["upload"]["bytes"]
    if size_bytes > LARGEST_UPLOAD_BYTES:
        raise Refused(
            Code.TOO_LARGE,
            "the file is larger than an object of S3 may be",
            "send the matrices of a stack in several files",
            observed=f"{size_bytes} bytes",
            limit=f"{LARGEST_UPLOAD_BYTES} bytes",
        )
    job_id = checked_id(fields.get("job_id") or f"upload-{uuid4().hex}")
    chosen = {name: fields[name] for name in options_schema()["fields"] if name in fields}
    metadata = metadata_of(Options(**chosen))
    takes, sha256 = fields.get("replace", False), fields["upload"].get("sha256")
    metadata |= {REPLACE: "true"} if takes else {}
    metadata |= {CONTENT: sha256} if sha256 else {}
    known = has_record(client, job_id, replaces=takes)
    key = f"{job_id}.{fields['upload']['format']}"
    store = client.stack("making URLs for uploads").store
    if size_bytes > LARGEST_PUT_BYTES:
        begun = store.begin_upload(key, size_bytes, metadata)
        parts = {"upload_id": begun.upload_id, "part_bytes": begun.part_bytes}
        return job_id, parts | {"source": begun.uri}
    place = store.upload_url(key, size_bytes, metadata, EXPIRES_S, overwrite=known)
    return job_id, {
        "method": "PUT",
        "url": place.url,
        "headers": dict(place.headers),
        "expires_at": timestamp(client.now() + EXPIRES_S),
        "source": place.uri,
    }


def has_record(client: Client, job_id: str, *, replaces: bool) -> bool:
    """Return whether a job id that may have a new input has a record.

    Raises
    ------
    Refused
        JOB_ID_CONFLICT, if it may have none.
    """
    record = client.records([job_id]).get(job_id)
    if record and not record.status.failed and not replaces:
        raise Refused(
            Code.JOB_ID_CONFLICT,
            f"job id {job_id} already has an input",
            'choose another job id, or send "replace": true to take over this one',
        )
    return record is not None


@cache
def upload_schema() -> cs.TypedDictSchema:
    """Return the schema of a request for an upload."""
    options, format_ = options_schema()["fields"], options_schema()["fields"]["format"]
    form = object_schema(
        {
            "format": cs.typed_dict_field(format_["schema"], required=True),
            "bytes": cs.typed_dict_field(cs.int_schema(ge=1), required=True),
            "sha256": cs.typed_dict_field(cs.str_schema(pattern="^[0-9a-f]{64}$")),
        }
    )
    return object_schema(
        {
            **options,
            "job_id": message_schema()["fields"]["job_id"],
            "replace": message_schema()["fields"]["replace"],
            "upload": cs.typed_dict_field(form, required=True),
        }
    )
