"""Errors as RFC 9457 problem documents, each code with the one status that it has."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson

from matinv.client import JobFailed, NotFinished
from matinv.errors import TRANSIENT, ErrorInfo
from matinv.jobs.error_answers import ANSWERS, status_of_failed
from matinv.pipeline.outcome import as_matinv_error

RETRY_AFTER_S: Final = 5


class Problem(Exception):
    """A problem document: the answer to a request that cannot be served.

    Parameters
    ----------
    code, message, hint, observed, limit
        As `matinv.errors.ErrorInfo` has them.
    status : int, optional
        Of the response, if it is not the code's own.
    headers : mapping
        More headers of the response.
    """

    def __init__(  # noqa: PLR0913 - the fields of the document
        self,
        code: str,
        message: str,
        hint: str = "",
        *,
        observed: str | None = None,
        limit: str | None = None,
        retryable: bool | None = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = HTTPStatus(status or ANSWERS[code].status)
        self.code = code
        self.headers = dict(headers or {})
        facts = {"code": code, "hint": hint, "observed": observed, "limit": limit}
        self.document: dict[str, Any] = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": message,
            **{name: value for name, value in facts.items() if value},
            "retryable": code in TRANSIENT if retryable is None else retryable,
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
        case NotFinished(code=code, message=message):
            hint = "try again after Retry-After seconds"
            return Problem(code, message, hint, retryable=True, headers={"retry-after": "1"})
        case JobFailed(error=info):
            return _of_info(info, status_of_failed(info))
    info = as_matinv_error(error).info
    again = {"retry-after": str(RETRY_AFTER_S)} if info.retryable else {}
    return _of_info(info, ANSWERS[info.code].status, again)


def _of_info(
    info: ErrorInfo, status: HTTPStatus, headers: Mapping[str, str] | None = None
) -> Problem:
    fields = info.document()
    return Problem(
        fields.pop("code"), fields.pop("message"), status=status, headers=headers, **fields
    )
