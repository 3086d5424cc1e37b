"""`MatrixStore` on S3."""

from __future__ import annotations

import re
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote

from botocore.exceptions import ClientError

from matinv.backends.aws import s3_multipart
from matinv.backends.aws.calls import pause
from matinv.backends.aws.errors import HINTS, code_of, translated
from matinv.backends.aws.s3_bodies import (
    Parts,
    Pieces,
    S3Blob,
    check_range,
    checksum,
    cut,
    decoded,
    encoded,
)
from matinv.errors import Code, Misconfigured, Refused, Transient
from matinv.formats.codecs import media_type_of
from matinv.jobs.request import Reference
from matinv.ports import BegunUpload, ComingPart, Part, SentPart, Stored, UploadUrl

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, GetObjectOutputTypeDef

# Answers that say: there is no such content, and there will not be.
_GONE: Final = frozenset(
    {
        "NoSuchKey",
        "NoSuchVersion",
        "404",
        "MethodNotAllowed",  # the version is a delete marker
        "405",
        "InvalidArgument",  # no version id of S3 looks like this
        "KeyTooLongError",
        "InvalidObjectState",  # archived in Glacier
    }
)
_NOT_THE_SAME: Final = frozenset({"PreconditionFailed", "412"})

# Answers to a write unless the key exists: it does; another write of it is in flight; this write's
# parts are gone, because it came through and only its answer was lost, or with a conflict.
_BEATEN: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchUpload"})

