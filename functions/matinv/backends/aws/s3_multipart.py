"""Objects that are written in pieces, several at the same time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import IO, TYPE_CHECKING, Any, cast

from matinv.backends.aws.calls import together
from matinv.backends.aws.errors import FAULTS
from matinv.backends.aws.s3_bodies import Parts, checksum

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef


def write(
    s3: S3Client, place: Any, pieces: Sequence[Sequence[memoryview]], described: Any, condition: Any
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
        What is kept with the object: arguments of ``create_multipart_upload``.
    condition : mapping
        When it may be written: arguments of ``complete_multipart_upload``.

    Returns
    -------
    mapping
        The last answer, with ``ETag`` and ``VersionId``.
    """
    begun = s3.create_multipart_upload(**place, **described, ChecksumAlgorithm="SHA256")
    upload = place | {"UploadId": begun["UploadId"]}

    def send(numbered: tuple[int, Sequence[memoryview]]) -> CompletedPartTypeDef:
        number, piece = numbered
        sha256 = checksum(piece)
        body = cast("IO[bytes]", Parts(piece))
        answer = s3.upload_part(**upload, PartNumber=number, Body=body, ChecksumSHA256=sha256)
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": sha256}

    with ExitStack() as undo:
        undo.callback(_abort, s3, upload)
        sent = together(send, enumerate(pieces, 1))
        answer = s3.complete_multipart_upload(
            **upload, **condition, MultipartUpload={"Parts": sent}
        )
        undo.pop_all()
    return answer


def _abort(s3: S3Client, upload: Any) -> None:
    """Remove the parts that were sent; if that fails, the bucket's rule does it within a day."""
    with suppress(*FAULTS):  # a conflict has removed it already
        s3.abort_multipart_upload(**upload)
