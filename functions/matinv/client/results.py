"""Results: fetch them, and check them here against their hash and their input."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import ArrayLike

from matinv.client.errors import ClientError, JobPartial, NotVerified
from matinv.client.preparation import matrix_of
from matinv.client.residual import TOLERANCE, provable, residual, right_digits
from matinv.errors import Code, Refused
from matinv.formats.codecs import CODECS, Format, format_of_key, open_file
from matinv.formats.npy_header import Reader
from matinv.formats.opened import OpenedFile
from matinv.formats.result import Result
from matinv.jobs.ids import matrix_digest
from matinv.jobs.message import parse_file
from matinv.jobs.record import Record, ResultInfo, result_facts
from matinv.jobs.request import MESSAGE_SOURCE, Request, reference_of
from matinv.jobs.result_hash import hash_of
from matinv.linalg.certificate import Side
from matinv.linalg.gates import RESIDUAL_LIMIT
from matinv.linalg.types import Matrix
from matinv.ports import Blob, BytesBlob, ClientStore, InputStore


@dataclass(frozen=True, slots=True)
class Verification:
    """The finding of a check of a result.

    Parameters
    ----------
    sha256 : str
        The hash of the result's bytes, which is that of the record.
    residual : float
        The largest scaled residual of the slices, computed here, in full.
    limit : float
        The largest residual that is accepted.
    digits : float or None
        Digits that are shown to be right, computed here; None for pseudo-inverses.
    """

    sha256: str
    residual: float
    limit: float
    digits: float | None = None


def fetch(store: ClientStore, record: Record) -> Matrix:
    """Return the inverse of a job that has one.

    Raises
    ------
    Refused, Transient
        If the store fails, or the bytes are wrong.
    """
    result = result_of(record)
    with opened(store, result) as blob:
        return _read(blob, blob.size_bytes, record)


def inverse_of(
    store: ClientStore, record: Record, matrix: Matrix | None, *, verified: bool | ArrayLike
) -> Matrix:
    """Return the inverse of a job that has one, checked if that is asked for (`Job.result`).

    Parameters
    ----------
    store : ClientStore
        The store that holds it.
    record : Record
        The job's.
    matrix : ndarray or None
        Its input, if it is here.
    verified : bool or array_like
        Whether to check it, or the input to check it against.
    """
    if verified is False:
        return fetch(store, record)
    content = fetch_bytes(store, record)
    verify(store, record, content, matrix if verified is True else matrix_of(verified))
    return decoded(content, record)


def decoded(content: bytes, record: Record) -> Matrix:
    """Return the inverse in the bytes of a result; failed slices are NaN."""
    return _read(BytesIO(content), len(content), record)


def _read(reader: Reader, size_bytes: int, record: Record) -> Matrix:
    inverse = CODECS[result_of(record).format].output.read(reader, size_bytes)
    given = np.dtype(record.input.dtype or "float64")
    return inverse.astype(np.float64 if given.kind in "iu" else given, copy=False)


def fetch_bytes(store: ClientStore, record: Record) -> bytes:
    """Return a result as it is stored."""
    with opened(store, result_of(record)) as blob:
        return blob.read(blob.size_bytes)


def converted(content: bytes, record: Record, form: Format) -> bytes:
    """Return a stored result in another format; untouched if it has that format already."""
    if form is result_of(record).format:
        return content
    inverse = decoded(content, record)
    nan = np.isnan(inverse.reshape(-1, *inverse.shape[-2:])).any(axis=(1, 2))
    failed = [int(index) for index in np.flatnonzero(nan)]
    facts = result_facts(record.job_id, record.certificate, record.slices, record.warnings)
    return b"".join(CODECS[form].output.write(Result(inverse, failed, facts)))


def warn_of_failed_slices(record: Record) -> None:
    """Give the warning `JobPartial` if the result has slices that are NaN."""
    slices = record.slices
    if slices and slices.failed:
        listed = ", ".join(str(failure.index) for failure in slices.failures[:5])
        listed += ", …" if slices.failed > 5 else ""
        message = (
            f"{record.job_id}: {slices.failed} of {slices.count} slices ({listed}) "
            "have no inverse and are NaN"
        )
        warnings.warn(message, JobPartial, stacklevel=3)


def result_of(record: Record) -> ResultInfo:
    """Return where a result is; raise `ClientError` for a record without one."""
    if record.result is None:
        raise ClientError(f"the record of job {record.job_id} names no result", "report this")
    return record.result


def result_url(store: ClientStore, record: Record, expires_s: int) -> str:
    """Return a presigned URL of a result's object; raise `ClientError` if it is in the record."""
    result = result_of(record)
    if result.uri is None:
        raise ClientError(
            f"the result of job {record.job_id} is small and in the job's record: it has no URL",
            f'fetch it with matinv result {record.job_id}, or submit with "output": "s3"',
        )
    return store.url(result.uri, result.version_id, expires_s)


