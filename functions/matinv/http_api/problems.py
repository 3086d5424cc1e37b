"""Errors as RFC 9457 problem documents, each code with the one status that it has."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson

from matinv.client import ClientError, JobFailed, NotFinished, NotFound
from matinv.errors import TRANSIENT, Code, ErrorInfo
from matinv.jobs.record_document import error_of
from matinv.pipeline.outcome import as_matinv_error

RETRY_AFTER_S: Final = 5

# Of errors that will stay; any other of them is 400, and one that passes is 503.
STATUSES: Final[Mapping[str, HTTPStatus]] = {
    Code.JOB_ID_CONFLICT: HTTPStatus.CONFLICT,
    Code.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.SINGULAR: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.ILL_CONDITIONED: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.NOT_POSITIVE_DEFINITE: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.OVERFLOW: HTTPStatus.UNPROCESSABLE_ENTITY,
}

# Codes that only HTTP has, beside those of matinv.errors.
NOT_FOUND: Final = "NOT_FOUND"
METHOD_NOT_ALLOWED: Final = "METHOD_NOT_ALLOWED"
NOT_ACCEPTABLE: Final = "NOT_ACCEPTABLE"
NOT_FINISHED: Final = "NOT_FINISHED"
UNSUPPORTED_MEDIA_TYPE: Final = "UNSUPPORTED_MEDIA_TYPE"


class Problem(Exception):
    """What a request is answered with instead of what it asked for.

    Parameters
    ----------
    status : int
        Of the response.
    code, message, hint, observed, limit
        As `matinv.errors.ErrorInfo` has them.
    headers : mapping
        More headers of the response.
    """

    def __init__(  # noqa: PLR0913 - the fields of the document
        self,
        status: int,
        code: str,
        message: str,
        hint: str = "",
        *,
        observed: str | None = None,
        limit: str | None = None,
        retryable: bool | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = HTTPStatus(status)
        self.code = code
        self.headers = dict(headers or {})
        facts = {"code": code, "hint": hint, "observed": observed, "limit": limit}
        passing = code in TRANSIENT if retryable is None else retryable
        self.document: dict[str, Any] = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": int(status),
            "detail": message,
            **{name: value for name, value in facts.items() if value},
            "retryable": passing,
        }
        super().__init__(f"{code}: {message}")

    def body(self) -> str:
        """Return the document as JSON."""
        return orjson.dumps(self.document).decode()


def problem_of(error: BaseException) -> Problem:
    """Return the problem that an exception is; a stranger's text is not repeated."""
    match error:
        case Problem():
            return error
        case NotFound():
            return Problem(404, NOT_FOUND, error.message, "check the id")
        case NotFinished():
            return not_finished(error.message)
        case JobFailed():
            return _of_failed(error)
        case ClientError():
            return _of_info(ErrorInfo(Code.INTERNAL, error.message))
    return _of_info(as_matinv_error(error).info)


def not_finished(message: str) -> Problem:
    """Return the answer to who asks for a result too early."""
    return Problem(
        409,
        NOT_FINISHED,
        message,
        "look again after Retry-After seconds",
        retryable=True,
        headers={"retry-after": "1"},
    )


def status_of(info: ErrorInfo) -> HTTPStatus:
    """Return the status of an error."""
    if info.retryable:
        return HTTPStatus.SERVICE_UNAVAILABLE
    return STATUSES.get(info.code, HTTPStatus.BAD_REQUEST)


def _of_failed(error: JobFailed) -> Problem:
    """Return why there is no result. To ask again helps in no case, so that none is 503."""
    info = error.error
    status = HTTPStatus.CONFLICT if info.retryable else status_of(info)
    return _of_info(info, status)


def _of_info(info: ErrorInfo, status: HTTPStatus | None = None) -> Problem:
    fields = error_of(info)
    passing = status is None and info.retryable
    return Problem(
        status or status_of(info),
        fields.pop("code"),
        fields.pop("message"),
        headers={"retry-after": str(RETRY_AFTER_S)} if passing else None,
        **fields,
    )
