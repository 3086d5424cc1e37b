"""What the OpenAPI document says of the answers of a route."""

from __future__ import annotations

from http import HTTPStatus
from types import UnionType
from typing import Any, Final

from pydantic import BaseModel

from matinv.http_api.models import Problem
from matinv.http_api.problems import PROBLEM_TYPE

# What every route may answer: no such path or job, wrong method, too often, a part out of order.
_ALWAYS: Final = (429, 503)


def answers(good: dict[int, tuple[str, type[BaseModel] | UnionType]], *problems: int) -> Any:
    """Return the responses of a route: what it gives, and the statuses of its problems."""
    found: dict[int, Any] = {
        status: {"description": text, "content": {"application/json": {"model": model}}}
        for status, (text, model) in good.items()
    }
    for status in sorted({*problems, *_ALWAYS}):
        found[status] = {
            "description": HTTPStatus(status).phrase,
            "content": {PROBLEM_TYPE: {"model": Problem}},
        }
    return found
