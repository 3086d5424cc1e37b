"""The README says what the code does."""

from __future__ import annotations

import dataclasses
import json
import re
from http import HTTPStatus
from pathlib import Path

import pytest

from matinv.cli.reference import markdown
from matinv.errors import TRANSIENT, Code
from matinv.http_api.routes import ROUTES
from matinv.jobs.error_answers import ANSWERS
from matinv.jobs.event import event_of
from matinv.jobs.lanes import Lane
from matinv.jobs.message import message_schema
from matinv.linalg.certificate import Certificate
from matinv.settings import API_URL, STACK, Settings
from matinv.testing.contracts import full_record

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


# Codes that no request to the API can meet: it never waits, and checks no residual.
ONLY_IN_CLIENTS = {"TIMED_OUT", "SUPERSEDED", "NOT_VERIFIED", "JOB_FAILED", "CLIENT"}
ONLY_IN_THE_CONSOLE = {"UNAUTHORIZED", "FORBIDDEN"}  # its page's own answers, by its guard


def table_after(heading: str) -> dict[str, list[str]]:
    """Return the first table below a heading, by the first cell of each row."""
    section = README.split(heading, 1)[1]
    rows = re.findall(r"^\|(.+)\|$", section.split("\n\n#", 1)[0], re.MULTILINE)
    cells = [[cell.strip() for cell in row.split("|")] for row in rows]
    return {name: row for row in cells[2:] for name in re.findall(r"`([^`]+)`", row[0])}


def test_help_of_every_command_is_current() -> None:
    block = README.split("<!-- generated: cli -->\n")[1].split("<!-- end: cli -->")[0]
    assert block == markdown(), "run scripts/docs"


def test_error_table_has_every_code_with_its_kind() -> None:
    rows = table_after("## Errors")
    kinds = {code: row[1] for code, row in rows.items()}
    assert kinds == {code: "transient" if code in TRANSIENT else "permanent" for code in Code}


def test_message_table_has_every_field() -> None:
    assert table_after("**Messages**").keys() == message_schema()["fields"].keys()


def test_certificate_table_has_every_field() -> None:
    fields = {field.name for field in dataclasses.fields(Certificate)}
    assert table_after("**The certificate**").keys() | {"scaled"} == fields


def test_job_events_are_described_with_every_field() -> None:
    text = README.split("**Job events.**")[1].split("\n\n")[0]
    body = json.loads(event_of(full_record()).body)
    fields = {*body, *body["error"], *body["input"], "inline"}
    assert set(re.findall(r"`([^`]+)`", text)) == fields


def test_every_status_of_the_api_is_named_with_its_codes() -> None:
    text = README.split("Errors are problem documents")[1].split("\n\n")[0]
    common = {HTTPStatus.BAD_REQUEST, HTTPStatus.SERVICE_UNAVAILABLE}  # in words
    named = {code: a.status for code, a in ANSWERS.items() if a.status not in common}
    for code in named.keys() - ONLY_IN_CLIENTS - ONLY_IN_THE_CONSOLE:
        assert re.search(rf"{int(named[code])}[^,0-9][^0-9]*`{code}`", text), code


def test_every_route_is_in_the_table() -> None:
    paths = {name for name in table_after("## HTTP API") if "/" in name}
    routes = {
        f"{route.method} {route.path.replace('job_id', 'id')}"
        for route in ROUTES
        if route.path != "/"
    }
    assert paths == routes


EVERY_SETTING = Settings(
    "i", "r", "t", Lane("first", "q", 7, 7, 7, Lane("large", "q", 7, 7, 7)), "d", "e"
).to_environment()


@pytest.mark.parametrize("name", [*EVERY_SETTING, STACK, API_URL])
def test_setting_is_documented(name: str) -> None:
    assert name in table_after("## Settings")


def test_pictures_are_there_and_small() -> None:
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert len(pictures) == 2
    assert all((ROOT / picture).stat().st_size < 200_000 for picture in pictures)
