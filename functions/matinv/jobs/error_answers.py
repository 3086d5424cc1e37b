"""How each error is answered: one HTTP status and one exit code for a code, whoever answers.

The HTTP API, the console and the command read this table. Beside the codes of `matinv.errors` it
has those of `matinv.client.errors`, and those that only a request can have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from matinv.errors import Code, ErrorInfo

NOT_FOUND: Final = "NOT_FOUND"
NOT_FINISHED: Final = "NOT_FINISHED"
UNAUTHORIZED: Final = "UNAUTHORIZED"
FORBIDDEN: Final = "FORBIDDEN"
METHOD_NOT_ALLOWED: Final = "METHOD_NOT_ALLOWED"
NOT_ACCEPTABLE: Final = "NOT_ACCEPTABLE"
UNSUPPORTED_MEDIA_TYPE: Final = "UNSUPPORTED_MEDIA_TYPE"

NOT_FOUND_HINT: Final = "check the id and the stack; records are deleted after their retention time"


class Exit(IntEnum):
    """Exit codes of the command."""

    OK = 0
    ERROR = 1
    USAGE = 2
    FAILED = 3
    PARTIAL = 4
    TIMED_OUT = 5
    NOT_FOUND = 6
    REFUSED = 7


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """How an error is answered.

    Parameters
    ----------
    status : HTTPStatus
        Of a response.
    exit : Exit
        Of a command.
    """

    status: HTTPStatus
    exit: Exit


_REFUSED: Final = ErrorAnswer(HTTPStatus.BAD_REQUEST, Exit.REFUSED)
_CONFLICT: Final = ErrorAnswer(HTTPStatus.CONFLICT, Exit.REFUSED)
_TOO_LARGE: Final = ErrorAnswer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, Exit.REFUSED)
_NO_INVERSE: Final = ErrorAnswer(HTTPStatus.UNPROCESSABLE_ENTITY, Exit.REFUSED)
_PASSING: Final = ErrorAnswer(HTTPStatus.SERVICE_UNAVAILABLE, Exit.ERROR)

ANSWERS: Final[Mapping[str, ErrorAnswer]] = MappingProxyType(
    {
        Code.BAD_MESSAGE: _REFUSED,
        Code.UNSUPPORTED_VERSION: _REFUSED,
        Code.BAD_JOB_ID: _REFUSED,
        Code.JOB_ID_CONFLICT: _CONFLICT,
        Code.BAD_FORMAT: _REFUSED,
        Code.BAD_LENGTH: _REFUSED,
        Code.UNSUPPORTED_DTYPE: _REFUSED,
        Code.EMPTY: _REFUSED,
        Code.NOT_SQUARE: _REFUSED,
        Code.RAGGED: _REFUSED,
        Code.NON_FINITE: _REFUSED,
        Code.PRECISION: _REFUSED,
        Code.TOO_LARGE: _TOO_LARGE,
        Code.FORBIDDEN_REF: _REFUSED,
        Code.INPUT_GONE: _REFUSED,
        Code.SINGULAR: _NO_INVERSE,
        Code.ILL_CONDITIONED: _NO_INVERSE,
        Code.NOT_POSITIVE_DEFINITE: _NO_INVERSE,
        Code.OVERFLOW: _NO_INVERSE,
        Code.INACCURATE: _NO_INVERSE,
        Code.WORKER_CRASHED: _REFUSED,
        Code.OUT_OF_MEMORY: _REFUSED,
        Code.CANCELLED: _CONFLICT,
        Code.EXPIRED: _CONFLICT,
        Code.THROTTLED: _PASSING,
        Code.STORAGE: _PASSING,
        Code.DEADLINE: _PASSING,
        Code.RESIDUAL: _PASSING,
        Code.ACCESS_DENIED: _PASSING,
        Code.INTERNAL: _PASSING,
        "SETTINGS": _PASSING,  # until whoever deployed the service corrects them
        # Of the client.
        NOT_FOUND: ErrorAnswer(HTTPStatus.NOT_FOUND, Exit.NOT_FOUND),
        NOT_FINISHED: ErrorAnswer(HTTPStatus.CONFLICT, Exit.TIMED_OUT),
        "TIMED_OUT": ErrorAnswer(HTTPStatus.CONFLICT, Exit.TIMED_OUT),
        "SUPERSEDED": ErrorAnswer(HTTPStatus.CONFLICT, Exit.ERROR),
        "NOT_VERIFIED": ErrorAnswer(HTTPStatus.CONFLICT, Exit.ERROR),
        "JOB_FAILED": ErrorAnswer(HTTPStatus.CONFLICT, Exit.FAILED),  # but see `status_of_failed`
        "CLIENT": ErrorAnswer(HTTPStatus.CONFLICT, Exit.ERROR),
        # Of requests.
        "BAD_REQUEST": _REFUSED,
        UNAUTHORIZED: ErrorAnswer(HTTPStatus.UNAUTHORIZED, Exit.REFUSED),
        FORBIDDEN: ErrorAnswer(HTTPStatus.FORBIDDEN, Exit.REFUSED),
        METHOD_NOT_ALLOWED: ErrorAnswer(HTTPStatus.METHOD_NOT_ALLOWED, Exit.REFUSED),
        NOT_ACCEPTABLE: ErrorAnswer(HTTPStatus.NOT_ACCEPTABLE, Exit.REFUSED),
        UNSUPPORTED_MEDIA_TYPE: ErrorAnswer(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, Exit.REFUSED),
    }
)


def answer_of(code: str) -> ErrorAnswer:
    """Return how an error is answered, also one whose code a newer service has made up."""
    return ANSWERS.get(code, ANSWERS["CLIENT"])


def status_of_failed(info: ErrorInfo) -> HTTPStatus:
    """Return the status of a job's own error, for a caller who wants its result.

    It is the code's, but never 503: to ask again helps in no case.
    """
    return HTTPStatus.CONFLICT if info.retryable else ANSWERS[info.code].status
