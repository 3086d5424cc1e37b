"""The README and the references beside the code say what the code does."""

from __future__ import annotations

import dataclasses
import json
import re
from functools import cache
from http import HTTPStatus
from pathlib import Path

import numpy as np
import pytest

from matinv.cli.reference import markdown
from matinv.errors import TRANSIENT, Code
from matinv.http_api.routes import ROUTES
from matinv.jobs.error_answers import ANSWERS
from matinv.jobs.event import event_of
from matinv.jobs.lanes import Lane, grid, huge, large, standard
from matinv.jobs.limits import predict, predict_spread
from matinv.jobs.message import message_schema
from matinv.linalg.certificate import Certificate
from matinv.settings import API_URL, STACK, Settings
from matinv.testing.contracts import full_record
from support.pages import PAGES, ROOT

# Codes that no request to the API can meet: it never waits, and checks no residual.
ONLY_IN_CLIENTS = {"TIMED_OUT", "SUPERSEDED", "NOT_VERIFIED", "JOB_FAILED", "CLIENT"}
ONLY_IN_THE_CONSOLE = {"UNAUTHORIZED", "FORBIDDEN"}  # its page's own answers, by its guard


@cache
def page(folder: str) -> str:
    return (ROOT / folder / "README.md").read_text()


JOBS = page("functions/matinv/jobs")


def table_after(text: str, heading: str) -> dict[str, list[str]]:
    """Return the first table below a heading, by each name in the first cell of a row."""
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\|(.+)\|$", section, re.MULTILINE)
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)] for row in rows]
    return {name: row for row in cells for name in re.findall(r"`([^`]+)`", row[0])}


def test_the_readme_is_short_enough_to_be_read() -> None:
    assert (ROOT / "README.md").stat().st_size <= 8 * 1024


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_something(path: Path) -> None:
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text):
        place, _, anchor = link.partition("#")
        if "://" in place:
            continue
        target = path.parent / place if place else path
        assert target.exists(), f"{link} is not there"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{link}: no such heading"


@cache
def anchors(path: Path) -> set[str]:
    """Return the names that a page's headings and anchors have on GitHub."""
    text = path.read_text()
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    by_title = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    return by_title | set(re.findall(r'<a id="([^"]+)"', text))


def test_help_of_every_command_is_current() -> None:
    text = page("functions/matinv/cli")
    block = text.split("<!-- generated: cli -->\n")[1].split("<!-- end: cli -->")[0]
    assert block == markdown(), "run scripts/docs"


def test_error_table_has_every_code_with_its_kind() -> None:
    kinds = {code: row[1] for code, row in table_after(JOBS, "Errors").items()}
    assert kinds == {code: "transient" if code in TRANSIENT else "permanent" for code in Code}


def test_every_error_comes_with_something_to_do() -> None:
    assert [code for code, row in table_after(JOBS, "Errors").items() if not row[3]] == []


def test_message_table_has_every_field() -> None:
    assert table_after(JOBS, "Messages").keys() == message_schema()["fields"].keys()


def test_certificate_table_has_every_field() -> None:
    fields = {field.name for field in dataclasses.fields(Certificate)}
    assert table_after(JOBS, "The certificate").keys() | {"scaled"} == fields


def test_job_events_are_described_with_every_field() -> None:
    text = JOBS.split("\n## Job events\n")[1].strip().split("\n\n")[0]
    body = json.loads(event_of(full_record()).body)
    fields = {*body, *body["error"], *body["input"], "inline"}
    assert set(re.findall(r"`([^`]+)`", text)) == fields


def largest_order(lane: Lane, dtype: str) -> int:
    """Return the order of the largest matrix that a lane admits."""
    admitted, refused = 1, 1_000_000
    while refused - admitted > 1:
        n = (admitted + refused) // 2
        if lane.ranks:
            needed = predict_spread((n, n), np.dtype(dtype), lane.ranks)
        else:
            needed = predict((n, n), np.dtype(dtype))
        if lane.admits(needed.memory_bytes, needed.wall_s(lane.threads)):
            admitted = n
        else:
            refused = n
    return admitted


@pytest.mark.parametrize(
    "lane", [made("") for made in (standard, large, huge, grid)], ids=lambda lane: lane.name
)
def test_the_largest_matrices_are_those_that_a_lane_admits(lane: Lane) -> None:
    row = table_after(JOBS, "Limits")[lane.name]
    told = [int(cell.replace(",", "")) for cell in row[2:]]
    assert told == [largest_order(lane, dtype) for dtype in ("float64", "float32", "complex128")]
    rounded = table_after(page("."), "Limits")[lane.name][2]
    assert rounded == f"{told[0] // 1000 * 1000:,}"


def test_every_status_of_the_api_is_named_with_its_codes() -> None:
    text = page("functions/matinv/http_api").split("Errors are problem documents")[1]
    common = {HTTPStatus.BAD_REQUEST, HTTPStatus.SERVICE_UNAVAILABLE}  # in words
    named = {code: a.status for code, a in ANSWERS.items() if a.status not in common}
    for code in named.keys() - ONLY_IN_CLIENTS:
        found = re.search(rf"{int(named[code])}[^,0-9][^0-9]*`{code}`", text.split("\n\n")[0])
        assert found, code


def test_every_route_is_in_the_table() -> None:
    table = table_after(page("functions/matinv/http_api"), "Requests")
    routes = {
        f"{route.method} {route.path.replace('job_id', 'id')}"
        for route in ROUTES
        if route.path != "/"
    }
    assert table.keys() == routes


EVERY_SETTING = Settings(
    "i", "r", "t", Lane("first", "q", 7, 7, 7, Lane("large", "q", 7, 7, 7)), "d", "e"
).to_environment()


@pytest.mark.parametrize("name", [*EVERY_SETTING, STACK, API_URL])
def test_setting_is_documented(name: str) -> None:
    assert name in table_after(page("functions"), "Settings")


def test_pictures_are_small() -> None:
    pictures = [
        path.parent / picture
        for path in PAGES
        for picture in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", path.read_text())
    ]
    assert len(pictures) == 3
    assert all(picture.stat().st_size < 200_000 for picture in pictures)
