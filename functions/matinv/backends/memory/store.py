"""`MatrixStore` in memory."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

from matinv.backends.memory.faults import FaultInjection
from matinv.errors import Code, Refused, Transient
from matinv.jobs.request import Reference
from matinv.ports import (
    MOST_PARTS,
    BegunUpload,
    BytesBlob,
    ComingPart,
    Part,
    SentPart,
    Stored,
    UploadUrl,
)

_METADATA_BYTES: Final = 2048  # S3's limit
_PART_BYTES: Final = 32 * 2**20
_NAME: Final = re.compile(r"[a-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class _Object:
    data: bytes
    version_id: str
    etag: str
    metadata: Mapping[str, str]


class _BreakableBlob(BytesBlob):
    """A blob whose connection ``fail("read:before")`` may break."""

    def __init__(self, stored: _Object, ask: Callable[[str], None]) -> None:
        super().__init__(stored.data, stored.etag, stored.version_id, stored.metadata)
        self._ask = ask

    def read(self, size: int, /) -> bytes:
        """Return the next `size` bytes."""
        self._ask("read:before")
        return super().read(size)

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill `buffer` with the next bytes."""
        self._ask("read:before")
        return super().readinto(buffer)


class MemoryStore(FaultInjection):
    """`MatrixStore` in memory: two versioned buckets."""

    def __init__(self, inputs_bucket: str, results_bucket: str) -> None:
        super().__init__()
        self.inputs_bucket = inputs_bucket
        self.results_bucket = results_bucket
        self._inputs, self._results = (
            Reference(b, "").uri for b in (inputs_bucket, results_bucket)
        )
        self._versions: dict[str, list[_Object | None]] = {}  # None is a delete marker
        self._begun: dict[tuple[str, str], tuple[dict[str, str], dict[int, bytes]]] = {}
        self._numbers = count(1)

    def uris(self) -> list[str]:
        """Return the addresses of all objects, for tests to look at."""
        with self._lock:
            return sorted(uri for uri in self._versions if self._current(uri))

    @contextmanager
    def open(self, reference: Reference) -> Iterator[_BreakableBlob]:
        """Open an object for reading."""
        with self.operation("open"):
            blob = self._read(reference)
        yield blob

    @contextmanager
    def results(self, uri: str, version_id: str | None) -> Iterator[_BreakableBlob]:
        """Open a result for reading."""
        with self.operation("results"):
            blob = self._read(Reference.at(uri, version_id))
        yield blob

    def put_result(
        self, key: str, parts: Sequence[Part], sha256: str, metadata: Mapping[str, str]
    ) -> Stored:
        """Write an object of the results bucket unless the key exists."""
        uri = self._results + key
        data = b"".join(parts)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise Transient(Code.STORAGE, "the bytes that arrived are not those of the SHA-256")
        with self.operation("put_result"):
            found = self._current(uri)
            if found:
                stored = Stored(uri, found.version_id, found.metadata)
            else:
                stored = Stored(uri, self._write(uri, data, metadata).version_id)
        return stored

    @contextmanager
    def open_range(
        self, reference: Reference, begin: int, size_bytes: int
    ) -> Iterator[_BreakableBlob]:
        """Open some bytes of an object."""
        with self.operation("open_range"):
            found = self._stored(reference)
        yield _BreakableBlob(replace(found, data=found.data[begin:][:size_bytes]), self.ask)

    def begin_parts(self, key: str, metadata: Mapping[str, str]) -> str:
        """Begin an object of the results bucket."""
        with self.operation("begin_parts"):
            upload_id = f"u{next(self._numbers)}"
            self._begun[key, upload_id] = (dict(metadata), {})
        return upload_id

    def put_part(self, key: str, upload_id: str, number: int, parts: Sequence[Part]) -> SentPart:
        """Write one part."""
        data = b"".join(parts)
        with self.operation("put_part"):
            self._begun[key, upload_id][1][number] = data
        return SentPart(number, "", hashlib.sha256(data).hexdigest())

    def finish_parts(self, key: str, upload_id: str, sent: Sequence[SentPart]) -> Stored:
        """Make the object of its parts unless the key exists."""
        uri = self._results + key
        with self.operation("finish_parts"):
            metadata, parts = self._begun.pop((key, upload_id))
            data = b"".join(parts[part.number] for part in sent)
            found = self._current(uri)
            if found:
                return Stored(uri, found.version_id, found.metadata)
            return Stored(uri, self._write(uri, data, metadata).version_id)

    def abort_parts(self, key: str, upload_id: str) -> None:
        """Drop an upload and its parts."""
        with self.operation("abort_parts"):
            self._begun.pop((key, upload_id), None)

    def upload(self, key: str, parts: Sequence[Part], metadata: Mapping[str, str]) -> Reference:
        """Write an object of the inputs bucket."""
        _check_metadata(metadata)
        uri = self._inputs + key
        with self.operation("upload"):
            written = self._write(uri, b"".join(parts), metadata)
        return Reference(self.inputs_bucket, key, written.version_id, written.etag)

    def upload_url(
        self,
        key: str,
        size_bytes: int,
        metadata: Mapping[str, str],
        expires_s: int,
        *,
        overwrite: bool = False,
    ) -> UploadUrl:
        """Return something that looks like a presigned URL."""
        _check_metadata(metadata)
        uri = self._inputs + key
        with self.operation("upload_url"):
            headers = {f"x-amz-meta-{name}": text for name, text in metadata.items()}
            headers |= {"content-length": str(size_bytes)}
            headers |= {} if overwrite else {"if-none-match": "*"}
            return UploadUrl(uri, f"memory:{uri}?expires={expires_s}", headers)

    def begin_upload(self, key: str, size_bytes: int, metadata: Mapping[str, str]) -> BegunUpload:
        """Begin an object of the inputs bucket; `put_part` takes its parts, as their URLs would."""
        _check_metadata(metadata)
        upload_id = self.begin_parts(key, metadata)
        return BegunUpload(
            self._inputs + key, upload_id, max(_PART_BYTES, -(-size_bytes // MOST_PARTS))
        )

    def part_url(self, key: str, upload_id: str, part: ComingPart, expires_s: int) -> UploadUrl:
        """Return something that looks like a presigned URL."""
        uri = self._inputs + key
        with self.operation("part_url"):
            query = f"uploadId={upload_id}&partNumber={part.number}&expires={expires_s}"
            headers = {"content-length": str(part.size_bytes)}
            return UploadUrl(uri, f"memory:{uri}?{query}", headers)

    def finish_upload(
        self,
        key: str,
        upload_id: str,
        size_bytes: int,
        sent: Sequence[SentPart],
        *,
        overwrite: bool = False,
    ) -> Reference:
        """Make the object of its parts."""
        with self.operation("finish_upload"):
            if (key, upload_id) not in self._begun:
                message = f"there is no such upload of {key}"
                hint = 'begin it again: POST /jobs with {"upload": …}'
                raise Refused(Code.INPUT_GONE, message, hint)
            metadata, parts = self._begun[key, upload_id]
            data = b"".join(parts.get(part.number, b"") for part in sent)
            if [part.number for part in sent] != sorted(parts) or len(data) != size_bytes:
                message = f"these are not the parts of the upload of {key}"
                hint = "name each part once, in order, as S3 answered it"
                raise Refused(Code.BAD_MESSAGE, message, hint)
            if self._current(self._inputs + key) and not overwrite:
                message = f"{key} is there already"
                raise Refused(Code.JOB_ID_CONFLICT, message, "choose another job id")
        reference = self.upload(key, [data], metadata)
        self.abort_parts(key, upload_id)
        return reference

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Drop an upload and its parts."""
        self.abort_parts(key, upload_id)

    def find_input(self, key: str) -> Reference | None:
        """Return which content stands at a key of the inputs bucket."""
        with self.operation("find_input"):
            found = self._current(self._inputs + key)
        if found is None:
            return None
        return Reference(self.inputs_bucket, key, found.version_id, found.etag)

    def delete(self, uri: str, version_id: str | None = None) -> None:
        """Remove an object, or one version of it."""
        with self.operation("delete"):
            versions = self._versions.get(uri, [])
            if version_id is None:
                versions.append(None)
            else:
                versions[:] = [v for v in versions if v is None or v.version_id != version_id]

    def url(self, uri: str, version_id: str | None, expires_s: int) -> str:
        """Return something that looks like a presigned URL."""
        with self.operation("url"):
            return f"memory:{uri}?versionId={version_id or ''}&expires={expires_s}"

    def _current(self, uri: str) -> _Object | None:
        versions = self._versions.get(uri)
        return versions[-1] if versions else None

    def _write(self, uri: str, data: bytes, metadata: Mapping[str, str]) -> _Object:
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        written = _Object(data, f"v{next(self._numbers)}", etag, dict(metadata))
        self._versions.setdefault(uri, []).append(written)
        return written

    def _read(self, reference: Reference) -> _BreakableBlob:
        return _BreakableBlob(self._stored(reference), self.ask)

    def _stored(self, reference: Reference) -> _Object:
        found = self._current(reference.uri)
        versioned = reference.version_id not in {None, "null"}  # what unversioned buckets hold
        if versioned:
            versions = self._versions.get(reference.uri, [])
            found = next((v for v in versions if v and v.version_id == reference.version_id), None)
        if found is None:
            raise Refused(Code.INPUT_GONE, f"{reference.uri} does not exist", "upload it again")
        if not versioned and reference.etag not in {None, found.etag}:
            raise Refused(
                Code.INPUT_GONE,
                f"{reference.uri} does not have the content that was announced",
                "upload it again, under a key of its own",
                observed="overwritten",
            )
        return found


def _check_metadata(metadata: Mapping[str, str]) -> None:
    if sum(len(name) + len(text) for name, text in metadata.items()) > _METADATA_BYTES:
        message = "the options and tags do not fit the metadata of a file"
        raise Refused(Code.BAD_MESSAGE, message, "use fewer or shorter tags")
    if not all(map(_NAME.fullmatch, metadata)):
        message = "the tag of a file has a name that S3 cannot keep"
        raise Refused(Code.BAD_MESSAGE, message, "rename the tag", limit="a-z 0-9 . _ -")
