"""The OpenAPI document against the code that reads and writes what it describes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from matinv import http_api
from matinv.http_api import models
from matinv.http_api.openapi import document
from matinv.http_api.paths import METHODS
from matinv.http_api.submit import upload_schema
from matinv.jobs.message import message_schema, options_schema
from matinv.jobs.record_document import document_of
from matinv.testing.contracts import full_record
from support.api_requests import ApiRequests

CHECKED_IN = Path(http_api.__file__).with_name("openapi.json")


@pytest.fixture(scope="module")
def tree() -> Any:
    return json.loads(document())


def test_the_copy_in_the_repository_is_current() -> None:
    assert CHECKED_IN.read_text() == document(), "run scripts/docs"


def test_the_api_gives_its_own_document(ask: ApiRequests, tree: Any) -> None:
    assert ask.get("/openapi.json").tree == tree


def test_routes_and_methods_are_those_that_are_let_in(tree: Any) -> None:
    described = {path: {m.upper() for m in item} for path, item in tree["paths"].items()}
    hidden = {"/", "/openapi.json"}  # an old name, and the document itself
    assert described == {p: set(methods) for p, methods in METHODS.items() if p not in hidden}


def test_every_operation_says_what_it_answers_to_too_many_and_to_faults(tree: Any) -> None:
    for item in tree["paths"].values():
        for operation in item.values():
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert answer["content"].keys() == {"application/problem+json"}
            assert {"429", "503"} <= operation["responses"].keys()


def test_requests_have_the_fields_that_are_read() -> None:
    assert models.Message.model_fields.keys() | {"redrive"} == message_schema()["fields"].keys()
    assert models.Options.model_fields.keys() | {"tags"} == options_schema()["fields"].keys()
    assert models.UploadRequest.model_fields.keys() == upload_schema()["fields"].keys()


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
