"""What the service needs from the world outside: objects, records, messages, listeners.

Each port has two implementations that pass one contract suite (`matinv.testing.contracts`): the
adapters of `matinv.backends.aws` and the twins of `matinv.backends.memory`.

Every method raises only `matinv.errors.MatinvError`: `Transient` when the service behind it
throttles, fails or refuses access, `Refused` where a method says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from matinv.jobs.lanes import Lane
from matinv.jobs.record import Record, Status
from matinv.jobs.request import Delivery, Reference

Part = bytes | memoryview


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


Place = tuple[str, str]
"""Where a record stands in a list: its ``updated_at`` and its job id."""


@dataclass(frozen=True, slots=True)
class UploadUrl:
    """A presigned URL: a PUT with just these headers makes one object of the inputs bucket."""

    uri: str
    url: str = field(repr=False)
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stored:
    """An object that was written, or, when `metadata` is set, was there already."""

    uri: str
    version_id: str | None
    metadata: Mapping[str, str] | None = None


class MatrixStore(Protocol):
    """Objects: the inputs bucket to read, the results bucket to write once per key."""

    def open(self, reference: Reference) -> AbstractContextManager[Blob]:
        """Open an object for reading with one request; leaving the block early drops the rest.

        Whatever else happens to the object in the block, its bytes are those of one content or
        reading them raises.

        The content must match ``reference.version_id`` or, without one, ``reference.etag``.

        Raises
        ------
        Refused
            INPUT_GONE, if the object or its version does not exist, or if its content is no
            longer the one that the reference names (``observed`` then is ``"overwritten"``).
        """
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

    def upload(self, key: str, parts: Sequence[Part], metadata: Mapping[str, str]) -> Reference:
        """Write `parts` to `key` of the inputs bucket and return its reference.

        Raises
        ------
        Refused
            BAD_MESSAGE, for metadata that S3 cannot keep.
        """
        ...

    def upload_url(
        self, key: str, size_bytes: int, metadata: Mapping[str, str], expires_s: int
    ) -> UploadUrl:
        """Return a URL that anybody can upload `key` of the inputs bucket to, unless it exists.

        Raises
        ------
        Refused
            BAD_MESSAGE, for metadata that S3 cannot keep.
        """
        ...

    def find_input(self, key: str) -> Reference | None:
        """Return which content stands at `key` of the inputs bucket now, if any does."""
        ...

    def delete(self, uri: str, version_id: str | None = None) -> None:
        """Remove an object; nothing happens if it does not exist."""
        ...

    def url(self, uri: str, version_id: str | None, expires_s: int) -> str:
        """Return a presigned URL that reads an object without credentials."""
        ...

    def results(self, uri: str, version_id: str | None) -> AbstractContextManager[Blob]:
        """Open a result for reading, like `open`."""
        ...


class JobTable(Protocol):
    """Records by job id, written by compare-and-set on their revision."""

    def get(self, job_ids: Sequence[str]) -> dict[str, Record]:
        """Return the records that exist, read consistently, in as few calls as can be."""
        ...

    def put(self, records: Sequence[Record]) -> list[bool]:
        """Write records, each if the table holds the revision before its own.

        Parameters
        ----------
        records : sequence of Record
            Distinct job ids. ``revision=1`` is written only where no record exists; ``revision=r``
            only over ``r - 1``. Any number; the adapter splits it into as few calls as can be.

        Returns
        -------
        list of bool
            For each record, whether it was written. One that lost never hurts its neighbours.
        """
        ...

    def delete(self, job_id: str) -> None:
        """Remove a record; nothing happens if it does not exist."""
        ...

    def list(self, status: Status, limit: int, before: Place | None = None) -> Iterator[Record]:
        """Yield at most `limit` records in `status`, the most recently updated first.

        Of several that were updated at the same time, the greatest job id comes first; what is
        not `before` that place is left out.
        """
        ...


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A copy of a delivery for the dead-letter queue, and why it is there.

    `job_id`, `error_code`, `error_message` and `source` travel as message attributes.
    """

    delivery: Delivery
    error_code: str
    error_message: str
    source: str


@dataclass(frozen=True, slots=True)
class Received:
    """A message taken from the dead-letter queue, invisible to others until its timeout ends."""

    message_id: str
    receipt: str
    body: str = field(repr=False)
    sent_at_ms: int
    receive_count: int
    attributes: Mapping[str, str]


class JobQueue(Protocol):
    """The jobs queue, its dead-letter queue, and the queues of larger lanes."""

    def bury(self, letters: Sequence[DeadLetter]) -> list[bool]:
        """Copy deliveries to the dead-letter queue; for each, whether it is safely there.

        Never raises: what could not be sent is False. A body so near the queue's limit that the
        attributes do not fit is sent with `error_code` and `job_id` alone, else it is False.
        """
        ...

    def forward(self, lane: Lane, deliveries: Sequence[Delivery]) -> list[bool]:
        """Send deliveries on to a lane's queue; for each, whether it is safely there."""
        ...

    def delay(self, deliveries: Sequence[Delivery], seconds: Sequence[int]) -> None:
        """Make received messages visible again after so many seconds, 0 to 43,200; best effort."""
        ...

    def max_receive_count(self) -> int:
        """Return after how many receives SQS itself moves a message to the dead-letter queue."""
        ...

    def check(self) -> None:
        """Raise `Transient` unless the jobs queue answers."""
        ...

    def send(self, body: str) -> None:
        """Send a message to the jobs queue."""
        ...

    def receive_dead(self, limit: int, visibility_s: int) -> Sequence[Received]:
        """Take up to `limit` messages of the dead-letter queue, none when it is empty."""
        ...

    def delete_dead(self, messages: Sequence[Received]) -> None:
        """Remove messages that were taken from the dead-letter queue."""
        ...

    def release_dead(self, messages: Sequence[Received]) -> None:
        """Make messages that were taken from the dead-letter queue visible again at once."""
        ...


@runtime_checkable
class ByJobId(Protocol):
    """A queue that shows no dead letters, but finds those of a job itself: the HTTP API's."""

    def redrive(self, job_id: str, changes: Mapping[str, Any]) -> Sequence[str]:
        """Send a dead job back to work; return the ids of all jobs of its letters, if any."""
        ...


class JobEvents(Protocol):
    """The topic that hears of every job that ends."""

    def publish(self, records: Sequence[Record]) -> list[bool]:
        """Tell subscribers of records; for each, whether the topic has taken it. Never raises."""
        ...
