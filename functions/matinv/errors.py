"""Every way a job can fail, one code each, permanent or transient, never both.

::

    MatinvError             has a code, a message, a hint; observed and allowed where they exist
    ├── Refused             permanent: the same input would fail again
    ├── Transient           not the input's fault: try again later
    │   └── Misconfigured   our own table, queue or bucket is denied or missing: no job can go on
    ├── SettingsError       the environment lacks names (`matinv.settings`)
    └── ClientError         only in a client (`matinv.client.errors`): no such job, not in time, …

Messages say what was found; ``limit`` says what is allowed, ``hint`` what to do. None of them ever
contains a matrix value.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final


class Code(StrEnum):
    """The codes that users, records and dead letters carry."""

    BAD_MESSAGE = "BAD_MESSAGE"
    UNSUPPORTED_VERSION = "UNSUPPORTED_VERSION"
    BAD_JOB_ID = "BAD_JOB_ID"
    JOB_ID_CONFLICT = "JOB_ID_CONFLICT"
    BAD_FORMAT = "BAD_FORMAT"
    BAD_LENGTH = "BAD_LENGTH"
    UNSUPPORTED_DTYPE = "UNSUPPORTED_DTYPE"
    EMPTY = "EMPTY"
    NOT_SQUARE = "NOT_SQUARE"
    RAGGED = "RAGGED"
    NON_FINITE = "NON_FINITE"
    PRECISION = "PRECISION"
    TOO_LARGE = "TOO_LARGE"
    FORBIDDEN_REF = "FORBIDDEN_REF"
    INPUT_GONE = "INPUT_GONE"
    SINGULAR = "SINGULAR"
    ILL_CONDITIONED = "ILL_CONDITIONED"
    NOT_POSITIVE_DEFINITE = "NOT_POSITIVE_DEFINITE"
    OVERFLOW = "OVERFLOW"
    INACCURATE = "INACCURATE"
    WORKER_CRASHED = "WORKER_CRASHED"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"

    THROTTLED = "THROTTLED"
    STORAGE = "STORAGE"
    DEADLINE = "DEADLINE"
    RESIDUAL = "RESIDUAL"
    ACCESS_DENIED = "ACCESS_DENIED"
    INTERNAL = "INTERNAL"


TRANSIENT: Final = frozenset(
    {
        Code.THROTTLED,
        Code.STORAGE,
        Code.DEADLINE,
        Code.RESIDUAL,
        Code.ACCESS_DENIED,
        Code.INTERNAL,
    }
)
PERMANENT: Final = frozenset(Code) - TRANSIENT

# Causes that an operator cannot fix: counted as user errors, apart from failures of the service.
USER_ERRORS: Final = PERMANENT - {Code.WORKER_CRASHED, Code.OUT_OF_MEMORY}

_TEXT_LIMIT: Final = 300  # characters of foreign text that an error repeats


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """An error as data: what a record, a dead letter or an answer says.

    Parameters
    ----------
    code : str
        A `Code`, or a code of a client's own.
    message : str
        The fault that was found.
    hint : str
        The remedy.
    observed, limit : str or None
        The value that was found and what is allowed, where the error has them.
    """

    code: str
    message: str
    hint: str = ""
    observed: str | None = None
    limit: str | None = None

    @property
    def retryable(self) -> bool:
        """Whether the same input may succeed later."""
        return self.code in TRANSIENT

    def document(self) -> dict[str, Any]:
        """Return the error as records, answers and events write it; empty fields are left out."""
        return {k: v for k, v in asdict(self).items() if v} | {"retryable": self.retryable}

    def __str__(self) -> str:
        """Return one line: the code, what was found, what is allowed, what to do.

        Examples
        --------
        >>> str(ErrorInfo(Code.EMPTY, "no rows", "send a matrix", "(0, 0)", "n > 0"))
        'EMPTY: no rows (found: (0, 0); allowed: n > 0); send a matrix'
        """
        found = [f"found: {self.observed}"] if self.observed else []
        allowed = [f"allowed: {self.limit}"] if self.limit else []
        numbers = f" ({'; '.join(found + allowed)})" if found or allowed else ""
        return f"{self.code}: {self.message}{numbers}" + (f"; {self.hint}" if self.hint else "")


class MatinvError(Exception):
    """Base of every error that matinv reports; its text says what was found, allowed, and to do.

    Parameters
    ----------
    code : str
        One of the codes of the subclass.
    message : str
        The fault that was found, without matrix values.
    hint : str, optional
        The remedy.
    observed, limit : object, optional
        The value found and the value allowed; kept as text.
    """

    codes: frozenset[str] = frozenset(Code)
    message_limit: int = 2 * _TEXT_LIMIT

    def __init__(
        self,
        code: str,
        message: str,
        hint: str = "",
        *,
        observed: object = None,
        limit: object = None,
    ) -> None:
        if code not in self.codes:
            msg = f"{code} is not one of the codes of {type(self).__name__}"
            raise ValueError(msg)
        self.info = ErrorInfo(
            code,
            printable(message, self.message_limit),
            hint,
            None if observed is None else printable(str(observed)),
            None if limit is None else str(limit),
        )
        super().__init__(str(self.info))

    @property
    def code(self) -> str:
        """The error's code."""
        return self.info.code


class Refused(MatinvError):
    """A permanent error: the same input would fail again."""

    codes = PERMANENT


class Transient(MatinvError):
    """A passing fault: the job is delivered again later."""

    codes = TRANSIENT


class Misconfigured(Transient):
    """Our own table, queue or bucket is denied or missing: no job can go on until it is fixed."""

    codes = frozenset({Code.ACCESS_DENIED})


def printable(text: str, limit: int = _TEXT_LIMIT) -> str:
    r"""Return foreign `text` fit for one log line: control characters escaped, length bounded.

    Examples
    --------
    >>> printable("a\nb")
    'a\\nb'
    """
    clipped = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode("ascii")
        for c in clipped
    )
