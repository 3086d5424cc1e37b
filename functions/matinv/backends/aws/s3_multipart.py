"""Objects that are written in pieces, several at the same time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import IO, TYPE_CHECKING, Any, cast

from matinv.backends.aws.calls import together
from matinv.backends.aws.errors import FAULTS
from matinv.backends.aws.s3_bodies import Parts, checksum
from matinv.ports import Part

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef


def write(  # noqa: PLR0913, PLR0917 - what an object has, and how it travels
    s3: S3Client,
    place: Any,
    pieces: Sequence[Sequence[memoryview]],
    described: Any,
    condition: Any,
    at_a_time: int,
) -> Mapping[str, Any]:
    """Write an object that is there with its last request, whole, or not at all.

    S3 compares each piece with its SHA-256 and keeps the SHA-256 of those: the object's own is not
    that of its bytes, which is in the job's record.

    Parameters
    ----------
    place : mapping
        ``Bucket`` and ``Key``.
    pieces : sequence of sequence of memoryview
        Each is one part of the upload, at least 5 MiB but for the last one; nothing is copied.
    described : mapping
        Metadata of the object: arguments of ``create_multipart_upload``.
    condition : mapping
        When it may be written: arguments of ``complete_multipart_upload``.
    at_a_time : int
        So many parts are on their way together.

    Returns
    -------
    mapping
        The last answer, with ``ETag`` and ``VersionId``.
    """
    upload = begin(s3, place, described)
    with ExitStack() as undo:
        undo.callback(abort, s3, upload)
        sent = together(
            lambda numbered: send(s3, upload, *numbered), enumerate(pieces, 1), at_a_time
        )
        answer = complete(s3, upload, sent, condition)
        undo.pop_all()
    return answer


def begin(s3: S3Client, place: Any, described: Any) -> Any:
    """Begin an object; return the upload: its place, and ``UploadId``."""
    begun = s3.create_multipart_upload(**place, **described, ChecksumAlgorithm="SHA256")
    return place | {"UploadId": begun["UploadId"]}


def send(s3: S3Client, upload: Any, number: int, piece: Sequence[Part]) -> CompletedPartTypeDef:
    """Write one part of an upload, from 1 on."""
    sha256 = checksum(piece)
    body = cast("IO[bytes]", Parts(piece))
    answer = s3.upload_part(**upload, PartNumber=number, Body=body, ChecksumSHA256=sha256)
    return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": sha256}


def complete(
    s3: S3Client, upload: Any, sent: Sequence[CompletedPartTypeDef], condition: Any
) -> Mapping[str, Any]:
    """Make the object of its parts."""
    return s3.complete_multipart_upload(**upload, **condition, MultipartUpload={"Parts": sent})


def abort(s3: S3Client, upload: Any) -> None:
    """Remove the parts that were sent; if that fails, the bucket's rule does it within a day."""
    with suppress(*FAULTS):  # a conflict has removed it already
        s3.abort_multipart_upload(**upload)
