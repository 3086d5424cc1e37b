"""Answers: every error of the console as JSON with a code, what was found and what to do."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from matinv.client import ClientError, JobFailed, NotFinished, NotFound, NotVerified
from matinv.errors import Code, ErrorInfo, MatinvError, Transient

Answer = dict[str, Any]

_STATUSES: Final = {NotFound: 404, NotFinished: 409, JobFailed: 409, NotVerified: 404}
_CONFLICTS: Final = frozenset({Code.JOB_ID_CONFLICT})


class Bad(Exception):
    """A request that the console itself refuses.

    Parameters
    ----------
    code, message, hint : str
        What was found, and what to do.
    status : int
        Of the answer.
    """

    def __init__(self, code: str, message: str, hint: str = "", status: int = 400) -> None:
        self.code, self.message, self.hint, self.status = code, message, hint, status
        super().__init__(f"{code}: {message}")


def error_fields(info: ErrorInfo) -> Answer:
    """Return an error as the page shows it."""
    return {
        "code": str(info.code),
        "message": info.message,
        "hint": info.hint,
        "observed": info.observed,
        "limit": info.limit,
    }


def refused(_request: Request, error: Exception) -> Response:
    """Answer an error of the console, of the client or of the service."""
    match error:
        case JobFailed(error=info):
            return _answer(error_fields(info), 409)
        case ClientError(info=info):
            return _answer(error_fields(info), _STATUSES.get(type(error), 400))
        case MatinvError(info=info):
            return _answer(error_fields(info), _status_of(error))
        case Bad(code=code, message=message, hint=hint, status=status):
            return _answer({"code": code, "message": message, "hint": hint}, status)
    raise error


def _status_of(error: MatinvError) -> int:
    if isinstance(error, Transient):
        return 503
    return 409 if error.code in _CONFLICTS else 422


def _answer(fields: Answer, status: int) -> Response:
    return JSONResponse({"error": fields}, status)
