"""The OpenAPI document against the code that reads and writes what it describes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from matinv.http_api import models
from matinv.http_api.listing import query_schema
from matinv.http_api.openapi import document
from matinv.http_api.routes import ROUTES
from matinv.http_api.service import DOCUMENT
from matinv.http_api.submit import upload_schema
from matinv.http_api.uploads import completion_schema
from matinv.jobs.message import message_schema, options_schema
from matinv.jobs.record_document import document_of
from matinv.testing.contracts import full_record
from support.api_server import ApiServer


@pytest.fixture(scope="module")
def tree() -> Any:
    return json.loads(document())


def test_the_copy_in_the_repository_is_current() -> None:
    assert DOCUMENT.read_text() == document(), "run scripts/docs"


def test_the_api_gives_its_own_document(ask: ApiServer, tree: Any) -> None:
    assert ask.get("/openapi.json").tree == tree


def test_routes_are_those_of_the_table(tree: Any) -> None:
    described = {
        (path, method.upper(), operation["operationId"])
        for path, item in tree["paths"].items()
        for method, operation in item.items()
    }
    table = {(route.path, route.method, route.operation.id) for route in ROUTES if route.operation}
    assert described == table
    left_out = {route.path for route in ROUTES if not route.operation}
    assert left_out == {"/", "/openapi.json"}  # an old name, and the document itself


def test_every_name_of_a_schema_has_one_and_every_schema_is_named(tree: Any) -> None:
    prefix = "#/components/schemas/"
    named = {name.removeprefix(prefix) for name in _values(tree, "$ref")}
    assert named == tree["components"]["schemas"].keys()


def _values(tree: Any, key: str) -> Iterator[str]:
    if isinstance(tree, dict):
        yield from ([tree[key]] if key in tree else [])
        tree = list(tree.values())
    if isinstance(tree, list):
        for item in tree:
            yield from _values(item, key)


def test_every_operation_says_what_it_answers_to_faults(tree: Any) -> None:
    for item in tree["paths"].values():
        for operation in item.values():
            assert {"429", "503"} <= operation["responses"].keys()
            for status, answer in operation["responses"].items():
                if int(status) >= 400 and status != "429":  # 429 is Lambda's own
                    assert answer["content"].keys() == {"application/problem+json"}


def test_requests_have_the_fields_that_are_read(tree: Any) -> None:
    def described(name: str) -> set[str]:
        return set(tree["components"]["schemas"][name]["properties"])

    assert described("Message") | {"redrive"} == message_schema()["fields"].keys()
    assert described("SmallMatrix") | {"redrive", "s3"} == message_schema()["fields"].keys()
    assert described("Options") == options_schema()["fields"].keys()
    assert described("UploadRequest") == upload_schema()["fields"].keys()
    assert described("UploadCompletion") == completion_schema()["fields"].keys()
    parameters = tree["paths"]["/jobs"]["get"]["parameters"]
    assert {one["name"] for one in parameters} == query_schema()["fields"].keys()


FORM = {"format": "npy", "bytes": 9}
BODIES = [
    ("/invert", True, {"matrix": [[2]]}),
    ("/invert", True, {"v": 1, "job_id": "a/b", "matrix": {"re": [[1]], "im": [[1]]}}),
    ("/invert", True, {"matrix": [[[2]], [[4]]], "method": "spd", "tags": {"a": ""}}),
    ("/invert", False, {}),
    ("/invert", False, {"v": 2, "matrix": [[2]]}),
    ("/invert", False, {"matrix": [["2"]]}),
    ("/invert", False, {"matrix": [[2]], "npy": "AA=="}),
    ("/invert", False, {"matrix": [[2]], "method": "LU"}),
    ("/invert", False, {"matrix": [[2]], "unknown": 1}),
    ("/invert", False, {"matrix": [[2]], "tags": {"": "x"}}),
    ("/invert", False, {"matrix": [[2]], "tags": {"a": "x" * 257}}),
    ("/invert", False, {"matrix": [[2]], "tags": {str(number): "" for number in range(11)}}),
    ("/invert", False, {"matrix": {"re": [[1]]}}),
    ("/invert", False, {"job_id": "a//b", "matrix": [[2]]}),
    ("/jobs", True, {"s3": {"bucket": "inputs", "key": "a.npy"}}),
    ("/jobs", True, {"upload": FORM, "job_id": "a", "output": "s3"}),
    ("/jobs", True, {"jobs": [{"matrix": [[2]]}, {"unknown": 1}]}),
    ("/jobs", False, {"s3": {"bucket": "inputs"}}),
    ("/jobs", False, {"jobs": []}),
    ("/jobs", False, {"jobs": [{"matrix": [[2]]}], "method": "spd"}),
    ("/jobs", False, {"s3": {"bucket": "inputs", "key": "a.npy"}, "matrix": [[2]]}),
    ("/jobs", False, {"upload": {"format": "npy", "bytes": 0}}),
    ("/jobs", False, {"upload": FORM | {"name": "a"}}),
    ("/jobs", False, {"upload": FORM, "matrix": [[2]]}),
]


@pytest.mark.parametrize(("path", "taken", "body"), BODIES)
def test_a_body_is_taken_if_the_document_allows_it(
    ask: ApiServer, tree: Any, path: str, taken: bool, body: Any
) -> None:
    content = tree["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    schema = content["schema"] | {"components": tree["components"]}
    assert Draft202012Validator(schema).is_valid(body) is taken
    assert (ask.post(path, body).status < 300) is taken


def test_a_record_s_document_is_what_the_document_calls_a_job() -> None:
    written = json.loads(json.dumps(document_of(full_record())))
    read = models.Job.model_validate(written)
    assert read.model_dump(mode="json", exclude_none=True) == written
    with pytest.raises(ValidationError):
        models.Job.model_validate(written | {"unknown": 1})


def test_nothing_that_may_be_absent_may_be_null(tree: Any) -> None:
    assert '"default": null' not in document()
    method = tree["components"]["schemas"]["Options"]["properties"]["method"]
    assert method == {"$ref": "#/components/schemas/Method"}
