"""The OpenAPI document, for scripts/docs: the table of routes, with the schemas of what it names.

Requests have the schemas that they are checked by, and responses those of `models`. Paths, queries
and bodies are read as a whole, so that what a schema cannot know stands here.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core import core_schema as cs

from matinv import __version__
from matinv.formats.codecs import CODECS
from matinv.http_api import models
from matinv.http_api.bodies import IDEMPOTENCY_KEY
from matinv.http_api.bulk import MOST
from matinv.http_api.responses import JSON_TYPE, PROBLEM_TYPE
from matinv.http_api.routes import ROUTES, Operation
from matinv.http_api.submit import LARGEST_UPLOAD_BYTES, upload_schema
from matinv.http_api.uploads import completion_schema, parts_schema, upload_place_schema
from matinv.jobs.message import message_schema, options_schema

Json = dict[str, Any]

_DESCRIPTION: Final = """\
Requests are signed with AWS Signature Version 4 (service lambda). A job id or a run's name may have
slashes, as they are or encoded; `/result`, `/redrive` or `/cancel` at the end of a job's path, and
`/jobs` or `/results` at the end of a run's, asks for that, unless its slash is encoded."""

_JOB_ID: Final = {"type": "string", "pattern": models.JOB_ID_PATTERN}
_RUN: Final = {"type": "string", "description": "Of a name that no run has nothing is known."}
_ROWS: Final = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}
_NUMBERS: Final = {"anyOf": [_ROWS, {"type": "array", "items": _ROWS}]}
_COMPLEX: Final = {
    "description": "A complex matrix.",
    "type": "object",
    "properties": {"re": _NUMBERS, "im": _NUMBERS},
    "required": ["re", "im"],
    "additionalProperties": False,
}
_RESPONSES: Final[tuple[type[BaseModel], ...]] = (
    models.Health,
    models.Inverse,
    models.Job,
    models.Jobs,
    models.Outcomes,
    models.PartUrls,
    models.Problem,
    models.Redriven,
    models.Run,
    models.RunCancelled,
    models.RunJobs,
    models.RunResults,
    models.Runs,
    models.Upload,
    models.UploadAborted,
    models.Uploaded,
)

# Facts of a field that are checked by code, or shown to people.
_NOTES: Final[dict[str, Json]] = {
    "job_id": _JOB_ID,
    "matrix": {"anyOf": [*_NUMBERS["anyOf"], {"$ref": "#/components/schemas/Complex"}]},
    "npy": {"description": "A .npy file in base64."},
    "bytes": {"description": f"At most {LARGEST_UPLOAD_BYTES}."},
    "tag": {"description": "key=value"},
    "run": {"description": "The run that the job belongs to.", "pattern": models.RUN_PATTERN},
    "since": {"description": "Updated at or after: an ISO 8601 time in UTC."},
    "cursor": {"description": "What the last page ended with."},
}
_HIDDEN: Final = frozenset({"redrive", "order"})  # what matinv's own messages have
_NAMED: Final = {
    "s3": ("Reference", "An object of the inputs bucket."),
    "upload": ("UploadForm", "The file that is going to be sent."),
}


