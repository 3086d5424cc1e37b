"""Objects: the inputs bucket to read, the results bucket to write once per key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Final, Protocol, runtime_checkable

from matinv.jobs.request import Reference

Part = bytes | memoryview

# Of an upload in parts: S3's limit ("Amazon S3 multipart upload limits").
MOST_PARTS: Final = 10_000


class Blob(Protocol):
    """An object that is being read, once, from its first byte to its last."""

    size_bytes: int
    etag: str
    version_id: str | None
    metadata: Mapping[str, str]

    def read(self, size: int, /) -> bytes:
        """Return the next `size` bytes, fewer only at the end of the object."""
        ...

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill `buffer` with the next bytes and return how many came: all, unless at the end.

        Raises
        ------
        Transient
            STORAGE, if the connection broke.
        """
        ...


class BytesBlob:
    """A `Blob` whose content is here already."""

    def __init__(
        self,
        content: bytes,
        etag: str = "",
        version_id: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.size_bytes = len(content)
        self.etag = etag
        self.version_id = version_id
        self.metadata: Mapping[str, str] = metadata or {}
        self._stream = BytesIO(content)

    def read(self, size: int, /) -> bytes:
        """Return the next `size` bytes."""
        return self._stream.read(size)

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill `buffer` with the next bytes."""
        return self._stream.readinto(buffer)


@dataclass(frozen=True, slots=True)
class UploadUrl:
    """A presigned URL: a PUT with just these headers makes one object of the inputs bucket."""

    uri: str
    url: str = field(repr=False)
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BegunUpload:
    """An object of the inputs bucket that is sent in parts, `part_bytes` long but the last one."""

    uri: str
    upload_id: str
    part_bytes: int


@dataclass(frozen=True, slots=True)
class Stored:
    """An object that was written, or, when `metadata` is set, was there already."""

    uri: str
    version_id: str | None
    metadata: Mapping[str, str] | None = None


class ClientStore(Protocol):
    """Objects as a client needs them: inputs to send, results to fetch."""

    def upload(self, key: str, parts: Sequence[Part], metadata: Mapping[str, str]) -> Reference:
        """Write `parts` to `key` of the inputs bucket and return its reference.

        Raises
        ------
        Refused
            BAD_MESSAGE, for metadata that S3 cannot keep.
        """
        ...

    def find_input(self, key: str) -> Reference | None:
        """Return which content stands at `key` of the inputs bucket now, if any does."""
        ...

    def results(self, uri: str, version_id: str | None) -> AbstractContextManager[Blob]:
        """Open a result for reading, like `open`."""
        ...

    def url(self, uri: str, version_id: str | None, expires_s: int) -> str:
        """Return a presigned URL that reads an object without credentials."""
        ...


@runtime_checkable
class InputStore(Protocol):
    """Inputs to read: an HTTP API shows none."""

    def open(self, reference: Reference) -> AbstractContextManager[Blob]:
        """Open an object for reading with one request; leaving the block early drops the rest.

        No matter how the object changes in the block, its bytes are those of one content or
        reading them raises.

        The content must match ``reference.version_id`` or, without one, ``reference.etag``.

        Raises
        ------
        Refused
            INPUT_GONE, if the object or its version does not exist, or if its content is no
            longer the one that the reference names (``observed`` then is ``"overwritten"``).
        """
        ...


class WorkerStore(InputStore, Protocol):
    """Objects as the worker needs them: inputs to read, results to write."""

    def find_input(self, key: str) -> Reference | None:
        """Return which content stands at `key` of the inputs bucket now, if any does."""
        ...

    def put_result(
        self, key: str, parts: Sequence[Part], sha256: str, metadata: Mapping[str, str]
    ) -> Stored:
        """Write `parts`, end to end, to `key` of the results bucket unless the key exists.

        Parameters
        ----------
        key : str
            Deterministic for the job's input and options.
        parts : sequence of bytes or memoryview
            Never copied into one buffer.
        sha256 : str
            Hex digest of all parts; the store verifies it, of large bodies that of each piece.
        metadata : mapping
            Text pairs kept with the object, at most 2 KB.

        Returns
        -------
        Stored
            With ``metadata=None`` if this call wrote the object; otherwise what is there, with
            its metadata.
        """
        ...


@dataclass(frozen=True, slots=True)
class ComingPart:
    """A part of an object that is to be sent: its number from 1 on, and the bytes that it has."""

    number: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class SentPart:
    """A part of an object that is being written: its number from 1 on, and what S3 knows it by."""

    number: int
    etag: str
    sha256: str


class RankStore(Protocol):
    """Objects as each of many ranks needs them: some bytes of an input, some parts of a result."""

    def open_range(
        self, reference: Reference, begin: int, size_bytes: int
    ) -> AbstractContextManager[Blob]:
        """Open `size_bytes` bytes of an object, from `begin` on; raises as `InputStore.open`."""
        ...

    def begin_parts(self, key: str, metadata: Mapping[str, str]) -> str:
        """Begin an object of the results bucket and return the upload's id.

        Nothing is there before `finish_parts`.
        """
        ...

    def put_part(self, key: str, upload_id: str, number: int, parts: Sequence[Part]) -> SentPart:
        """Write one part, at least 5 MiB long unless it is the last one.

        Raises
        ------
        Transient
            STORAGE, also if the bytes that arrived are not those of their SHA-256.
        """
        ...

    def finish_parts(self, key: str, upload_id: str, sent: Sequence[SentPart]) -> Stored:
        """Make the object of its parts unless the key exists; returns as `put_result`."""
        ...

    def abort_parts(self, key: str, upload_id: str) -> None:
        """Drop an upload and its parts."""
        ...


class MatrixStore(ClientStore, WorkerStore, RankStore, Protocol):
    """All that can be done with the two buckets."""

    def upload_url(
        self,
        key: str,
        size_bytes: int,
        metadata: Mapping[str, str],
        expires_s: int,
        *,
        overwrite: bool = False,
    ) -> UploadUrl:
        """Return a URL that anybody can upload `key` of the inputs bucket to.

        Unless it may `overwrite`, the URL works only while nothing stands at the key.

        Raises
        ------
        Refused
            BAD_MESSAGE, for metadata that S3 cannot keep.
        """
        ...

    def begin_upload(self, key: str, size_bytes: int, metadata: Mapping[str, str]) -> BegunUpload:
        """Begin an object of the inputs bucket that is too large for one URL.

        Nothing is there before `finish_upload`.

        Raises
        ------
        Refused
            BAD_MESSAGE, for metadata that S3 cannot keep.
        """
        ...

    def part_url(self, key: str, upload_id: str, part: ComingPart, expires_s: int) -> UploadUrl:
        """Return a URL that anybody can send this part to, of these bytes and no others."""
        ...

    def finish_upload(
        self,
        key: str,
        upload_id: str,
        size_bytes: int,
        sent: Sequence[SentPart],
        *,
        overwrite: bool = False,
    ) -> Reference:
        """Make the object of its parts; unless it may `overwrite`, only if the key is free.

        Raises
        ------
        Refused
            JOB_ID_CONFLICT, if something stands at the key; INPUT_GONE, if there is no such
            upload; BAD_MESSAGE, if these are not its parts.
        """
        ...

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Drop an upload and its parts; nothing happens if it does not exist."""
        ...

    def delete(self, uri: str, version_id: str | None = None) -> None:
        """Remove an object; nothing happens if it does not exist."""
        ...
