"""The record of a job: where it is, what went in, what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf

from matinv.errors import ErrorInfo
from matinv.formats.codecs import Format
from matinv.linalg.certificate import Certificate


class Status(StrEnum):
    """The state of a job: QUEUED → RUNNING, RETRYING in between, then one that ends it."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    RETRYING = "RETRYING"
    SUCCEEDED = "SUCCEEDED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"

    @property
    def terminal(self) -> bool:
        """Whether the job has ended."""
        return self not in {Status.QUEUED, Status.RUNNING, Status.RETRYING}

    @property
    def succeeded(self) -> bool:
        """Whether the job has ended with a result, which is final."""
        return self in {Status.SUCCEEDED, Status.PARTIAL}

    @property
    def failed(self) -> bool:
        """Whether the job has ended without a result: that protects nothing."""
        return self.terminal and not self.succeeded


@dataclass(frozen=True, slots=True)
class InputInfo:
    """The input of a job, as its record shows it.

    Parameters
    ----------
    source : str
        ``s3://bucket/key``, or ``message`` for a matrix that travelled inside one.
    id : str
        The input's identity: ``version:…`` or ``etag:…`` of an object, ``sha256:…`` of an inline
        matrix. Two deliveries of one job are duplicates when this agrees.
    order : str or None
        As in `Reference`.
    size_bytes : int or None
        Its size as written.
    shape : tuple of int or None
        Its shape, once known.
    dtype : str or None
        Its dtype as written, once known (``float64``, ``>f8`` reads ``float64``).
    content : str or None
        The SHA-256 of an uploaded file, if its sender wrote that into the metadata: only senders
        compare it.
    """

    source: str
    id: str
    order: str | None = None
    size_bytes: int | None = None
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    content: str | None = None


@dataclass(frozen=True, slots=True)
class ResultInfo:
    """The place of a result, or the result itself if it is small.

    Parameters
    ----------
    format : Format
        How it is written.
    sha256 : str
        Hex digest of its bytes; see `part_bytes`.
    size_bytes : int
        Its length.
    uri, version_id : str or None
        The S3 object, unless it is inline.
    inline : bytes or None
        The result's bytes, unless it is in S3.
    part_bytes : int or None
        If many ranks wrote the result, `sha256` is that of the digests of parts of so many
        bytes (`matinv.jobs.result_hash`).
    """

    format: Format
    sha256: str
    size_bytes: int
    uri: str | None = None
    version_id: str | None = None
    inline: bytes | None = field(default=None, repr=False)
    part_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class JobCost:
    """The cost of a job, as `matinv.jobs.prices` computes it.

    Parameters
    ----------
    gb_s : float
        Its share of its workers' time and memory, in GiB-seconds, until its record was written.
    usd : float
        That, its share of calls and messages, its writes and reads of the table and of S3, in
        dollars; also those of whoever sends it and fetches its result once.
    """

    gb_s: float
    usd: float


@dataclass(frozen=True, slots=True)
class SliceFailure:
    """One slice of a stack that has no inverse."""

    index: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Slices:
    """The verdicts on a stack.

    Parameters
    ----------
    count, failed : int
        Slices in the stack, and how many of them have no inverse.
    failures : tuple of SliceFailure
        The first hundred of those; every failed slice of the result is NaN (``null`` in JSON).
    """

    count: int
    failed: int
    failures: tuple[SliceFailure, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a long job is.

    Parameters
    ----------
    percent : float
        Of the inversion's arithmetic, 0 to 100, as of the record's ``updated_at``.
    ends_at : str
        When that is done at this pace, in the form of a record's times.
    """

    percent: float
    ends_at: str


def result_facts(
    job_id: str,
    certificate: Certificate | None,
    slices: Slices | None,
    warnings: Sequence[str],
) -> dict[str, object]:
    """Return the members of a result document beside the inverse; nothing stands there empty."""
    known = None
    if certificate:
        known = {n: value for n, value in certificate.document().items() if value != inf}
    facts = {"certificate": known, "slices": slices, "warnings": warnings}
    return {"job_id": job_id} | {name: fact for name, fact in facts.items() if fact}


@dataclass(frozen=True, slots=True)
class Record:
    """The state of a job, as the jobs table keeps it.

    ``revision`` counts the writes: a write names the revision that it replaces, so that of two
    workers only one succeeds and the other decides again. ``question`` is the digest of what was
    asked (`matinv.jobs.ownership.digest_of`), ``options`` are those that shape its answer, both
    empty until they are read; ``message_id`` is the SQS message that was worked on last, which was
    sent at ``message_at_ms``. ``run`` is the run that the job belongs to, empty if to none.
    """

    job_id: str
    status: Status
    input: InputInfo
    created_at: str
    updated_at: str
    expires_at: int
    attempts: int = 0
    redrive: int = 0
    revision: int = 0
    question: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    message_id: str = ""
    message_at_ms: int = 0
    error: ErrorInfo | None = None
    result: ResultInfo | None = None
    certificate: Certificate | None = None
    slices: Slices | None = None
    progress: Progress | None = None
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    cost: JobCost | None = None
    warnings: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    run: str = ""
    engine: Mapping[str, str] = field(default_factory=dict)
