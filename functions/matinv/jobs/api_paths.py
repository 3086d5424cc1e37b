"""Paths of the HTTP API, which server and client must agree on."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

JOBS: Final = "/jobs/"
ACTIONS: Final = ("/result", "/redrive")


def path_of(job_id: str) -> str:
    """Return the path of a job.

    Slashes stay as they are, unless the id would then read as another, or as a step of the path.
    A key may stand in an id's place.

    Examples
    --------
    >>> path_of("exp/1"), path_of("exp/result"), path_of("a/./b")
    ('/jobs/exp/1', '/jobs/exp%2Fresult', '/jobs/a%2F.%2Fb')
    """
    steps = {"", ".", ".."} & {*job_id.split("/")}
    plain = not job_id.endswith(ACTIONS) and not steps
    return JOBS + quote(job_id, safe="/" if plain else "")
