"""`Job`: one job, as the handle that `Client` gives of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from matinv.client.errors import JobFailed, NotFinished, NotFound, Superseded
from matinv.client.prepare import matrix_of
from matinv.client.results import (
    decoded,
    fetch,
    fetch_bytes,
    result_url,
    warn_of_failed_slices,
)
from matinv.client.results import verify as check
from matinv.core.job import InputInfo, Matrix, Record, Status

if TYPE_CHECKING:
    from matinv.client.connection import Client


@dataclass(frozen=True, slots=True)
class Job:
    """One job, by its id.

    Parameters
    ----------
    client : Client
        Where it is.
    job_id : str
        Its id.
    input : InputInfo or None
        What was sent, if this process sent it.
    matrix : ndarray or None
        The matrix itself, if this process sent it inside a message: nothing else keeps it.
    ended : bool
        Whether `Client.submit` found that the job had ended before, for this very input.
    """

    client: Client = field(repr=False)
    job_id: str
    input: InputInfo | None = field(default=None, repr=False)
    matrix: Matrix | None = field(default=None, repr=False)
    ended: bool = False

    def record(self) -> Record:
        """Return the job's record as it is now.

        Raises
        ------
        NotFound
            If nothing is known of the job.
        """
        found = self.client.records([self])
        if self.job_id not in found:
            raise NotFound((self.job_id,))
        return found[self.job_id]

    def status(self) -> Status:
        """Return where the job is; raises as `record`."""
        return self.record().status

    def wait(self, timeout_s: float | None = None) -> Record:
        """Wait until the job has ended, well or not, and return its record.

        Raises
        ------
        TimedOut, NotFound
            See `Client.wait`.
        """
        return self.client.wait([self], timeout_s=timeout_s)[self.job_id]

    def result(self, *, verify: bool | ArrayLike = False) -> Matrix:
        """Return the inverse.

        Parameters
        ----------
        verify : bool or array_like
            Whether to check, here, the result's hash against the record and its residual against
            the input. The input of a job that came inside a message is kept by nobody but the
            `Job` that sent it; elsewhere pass the matrix itself.

        Returns
        -------
        ndarray
            Of the input's shape and precision. Slices of a stack that have no inverse are NaN;
            then the warning `JobPartial` is given, which
            ``warnings.simplefilter("error", JobPartial)`` turns into an exception.

        Raises
        ------
        JobFailed
            If the job failed.
        NotFinished, NotFound
            If there is no result yet, or no such job.
        Superseded
            If the job id belongs to another input by now.
        NotVerified
            If the result does not pass, or there is nothing to check it against.
        """
        record = self.ended_record()
        if verify is False:
            inverse = fetch(self.client.store, record)
        else:
            content = fetch_bytes(self.client.store, record)
            check(self.client.store, record, content, self._matrix_of(verify))
            inverse = decoded(content, record)
        warn_of_failed_slices(record)
        return inverse

    def result_url(self, expires_s: int = 3600) -> str:
        """Return a presigned URL of the result's object.

        Raises
        ------
        ClientError
            If the result is small and therefore in the record; else as `result`.
        """
        return result_url(self.client.store, self.ended_record(), expires_s)

    def _matrix_of(self, verify: ArrayLike) -> Matrix | None:
        if verify is True:
            return self.matrix
        return matrix_of(verify)

    def ended_record(self) -> Record:
        """Return the record of a job that has a result; raises as `result`."""
        record = self.record()
        if not record.status.terminal:
            raise NotFinished(self.job_id, record.status)
        if self.input and self.input.id != record.input.id:
            raise Superseded(self.job_id)
        if record.status is Status.FAILED:
            raise JobFailed(record)
        return record