# Answers to the end of an upload that say: these are not its parts.
_WRONG_PARTS: Final = frozenset(
    {"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "InvalidRequest", "MalformedXML"}
)

_PIECES: Final = Pieces()
_WHOLE: Final = Pieces(above_bytes=sys.maxsize)  # of many ranks each has a connection

_METADATA_BYTES: Final = 2048  # S3's limit: names and texts, as they are encoded
_NAME: Final = re.compile(r"[a-z0-9._-]+")

# A conditional write that meets another one in flight is refused with 409 and sent again.
_ATTEMPTS: Final = 5


class S3Store:
    """Matrices in an inputs bucket and a results bucket.

    Parameters
    ----------
    s3 : S3Client
        From `matinv.backends.aws.clients.client`.
    inputs_bucket, results_bucket : str
        Their names.
    pieces : Pieces
        How large bodies travel.
    bucket_owner : str, optional
        The account that must own the bucket of an upload by URL; `s3` says it itself.
    """

    def __init__(
        self,
        s3: S3Client,
        inputs_bucket: str,
        results_bucket: str,
        pieces: Pieces = _PIECES,
        *,
        bucket_owner: str | None = None,
    ) -> None:
        self._s3 = s3
        self._inputs_bucket = inputs_bucket
        self._results_bucket = results_bucket
        self._pieces = pieces
        self._bucket_owner = bucket_owner

    @contextmanager
    def open(self, reference: Reference) -> Iterator[S3Blob]:
        """Open an object with one GET; the rest of a large one is asked for when it is read."""
        with closing(self._get(reference)) as blob:
            yield blob

    @contextmanager
    def results(self, uri: str, version_id: str | None) -> Iterator[S3Blob]:
        """Open a result for reading."""
        with closing(self._get(Reference.at(uri, version_id))) as blob:
            yield blob

    def _get(self, reference: Reference) -> S3Blob:
        answer = self._ask(reference)
        version_id, etag = answer.get("VersionId"), answer["ETag"].strip('"')
        same = replace(reference, version_id=version_id, etag=etag)
        return S3Blob(reference.uri, answer, partial(self._ask, same), self._pieces)

    def _ask(self, reference: Reference, bytes_: str = "") -> GetObjectOutputTypeDef:
        range_: Any = {"Range": bytes_} if bytes_ else {}
        content = _version(reference)
        if reference.etag and not content:  # where there are no versions
            content = {"IfMatch": f'"{quote(reference.etag)}"'}  # a forged ETag stays one header
        try:
            with translated(f"reading {reference.uri}"), _refusals(reference):
                return self._s3.get_object(
                    Bucket=reference.bucket, Key=reference.key, **content, **range_
                )
        except Misconfigured as denied:
            # If not only the object but its bucket is denied, or missing, no job can go on.
            with translated(f"looking for bucket {reference.bucket}"):
                try:
                    self._s3.head_bucket(Bucket=reference.bucket)
                except ClientError as error:
                    if code_of(error) == "404":
                        raise Misconfigured(
                            Code.ACCESS_DENIED,
                            f"bucket {reference.bucket} does not exist",
                            HINTS[Code.ACCESS_DENIED],
                        ) from error
                    raise
            # Somebody has encrypted this object with a key that we may not use.
            raise Transient(
                denied.code,
                denied.info.message,
                "allow the worker's role to use the object's key, or upload it without one",
            ) from denied

    @contextmanager
    def open_range(self, reference: Reference, begin: int, size_bytes: int) -> Iterator[S3Blob]:
        """Open some bytes of an object with one GET."""
        range_ = f"{begin}-{begin + size_bytes - 1}"
        answer = self._ask(reference, f"bytes={range_}")
        with closing(S3Blob(reference.uri, answer, partial(self._ask, reference), _WHOLE)) as blob:
            check_range(reference.uri, answer, f"{range_}/")
            yield blob

    def begin_parts(self, key: str, metadata: Mapping[str, str]) -> str:
        """Begin an object of the results bucket."""
        return self._begin(self._results_bucket, key, encoded(metadata))

    def put_part(self, key: str, upload_id: str, number: int, parts: Sequence[Part]) -> SentPart:
        """Write one part of a result."""
        with translated(f"writing {Reference(self._results_bucket, key).uri}"):
            upload = _upload(self._results_bucket, key, upload_id)
            sent = s3_multipart.send(self._s3, upload, number, parts)
        return SentPart(number, sent["ETag"], b64decode(sent["ChecksumSHA256"]).hex())

    def finish_parts(self, key: str, upload_id: str, sent: Sequence[SentPart]) -> Stored:
        """Make a result of its parts unless the key exists."""
        uri = Reference(self._results_bucket, key).uri
        upload = _upload(self._results_bucket, key, upload_id)
        with translated(f"writing {uri}"):
            try:
                answer = s3_multipart.complete(
                    self._s3, upload, _completed(sent), {"IfNoneMatch": "*"}
                )
                return Stored(uri, answer.get("VersionId"))
            except ClientError as error:
                if code_of(error) not in _BEATEN:
                    raise
        standing = self._standing(uri)
        if standing is None:  # it is just being written: this job comes again, and adopts it
            raise _in_the_way(uri)
        return standing

    def abort_parts(self, key: str, upload_id: str) -> None:
        """Drop an upload and its parts."""
        s3_multipart.abort(self._s3, _upload(self._results_bucket, key, upload_id))

    def _begin(self, bucket: str, key: str, headers: Mapping[str, str]) -> str:
        """Begin an object that comes in parts; return the upload's id."""
        described = {"ContentType": media_type_of(key), "Metadata": headers}
        with translated(f"writing {Reference(bucket, key).uri}"):
            upload = s3_multipart.begin(self._s3, {"Bucket": bucket, "Key": key}, described)
        return str(upload["UploadId"])

    def _standing(self, uri: str) -> Stored | None:
        """Return the result that another one has written, if it is there by now."""
        found = self._head(Reference.at(uri, None))
        return Stored(uri, found.get("VersionId"), decoded(found["Metadata"])) if found else None

    def put_result(
        self, key: str, parts: Sequence[Part], sha256: str, metadata: Mapping[str, str]
    ) -> Stored:
        """Write an object of the results bucket unless the key exists."""
        uri = Reference(self._results_bucket, key).uri
        for attempt in range(_ATTEMPTS):
            pause(attempt)
            with translated(f"writing {uri}"):
                try:
                    answer = self._write(
                        self._results_bucket, key, parts, encoded(metadata), sha256, IfNoneMatch="*"
                    )
                    return Stored(uri, answer.get("VersionId"))
                except ClientError as error:
                    if code_of(error) not in _BEATEN:
                        raise
            # There is one, or one that is just being written.
            standing = self._standing(uri)
            if standing:
                return standing
        raise _in_the_way(uri)

    def _write(
        self,
        bucket: str,
        key: str,
        parts: Sequence[Part],
        metadata: Mapping[str, str],
        sha256: str | None = None,
        **condition: Any,
    ) -> Mapping[str, Any]:
        """Write an object with one PUT, a large one in pieces; S3 checks the SHA-256 of each."""
        place: Any = {"Bucket": bucket, "Key": key}
        described: Any = {"ContentType": media_type_of(key), "Metadata": metadata}
        body_bytes = sum(memoryview(part).nbytes for part in parts)
        if body_bytes > self._pieces.above_bytes:
            pieces = cut(parts, self._pieces.piece_bytes(body_bytes))
            at_a_time = self._pieces.connections
            return s3_multipart.write(self._s3, place, pieces, described, condition, at_a_time)
        return self._s3.put_object(
            **place,
            **described,
            **condition,
            Body=cast("IO[bytes]", Parts(parts)),
            ChecksumSHA256=b64encode(bytes.fromhex(sha256)).decode() if sha256 else checksum(parts),
        )

    def upload(self, key: str, parts: Sequence[Part], metadata: Mapping[str, str]) -> Reference:
        """Write an object of the inputs bucket.

        Raises
        ------
        Refused
            BAD_MESSAGE, for metadata above S3's 2 KB, or with names that headers cannot carry.
        """
        bucket = self._inputs_bucket
        headers = encoded(metadata)
        _check_metadata(headers)
        with translated(f"writing {Reference(bucket, key).uri}"):
            answer = self._write(bucket, key, parts, headers)
        return Reference(bucket, key, answer.get("VersionId"), answer["ETag"].strip('"'))

    def upload_url(
        self,
        key: str,
        size_bytes: int,
        metadata: Mapping[str, str],
        expires_s: int,
        *,
        overwrite: bool = False,
    ) -> UploadUrl:
        """Return a presigned URL; all headers are signed, so that no other ones will do."""
        encoded_ = encoded(metadata)
        _check_metadata(encoded_)
        headers = {
            "content-length": str(size_bytes),
            "content-type": media_type_of(key),
            **({} if overwrite else {"if-none-match": "*"}),
            **{f"x-amz-meta-{name}": text for name, text in encoded_.items()},
        }
        described = {
            "ContentLength": size_bytes,
            "ContentType": media_type_of(key),
            **({} if overwrite else {"IfNoneMatch": "*"}),
            "Metadata": encoded_,
        }
        return self._signed("put_object", key, described, headers, expires_s)

    def _signed(
        self,
        operation: str,
        key: str,
        described: Mapping[str, Any],
        headers: Mapping[str, str],
        expires_s: int,
    ) -> UploadUrl:
        """Sign a request for the inputs bucket, and that its owner is who it should be."""
        owner: dict[str, str] = {}
        if self._bucket_owner:
            headers = {**headers, "x-amz-expected-bucket-owner": self._bucket_owner}
            owner = {"ExpectedBucketOwner": self._bucket_owner}
        uri = Reference(self._inputs_bucket, key).uri
        with translated(f"signing a URL of {uri}"):
            url = self._s3.generate_presigned_url(
                operation,
                Params={"Bucket": self._inputs_bucket, "Key": key, **described, **owner},
                ExpiresIn=expires_s,
            )
        return UploadUrl(uri, url, headers)

    def begin_upload(self, key: str, size_bytes: int, metadata: Mapping[str, str]) -> BegunUpload:
        """Begin an object of the inputs bucket; its parts come by the URLs of `part_url`."""
        headers = encoded(metadata)
        _check_metadata(headers)
        upload_id = self._begin(self._inputs_bucket, key, headers)
        uri = Reference(self._inputs_bucket, key).uri
        return BegunUpload(uri, upload_id, self._pieces.piece_bytes(size_bytes))

    def part_url(self, key: str, upload_id: str, part: ComingPart, expires_s: int) -> UploadUrl:
        """Return a presigned URL of a part; S3 compares the bytes with the SHA-256 in it."""
        sha256 = b64encode(bytes.fromhex(part.sha256)).decode()
        headers = {"content-length": str(part.size_bytes), "x-amz-checksum-sha256": sha256}
        described = {
            "UploadId": upload_id,
            "PartNumber": part.number,
            "ContentLength": part.size_bytes,
            "ChecksumSHA256": sha256,
        }
        return self._signed("upload_part", key, described, headers, expires_s)

    def finish_upload(
        self,
        key: str,
        upload_id: str,
        size_bytes: int,
        sent: Sequence[SentPart],
        *,
        overwrite: bool = False,
    ) -> Reference:
        """Make the object of its parts; S3 compares its length with the one that was named."""
        bucket = self._inputs_bucket
        upload = _upload(bucket, key, upload_id)
        condition: Any = {
            "MpuObjectSize": size_bytes,
            **({} if overwrite else {"IfNoneMatch": "*"}),
        }
        with translated(f"writing {Reference(bucket, key).uri}"):
            try:
                answer = s3_multipart.complete(self._s3, upload, _completed(sent), condition)
            except ClientError as error:
                code = code_of(error)
                if code in _NOT_THE_SAME:
                    raise Refused(
                        Code.JOB_ID_CONFLICT,
                        f"{key} is there already",
                        "choose another job id",
                    ) from error
                if code == "NoSuchUpload":
                    raise Refused(
                        Code.INPUT_GONE,
                        f"there is no such upload of {key}",
                        'begin it again: POST /jobs with {"upload": …}',
                    ) from error
                if code in _WRONG_PARTS:
                    raise Refused(
                        Code.BAD_MESSAGE,
                        f"these are not the parts of the upload of {key}",
                        "name each part once, in order, as S3 answered it",
                        observed=code,
                    ) from error
                raise
        return Reference(bucket, key, answer.get("VersionId"), answer["ETag"].strip('"'))

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Drop an upload and its parts."""
        s3_multipart.abort(self._s3, _upload(self._inputs_bucket, key, upload_id))

    def find_input(self, key: str) -> Reference | None:
        """Return which content stands at a key of the inputs bucket."""
        reference = Reference(self._inputs_bucket, key)
        found = self._head(reference)
        if found is None:
            return None
        etag = found["ETag"].strip('"')
        return replace(reference, version_id=found.get("VersionId"), etag=etag)

    def _head(self, reference: Reference) -> Mapping[str, Any] | None:
        with translated(f"looking for {reference.uri}"):
            try:
                return self._s3.head_object(Bucket=reference.bucket, Key=reference.key)
            except ClientError as error:
                if code_of(error) in _GONE:
                    return None
                raise

    def delete(self, uri: str, version_id: str | None = None) -> None:
        """Remove an object, or one version of it."""
        reference = Reference.at(uri, version_id)
        with translated(f"removing {uri}"):
            try:
                self._s3.delete_object(
                    Bucket=reference.bucket, Key=reference.key, **_version(reference)
                )
            except ClientError as error:
                if code_of(error) not in _GONE:
                    raise

    def url(self, uri: str, version_id: str | None, expires_s: int) -> str:
        """Return a presigned URL; nothing is asked of S3."""
        reference = Reference.at(uri, version_id)
        with translated(f"signing a URL of {uri}"):
            return self._s3.generate_presigned_url(
                "get_object",
                Params={"Bucket": reference.bucket, "Key": reference.key, **_version(reference)},
                ExpiresIn=expires_s,
            )


@contextmanager
def _refusals(reference: Reference) -> Iterator[None]:
    """Raise INPUT_GONE for the answers that mean it."""
    try:
        yield
    except ClientError as error:
        if code_of(error) in _NOT_THE_SAME:
            raise Refused(
                Code.INPUT_GONE,
                f"{reference.uri} does not have the content that was announced",
                "upload it again, under a key of its own",
                observed="overwritten",
            ) from error
        if code_of(error) in _GONE:
            raise Refused(
                Code.INPUT_GONE,
                f"{reference.uri} does not exist: {code_of(error)}",
                "upload it again",
                observed=reference.version_id,
            ) from error
        raise


def _upload(bucket: str, key: str, upload_id: str) -> Any:
    """Return the arguments that name an upload in parts."""
    return {"Bucket": bucket, "Key": key, "UploadId": upload_id}


def _in_the_way(uri: str) -> Transient:
    return Transient(
        Code.STORAGE,
        f"writing {uri} failed: other writers of the same key got in the way",
        "nothing to do: it is tried again later",
    )


def _version(reference: Reference) -> Any:
    """Return the argument that names a version; ``null`` is what unversioned buckets hold."""
    version_id = reference.version_id
    return {"VersionId": version_id} if version_id and version_id != "null" else {}


def _check_metadata(headers: Mapping[str, str]) -> None:
    """Refuse a key that S3 would refuse, or would give back under another name."""
    size_bytes = sum(len(name) + len(text) for name, text in headers.items())
    if size_bytes > _METADATA_BYTES:
        raise Refused(
            Code.BAD_MESSAGE,
            "the options and tags do not fit the metadata of a file",
            "use fewer or shorter tags",
            observed=f"{size_bytes} bytes",
            limit=f"{_METADATA_BYTES} bytes",
        )
    for name in headers:
        if not _NAME.fullmatch(name):
            raise Refused(
                Code.BAD_MESSAGE,
                "the tag of a file has a name that S3 cannot keep",
                "rename the tag",
                observed=name,
                limit="a-z 0-9 . _ -",
            )


def _completed(sent: Sequence[SentPart]) -> list[CompletedPartTypeDef]:
    return [
        {
            "PartNumber": part.number,
            "ETag": part.etag,
            "ChecksumSHA256": b64encode(bytes.fromhex(part.sha256)).decode(),
        }
        for part in sent
    ]
