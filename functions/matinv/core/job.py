"""What a job is: its options, its input, its record, and which input owns a job id."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matinv.core.certificate import Certificate
from matinv.core.errors import ErrorInfo, MatinvError

Matrix = NDArray[np.floating[Any] | np.complexfloating[Any, Any]]
"""Shape (n, n) or (k, n, n); float32, float64, complex64 or complex128; native byte order."""

JOB_ID_RULE: Final = (
    "1 to 128 of A-Z a-z 0-9 . _ / -, the first a letter or digit, no '..', no '//', "
    "no '/' at the end"
)
_JOB_ID = re.compile(r"(?!.*(?:\.\.|//|/\Z))[A-Za-z0-9][A-Za-z0-9._/-]{0,127}", re.ASCII)


class Status(StrEnum):
    """Where a job is: QUEUED → RUNNING → SUCCEEDED | PARTIAL | FAILED, RETRYING in between."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    RETRYING = "RETRYING"
    SUCCEEDED = "SUCCEEDED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"

    @property
    def terminal(self) -> bool:
        """Whether the job has ended."""
        return self in _TERMINAL


_TERMINAL: Final = frozenset({Status.SUCCEEDED, Status.PARTIAL, Status.FAILED})


class Method(StrEnum):
    """How to invert: LU or Cholesky as it fits, LU, Cholesky only, or the pseudo-inverse."""

    AUTO = "auto"
    GENERAL = "general"
    SPD = "spd"
    PINV = "pinv"


class Output(StrEnum):
    """Where the result goes."""

    AUTO = "auto"
    S3 = "s3"
    DYNAMODB = "dynamodb"


class Format(StrEnum):
    """How a matrix is written."""

    NPY = "npy"
    JSON = "json"


class OnIllConditioned(StrEnum):
    """What to do when half of the digits are gone (kappa_1 > 1/sqrt(eps))."""

    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Options:
    """What a submitter may choose; ``format=None`` means the input's own."""

    method: Method = Method.AUTO
    output: Output = Output.AUTO
    format: Format | None = None
    on_ill_conditioned: OnIllConditioned = OnIllConditioned.WARN
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Inline:
    """A matrix that travelled inside its message.

    Parameters
    ----------
    array : ndarray, shape (n, n) or (k, n, n)
        The matrix, or the stack.
    format : Format
        How it was written in the message.
    size_bytes : int
        Bytes that it took there.
    """

    array: Matrix = field(repr=False)  # no value gets into a log by way of a text of its owner
    format: Format
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Reference:
    """An object in S3 that holds a matrix.

    Parameters
    ----------
    bucket, key : str
        Where it is; `key` is decoded.
    version_id, etag : str or None
        Which content, as far as the sender knows; `etag` is without quotes.
    order : str or None
        For notifications: S3's sequencer (or the event's time), which orders uploads of one key.
        None for a reference in a message, unless a redrive knows it from a notification.
    """

    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None
    order: str | None = None

    @property
    def uri(self) -> str:
        """The object's address, without its version."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Request:
    """One job that somebody asked for: what to invert, how, and under which id.

    Of a file that was dropped the options are in its metadata, to be read with it.
    """

    job_id: str
    input: Inline | Reference
    options: Options = Options()
    redrive: int = 0
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """One job inside one received message; a notification with several records is several.

    Parameters
    ----------
    message_id, receipt : str
        SQS's handles of the message. Only `message_id` is ever reported as failed.
    body : str
        What a copy of this delivery contains: the message's body, or for one of several records
        of a notification, a notification of that record alone.
    receive_count : int
        How many times SQS has delivered the message, this time included.
    sent_at_ms : int
        When the message was sent, milliseconds since the epoch.
    job_id : str
        The job's id, or, where the message does not say one that is valid, ``sha256-…`` of it.
    content : Request or MatinvError
        The job, or why the body is not one.
    """

    message_id: str
    receipt: str
    body: str = field(repr=False)
    receive_count: int
    sent_at_ms: int
    job_id: str
    content: Request | MatinvError


@dataclass(frozen=True, slots=True)
class InputInfo:
    """What a record says of its input.

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
    """

    source: str
    id: str
    order: str | None = None
    size_bytes: int | None = None
    shape: tuple[int, ...] | None = None
    dtype: str | None = None


@dataclass(frozen=True, slots=True)
class ResultInfo:
    """Where a result is, or the result itself when it is small.

    Parameters
    ----------
    format : Format
        How it is written.
    sha256 : str
        Hex digest of its bytes.
    size_bytes : int
        Its length.
    uri, version_id : str or None
        The S3 object, unless it is inline.
    inline : bytes or None
        The result's bytes, unless it is in S3.
    """

    format: Format
    sha256: str
    size_bytes: int
    uri: str | None = None
    version_id: str | None = None
    inline: bytes | None = field(default=None, repr=False)


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
class Record:
    """The state of a job, as the jobs table keeps it.

    ``revision`` counts the writes: a write names the revision that it replaces, so that of two
    workers only one succeeds and the other decides again.
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
    error: ErrorInfo | None = None
    result: ResultInfo | None = None
    certificate: Certificate | None = None
    slices: Slices | None = None
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    engine: Mapping[str, str] = field(default_factory=dict)


