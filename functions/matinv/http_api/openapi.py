"""The OpenAPI document: the routes as Powertools describes them, and what it cannot know.

Bodies are read by `matinv.jobs.message` and queries as a whole, so that no parameter of a function
says what a route takes.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from matinv import __version__
from matinv.formats.codecs import CODECS
from matinv.http_api import models
from matinv.http_api.bodies import IDEMPOTENCY_KEY
from matinv.http_api.routes import resolver

_DESCRIPTION: Final = """\
Requests are signed with AWS Signature Version 4 (service lambda). A job id may have slashes, as
they are or encoded; `/result` or `/redrive` at the end of a path asks for that, unless its slash
is encoded."""

_BODIES: Final[Mapping[str, tuple[type[BaseModel], ...]]] = {
    "invert": (models.SmallMatrix,),
    "submit": (models.Message, models.UploadRequest),
    "redrive": (models.Options,),
}
_KEYED: Final = ("invert", "submit")
_SEEN_BY_ID: Final = {
    "name": "job_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": models.JOB_ID_PATTERN},
}
_BINARY: Final = {"schema": {"type": "string", "format": "binary"}}

Json = dict[str, Any]


@functools.cache
def document() -> str:
    """Return the document as JSON."""
    tree = json.loads(
        resolver().get_openapi_json_schema(
            title="matinv", version=__version__, description=_DESCRIPTION
        )
    )
    schemas = _schemas()
    tree["components"]["schemas"] = {
        name: schema
        for name, schema in sorted((tree["components"]["schemas"] | schemas).items())
        if name not in {"HTTPValidationError", "ValidationError"}  # Powertools' own, not ours
    }
    tree["servers"] = [{"url": "/"}]
    for operation in _operations(tree):
        _complete(operation)
    return json.dumps(tree, indent=2, sort_keys=True) + "\n"


def _operations(tree: Json) -> Iterator[Json]:
    return (operation for path in tree["paths"].values() for operation in path.values())


def _schemas() -> Json:
    """Return the schemas of what requests hold."""
    all_ = sorted({m for group in _BODIES.values() for m in group}, key=lambda m: m.__name__)
    _, found = models_json_schema(
        [(model, "validation") for model in all_], ref_template="#/components/schemas/{model}"
    )
    return {name: _without_null(schema) for name, schema in found["$defs"].items()}


def _without_null(schema: Json) -> Json:
    """Return a schema whose fields may be absent: pydantic calls their default null."""
    for field in schema.get("properties", {}).values():
        if field.get("default", 0) is None:
            del field["default"]
    return schema


def _complete(operation: Json) -> None:
    name = operation["operationId"]
    parameters = [_SEEN_BY_ID] if name in {"job", "result", "redrive"} else []
    if name in _KEYED:
        parameters.append(_header(IDEMPOTENCY_KEY))
    if name == "list_jobs":
        parameters += _query(models.JobQuery)
    operation["parameters"] = parameters
    if name in _BODIES:
        refs = [{"$ref": f"#/components/schemas/{model.__name__}"} for model in _BODIES[name]]
        schema = refs[0] if len(refs) == 1 else {"oneOf": refs}
        operation["requestBody"] = {
            "required": name != "redrive",
            "content": {"application/json": {"schema": schema}},
        }
    if name == "result":
        operation["responses"]["200"]["content"] |= {
            codec.media_type: _BINARY for codec in CODECS.values() if not codec.output.is_text
        }
        operation["responses"]["303"] = {"description": "Fetch it there, without signing."}


def _header(name: str) -> Json:
    schema = {"type": "string", "pattern": models.JOB_ID_PATTERN}
    return {"name": name, "in": "header", "required": False, "schema": schema}


def _query(model: type[BaseModel]) -> Iterator[Json]:
    schema = _without_null(model.model_json_schema(ref_template="#/components/schemas/{model}"))
    for name, field in schema["properties"].items():
        yield {"name": name, "in": "query", "required": False, "schema": field}
