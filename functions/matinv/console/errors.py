"""Errors of the console as JSON: the code, the finding and the advice."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from matinv.client import JobFailed
from matinv.errors import Code, MatinvError
from matinv.jobs.error_answers import NOT_FOUND, answer_of, status_of_failed

Answer = dict[str, Any]


class Bad(MatinvError):
    """A request that the console itself refuses."""

    codes = frozenset({"BAD_REQUEST", NOT_FOUND, Code.TOO_LARGE})


def refused(_request: Request, error: Exception) -> Response:
    """Answer an error of the console, of the client or of the service."""
    match error:
        case JobFailed(error=info):
            return JSONResponse({"error": info.document()}, status_of_failed(info))
        case MatinvError(info=info):
            return JSONResponse({"error": info.document()}, answer_of(info.code).status)
    raise error
