"""`Job`: one job, by its id."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from numpy.typing import ArrayLike

from matinv.client.errors import JobFailed, NotFinished, NotFound, Superseded
from matinv.client.results import inverse_of, result_url, warn_of_failed_slices
from matinv.jobs.record import InputInfo, Record, Status
from matinv.linalg.certificate import Certificate
from matinv.linalg.types import Matrix
from matinv.ports import ClientStore


class JobReader(Protocol):
    """The part of a client that a job needs."""

    store: ClientStore

    def records(self, jobs: Iterable[Job | str]) -> dict[str, Record]:
        """See `Client.records`."""
        ...

    def wait(
        self, jobs: Iterable[Job | str], *, timeout_s: float | None = None
    ) -> dict[str, Record]:
        """See `Client.wait`."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """One job, by its id.

    Parameters
    ----------
    client : Client
        The client of its stack.
    job_id : str
        Its id.
    input : InputInfo or None
        The input, if this process sent it.
    matrix : ndarray or None
        The matrix itself, if this process sent it inside a message: nothing else keeps it.
    had_ended : bool
        Whether `Client.submit` found that the job had ended before, for this very input. It says
        nothing of now: see `status`.
    asked : str
        The name by which somebody asked for it, if nobody sent it from here.
    revision : int
        As in `matinv.client.send.Sent`.
    known : Record or None
        Its record as it ended, if `Client.as_completed` has read it: it is not read again.
    """

    client: JobReader = field(repr=False)
    job_id: str
    input: InputInfo | None = field(default=None, repr=False)
    matrix: Matrix | None = field(default=None, repr=False)
    had_ended: bool = field(default=False, repr=False)
    asked: str = field(default="", repr=False)
    revision: int = field(default=0, repr=False)
    known: Record | None = field(default=None, repr=False)

    def record(self) -> Record:
        """Return the job's record as it is now, or as it ended if that is known.

        Raises
        ------
        NotFound
            If nothing is known of the job.
        """
        if self.known is not None:
            return self.known
        found = self.client.records([self])
        if self.job_id not in found:
            raise NotFound((self.job_id,))
        return found[self.job_id]

    def certificate(self) -> Certificate:
        """Return how good the inverse is, `log_abs_det` and `sign` included.

        Of a stack it has the worst figures; those of each slice are in a result in ``npz`` format.
        Raises as `result`.
        """
        certificate = self.ended_record().certificate
        if certificate is None:
            raise NotFinished(self.job_id, self.status())
        return certificate

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
        inverse = inverse_of(self.client.store, record, self.matrix, verified=verify)
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

    def ended_record(self) -> Record:
        """Return the record of a job that has a result; raises as `result`."""
        record = self.record()
        if not record.status.terminal:
            raise NotFinished(self.job_id, record.status)
        if self.input and self.input.id != record.input.id:
            raise Superseded(self.job_id)
        if record.status.failed:
            raise JobFailed(record)
        return record
