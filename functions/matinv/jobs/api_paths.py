"""Paths and cursors of the HTTP API, which server and client must agree on."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

import orjson

JOBS: Final = "/jobs/"
ACTIONS: Final = ("/result", "/redrive", "/cancel")
RUNS: Final = "/runs/"
UPLOADS: Final = "/uploads/"
RUN_ACTIONS: Final = ("/jobs", "/results")


def path_of(job_id: str) -> str:
    """Return the path of a job.

    Slashes stay as they are, unless the id would then read as another, or as a step of the path.
    A key may stand in an id's place.

    Examples
    --------
    >>> path_of("exp/1"), path_of("exp/result"), path_of("a/./b")
    ('/jobs/exp/1', '/jobs/exp%2Fresult', '/jobs/a%2F.%2Fb')
    """
    return JOBS + _quoted(job_id, ACTIONS)


def run_path_of(run: str) -> str:
    """Return the path of a run, whose name is written as a job's id is.

    Examples
    --------
    >>> run_path_of("fem/7"), run_path_of("fem/jobs")
    ('/runs/fem/7', '/runs/fem%2Fjobs')
    """
    return RUNS + _quoted(run, RUN_ACTIONS)


def cursor_of(place: Sequence[str]) -> str:
    """Return the cursor of the page behind a place in a list."""
    return base64.urlsafe_b64encode(orjson.dumps(place)).decode().rstrip("=")


def _quoted(name: str, actions: tuple[str, ...]) -> str:
    steps = {"", ".", ".."} & {*name.split("/")}
    plain = not name.endswith(actions) and not steps
    return quote(name, safe="/" if plain else "")
