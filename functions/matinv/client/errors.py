"""Errors of the client.

::

    ClientError             a `matinv.errors.MatinvError`, like `Refused` and `Transient`
    ├── NotFound            nothing is known of the job id: no record, no uploaded file
    ├── NotFinished         the job has not ended yet
    ├── TimedOut            it did not end within the time that was allowed
    ├── Superseded          another input owns the job id by now
    ├── NotVerified         the result is not what record and input say, or cannot be checked
    └── JobFailed           the job ended as FAILED; `error` says why
    JobPartial              a warning: some slices of a stack have no inverse and are NaN

What the service itself would refuse (a matrix that is not square, a job id that another input
owns, …) raises the service's own `matinv.errors.Refused`, and what its parts answer while
they are out of order `matinv.errors.Transient`.
"""

from __future__ import annotations

from collections.abc import Mapping

from matinv.errors import Code, ErrorInfo, MatinvError
from matinv.jobs.error_answers import NOT_FINISHED, NOT_FOUND, NOT_FOUND_HINT
from matinv.jobs.record import Record


class ClientError(MatinvError):
    """Base of the client's errors.

    Parameters
    ----------
    message : str
        The fault that was found.
    hint : str
        The remedy.
    observed, limit : object, optional
        The value found and the value allowed; kept as text.
    """

    codes = frozenset({"CLIENT"})

    def __init__(
        self, message: str, hint: str = "", *, observed: object = None, limit: object = None
    ) -> None:
        (code,) = self.codes
        super().__init__(code, message, hint, observed=observed, limit=limit)

    @property
    def message(self) -> str:
        """The value that was found."""
        return self.info.message

    @property
    def hint(self) -> str:
        """The advice."""
        return self.info.hint


class NotFound(ClientError):
    """No record and no uploaded file has this job id.

    Parameters
    ----------
    job_ids : tuple of str
        The ids that nothing is known of.
    records : mapping
        The records of the other jobs that were asked for.
    """

    codes = frozenset({NOT_FOUND})

    def __init__(
        self, job_ids: tuple[str, ...], records: Mapping[str, Record] | None = None
    ) -> None:
        self.job_ids = job_ids
        self.records = dict(records or {})
        super().__init__(
            f"no such job: {some(job_ids)}",
            NOT_FOUND_HINT,
        )


class NotFinished(ClientError):
    """The job has no result yet."""

    codes = frozenset({NOT_FINISHED})

    def __init__(self, job_id: str, status: str) -> None:
        super().__init__(f"job {job_id} is {status}", f"wait for it: matinv wait {job_id}")


class TimedOut(ClientError):
    """Jobs did not end in time; they go on.

    Parameters
    ----------
    job_ids : tuple of str
        The jobs that have not ended.
    records : mapping
        The last known record of every job that was waited for.
    timeout_s : float
        The time that was allowed, seconds.
    """

    codes = frozenset({"TIMED_OUT"})

    def __init__(
        self, job_ids: tuple[str, ...], records: Mapping[str, Record], timeout_s: float
    ) -> None:
        self.job_ids = job_ids
        self.records = dict(records)
        super().__init__(
            f"not finished after {timeout_s:g} s: {some(job_ids)}",
            "the jobs go on: wait again, with a longer timeout",
        )


class Superseded(ClientError):
    """The job id belongs to another input than the one that this job sent."""

    codes = frozenset({"SUPERSEDED"})

    def __init__(self, job_id: str) -> None:
        super().__init__(
            f"job {job_id} is now about another input than the one that was sent",
            f"read what it is about: matinv status {job_id}; choose another job id for this input",
        )


class NotVerified(ClientError):
    """A result failed verification, or there was nothing to verify it against."""

    codes = frozenset({"NOT_VERIFIED"})


class JobFailed(ClientError):
    """The job ended without a result: FAILED, CANCELLED or EXPIRED.

    Parameters
    ----------
    record : Record
        The job's record.
    error : ErrorInfo, optional
        Why it failed, if it is not the whole job that did but one matrix of a stack.

    Attributes
    ----------
    error : ErrorInfo
        Why it failed.
    """

    codes = frozenset({"JOB_FAILED"})

    def __init__(self, record: Record, error: ErrorInfo | None = None) -> None:
        self.record = record
        self.job_id = record.job_id
        unknown = ErrorInfo(Code.INTERNAL, "the record does not say why")
        self.error = error or record.error or unknown
        super().__init__(
            f"{record.job_id}: {self.error.code}: {self.error.message}", self.error.hint
        )


class JobPartial(UserWarning):
    """Some slices of a stack have no inverse; they are NaN in the result."""


def some(job_ids: tuple[str, ...], shown: int = 3) -> str:
    """Name a few of many jobs.

    Examples
    --------
    >>> some(("a", "b", "c", "d", "e"))
    'a, b, c and 2 more'
    """
    text = ", ".join(job_ids[:shown])
    return text if len(job_ids) <= shown else f"{text} and {len(job_ids) - shown} more"