MESSAGE_SOURCE: Final = "message"


def input_info(request: Request) -> InputInfo:
    """Return what is known of a request's input before anything is read.

    The identity of a reference that names neither a version nor an ETag is ``""``: it is known
    once the object is open (`opened`).
    """
    match request.input:
        case Inline(array, _, size_bytes):
            digest = f"sha256:{matrix_digest(array)}"
            name = _name_of(array.dtype)
            return InputInfo(MESSAGE_SOURCE, digest, None, size_bytes, array.shape, name)
        case Reference(version_id=version_id, etag=etag, order=order) as reference:
            return InputInfo(reference.uri, _object_id(version_id, etag), order)


@cache
def _name_of(dtype: np.dtype[Any]) -> str:
    """Return a dtype's name, which numpy puts together anew each time, for 2 us."""
    return dtype.name


def opened(info: InputInfo, version_id: str | None, etag: str, size_bytes: int) -> InputInfo:
    """Complete `info` with what S3 said of the object; an identity once known stays."""
    return replace(info, id=info.id or _object_id(version_id, etag), size_bytes=size_bytes)


def _object_id(version_id: str | None, etag: str | None) -> str:
    if version_id and version_id != "null":  # S3's name for what an unversioned bucket holds
        return f"version:{version_id}"
    return f"etag:{etag}" if etag else ""


class Claim(StrEnum):
    """What a delivery may do with the record that it finds under its job id."""

    WORK = "work"  # the job is ours to do
    DUPLICATE = "duplicate"  # it has ended for this very input
    STALE = "stale"  # a newer upload of the same key owns the job id
    CONFLICT = "conflict"  # another input owns the job id
    UNDECIDED = "undecided"  # only the object itself can tell: open it, but write nothing yet


def claim(record: Record | None, input_: InputInfo, redrive: int) -> Claim:
    """Decide who owns a job id: the one rule behind dedupe and every conditional write.

    Parameters
    ----------
    record : Record or None
        What the table says now.
    input_ : InputInfo
        The delivery's input.
    redrive : int
        The delivery's ``redrive`` count, 0 unless an operator sent it.

    Returns
    -------
    Claim
        WORK if the delivery may work and write.
    """
    if record is None:
        return Claim.WORK
    redriven = record.status is Status.FAILED and redrive > record.redrive
    if redriven and not _is_other_upload(record.input, input_):
        return Claim.WORK
    same_source = record.input.source == input_.source
    if record.input.id == input_.id and (input_.id or same_source):
        return Claim.WORK if _reopens(record) else Claim.DUPLICATE
    if not input_.id:
        return Claim.WORK if same_source and not record.status.terminal else Claim.UNDECIDED
    if same_source and not record.input.id:  # the object was never opened
        return Claim.WORK
    if input_.order is None or record.input.order is None or not same_source:
        return Claim.CONFLICT
    return Claim.WORK if input_.order >= record.input.order else Claim.STALE


def _is_other_upload(found: InputInfo, input_: InputInfo) -> bool:
    """Whether both are known to be of one key, and their order decides, whoever sends them."""
    known = found.id and input_.id and found.order is not None
    return bool(known) and found.source == input_.source and found.id != input_.id


def _reopens(record: Record) -> bool:
    if record.status is Status.FAILED:
        return record.error is not None and record.error.retryable
    return not record.status.terminal


def valid_job_id(text: str) -> bool:
    """Whether `text` may be a job id (`JOB_ID_RULE`)."""
    return _JOB_ID.fullmatch(text) is not None


def job_id_of_key(key: str) -> str:
    """Return the job id of an object dropped at `key`: the key without its extension.

    A key that makes no valid id (blanks, letters outside ASCII, …) is accepted all the same: its
    job id is ``sha256-`` and the first 32 hex digits of the hash of the key without extension.
    """
    name = key.rpartition("/")[2]
    text = key.removesuffix(name) + (name.rpartition(".")[0] or name)
    return text if valid_job_id(text) else hashed_id(text.encode())


def hashed_id(content: bytes) -> str:
    """Return ``sha256-`` and the first 32 hex digits of the hash of `content`."""
    return "sha256-" + hashlib.sha256(content).hexdigest()[:32]


def matrix_digest(array: Matrix) -> str:
    """Return the SHA-256 of a matrix: its dtype, shape and C-ordered little-endian bytes.

    Examples
    --------
    >>> matrix_digest(np.eye(2)) == matrix_digest(np.asfortranarray(np.eye(2)))
    True
    """
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    digest = hashlib.sha256(f"{little.dtype.str}{little.shape}".encode())
    digest.update(little.data)
    return digest.hexdigest()