def document() -> str:
    """Return the document as JSON."""
    schemas = {name: {"title": name} | schema for name, schema in _schemas().items()}
    paths: Json = {}
    for route in ROUTES:
        if route.operation:
            described = _described(route.operation)
            taken = described["parameters"] = []
            if "{job_id}" in route.path:
                taken.append({"name": "job_id", "in": "path", "required": True, "schema": _JOB_ID})
            if "{run}" in route.path:
                taken.append({"name": "run", "in": "path", "required": True, "schema": _RUN})
            if route.operation.keyed:
                header = {"name": IDEMPOTENCY_KEY, "in": "header", "required": False}
                taken.append(header | {"schema": _JOB_ID})
            if route.operation.query:
                fields = _shared(route.operation.query(), schemas)["properties"]
                taken += [
                    {"name": name, "in": "query", "required": False, "schema": schema}
                    for name, schema in fields.items()
                ]
            paths.setdefault(route.path, {})[route.method.lower()] = described
    tree = {
        "openapi": "3.1.0",
        "info": {"title": "matinv", "version": __version__, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": schemas},
    }
    return json.dumps(tree, indent=2, sort_keys=True) + "\n"


def _schemas() -> Json:
    """Return the schemas of bodies: of responses by their models, of requests as they are checked.

    Of two of the same name, that of the requests counts.
    """
    _, found = models_json_schema(
        [(model, "serialization") for model in _RESPONSES],
        ref_template="#/components/schemas/{model}",
    )
    responses: Json = found["$defs"]
    for schema in responses.values():
        for field in schema.get("properties", {}).values():
            if field.get("default", 0) is None:
                del field["default"]  # it may be absent: pydantic calls that null
    schemas: Json = {"Complex": _COMPLEX}
    message = _shared(message_schema(), schemas)
    small = message | {"properties": {k: v for k, v in message["properties"].items() if k != "s3"}}
    schemas["Message"] = message | {
        "description": "A matrix to invert: exactly one of matrix, npy and s3.",
        "oneOf": [{"required": [name]} for name in ("matrix", "npy", "s3")],
        "examples": [{"job_id": "exp-42", "matrix": [[1, 2], [3, 4]]}],
    }
    schemas["SmallMatrix"] = small | {
        "description": "A matrix to invert at once: either matrix or npy.",
        "oneOf": [{"required": [name]} for name in ("matrix", "npy")],
        "examples": [{"matrix": [[1, 2], [3, 4]]}],
    }
    schemas["Messages"] = {
        "description": "Several messages. One that is wrong has its problem in the answer.",
        "type": "object",
        "properties": {
            "jobs": {
                "description": "Each a Message.",
                "type": "array",
                "items": {},
                "minItems": 1,
                "maxItems": MOST,
            }
        },
        "required": ["jobs"],
        "additionalProperties": False,
        "examples": [{"jobs": [{"job_id": "exp-42", "matrix": [[1, 2], [3, 4]]}]}],
    }
    for name, schema, text in (
        ("Options", options_schema(), "What a submitter may choose."),
        ("UploadRequest", upload_schema(), "A request for a URL to upload a file to."),
        ("UploadPlace", upload_place_schema(), "An upload in parts."),
        ("PartUrlsRequest", parts_schema(), "A request for URLs to send parts to."),
        ("UploadCompletion", completion_schema(), "All parts of an upload, in order."),
    ):
        schemas[name] = _shared(schema, schemas) | {"description": text}
    return responses | schemas


def _shared(schema: cs.CoreSchema, schemas: Json) -> Json:
    """Return a core schema as JSON schema, its enumerations and inner objects among `schemas`."""

    def fields_of(tree: Json) -> Json:
        fields = {k: v for k, v in tree["properties"].items() if k not in _HIDDEN}
        return tree | {"properties": {name: field_of(name, v) for name, v in fields.items()}}

    def field_of(name: str, field: Json) -> Json:
        # What may be absent may be null in a message too; nobody needs to know.
        options = [one for one in field.pop("anyOf", ()) if one != {"type": "null"}]
        field |= options[0] if options else {}
        if name in _NAMED:
            shared, text = _NAMED[name]
            schemas[shared] = fields_of(field) | {"title": shared, "description": text}
        elif "enum" in field:
            shared = field["title"]
            schemas[shared] = field
        else:
            return field | _NOTES.get(name, {})
        return {"$ref": f"#/components/schemas/{shared}"}

    return fields_of(GenerateJsonSchema().generate(schema))


def _described(operation: Operation) -> Json:
    def content(type_: str, names: tuple[str, ...]) -> Json:
        refs = [{"$ref": f"#/components/schemas/{name}"} for name in names]
        return {type_: {"schema": refs[0] if len(refs) == 1 else {"oneOf": refs}}}

    described: Json = {"operationId": operation.id, "summary": operation.summary}
    if operation.description:
        described["description"] = operation.description
    if operation.bodies:
        described["requestBody"] = {
            "required": operation.id != "redrive",
            "content": content(JSON_TYPE, operation.bodies),
        }
    responses: Json = {}
    for status, (text, names) in operation.answers.items():
        responses[str(status)] = {"description": text}
        if names:
            responses[str(status)]["content"] = content(JSON_TYPE, names)
    if operation.id == "result":
        binary = {"schema": {"type": "string", "format": "binary"}}
        responses["200"]["content"] |= {
            codec.media_type: binary for codec in CODECS.values() if not codec.output.is_text
        }
    for status in (*operation.problems, 503):
        responses[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": content(PROBLEM_TYPE, ("Problem",)),
        }
    # Lambda's own answer, before there is a function that could write a problem document.
    responses["429"] = {"description": HTTPStatus.TOO_MANY_REQUESTS.phrase}
    return described | {"responses": responses}