def verify(
    store: ClientStore, record: Record, content: bytes, matrix: Matrix | None = None
) -> Verification:
    """Check a result against its hash and its input.

    Parameters
    ----------
    store : ClientStore
        The store that holds the input.
    record : Record
        The job's.
    content : bytes
        The result, as it is stored.
    matrix : ndarray, optional
        The input; by default the object that the record names.

    Raises
    ------
    NotVerified
        If hash, input or residual are not as they should be, or the input is out of reach.
    """
    sha256 = hash_of(result_of(record), [content])
    check_hash(record, sha256)
    side = record.certificate.side if record.certificate else Side.RIGHT
    if matrix is None:
        matrix = read_input(store, record)
    elif record.input.id.startswith("sha256:") and (
        record.input.id != f"sha256:{matrix_digest(matrix)}"
    ):
        raise NotVerified(
            f"the matrix is not the one that job {record.job_id} inverted",
            "pass the matrix that was sent",
        )
    inverse = decoded(content, record)
    found = residual(matrix, inverse, side)
    if not found < RESIDUAL_LIMIT:
        raise NotVerified(
            f"the residual of job {record.job_id} is {found:.3g} (allowed: below {RESIDUAL_LIMIT})",
            "is this the matrix that was submitted? If so, report this",
        )
    certificate = record.certificate
    if certificate is None or side is Side.PINV:
        return Verification(sha256, found, RESIDUAL_LIMIT)
    digits = right_digits(matrix, inverse, certificate.digits)
    if digits < certificate.digits - TOLERANCE and provable(matrix.shape[-1]):
        raise NotVerified(
            f"{digits:.1f} digits of the inverse of job {record.job_id} are shown to be right, "
            f"its certificate claims {certificate.digits:.1f}",
            "is this the matrix that was submitted? If so, report this",
        )
    return Verification(sha256, found, RESIDUAL_LIMIT, digits)


def check_hash(record: Record, sha256: str) -> None:
    """Raise `NotVerified` unless the hash of a result's bytes is that of its record."""
    published = result_of(record).sha256
    if sha256 != published:
        raise NotVerified(
            f"what came as the result of job {record.job_id} differs from what was published",
            "fetch it again; if that does not help, submit the matrix again",
            observed=f"SHA-256 {sha256}",
            limit=published,
        )


def read_input(store: ClientStore, record: Record) -> Matrix:
    """Return the input of a job from where its record says that it is.

    Raises
    ------
    NotVerified
        If it came inside a message.
    Refused, Transient
        If the store fails: INPUT_GONE, if the input is not there any more.
    """
    info = record.input
    if info.source == MESSAGE_SOURCE:
        raise NotVerified(
            f"the input of job {record.job_id} travelled inside a message, which is not kept",
            "pass the matrix that was sent (Python: verify=matrix; CLI: --input FILE; of many: "
            "--inputs DIR)",
        )
    reference = reference_of(info)
    if not isinstance(store, InputStore):
        raise Refused(
            Code.FORBIDDEN_REF,
            f"the HTTP API does not offer this: reading {reference.uri}",
            "pass the matrix itself: --input FILE",
        )
    with store.open(reference) as blob:
        file = open_file(format_of_key(reference.key), blob, blob.size_bytes)
        if isinstance(file, OpenedFile):
            return file.read()
        inline, _ = parse_file(blob.read(blob.size_bytes), Request(record.job_id, reference))
        return inline.array


@contextmanager
def opened(store: ClientStore, result: ResultInfo) -> Iterator[Blob]:
    """Open a result for reading, wherever it is."""
    if result.inline is not None:
        yield BytesBlob(result.inline)
    elif result.uri is not None:
        with store.results(result.uri, result.version_id) as blob:
            yield blob
    else:
        message = "the record names neither a result nor its place"
        raise ClientError(message, "report this")
