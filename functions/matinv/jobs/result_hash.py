"""The hash of a result: of its bytes, or of the hashes of parts that many ranks wrote."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from matinv.jobs.record import ResultInfo


class ResultHash:
    """A SHA-256 that is fed as `hashlib.sha256` is.

    Parameters
    ----------
    part_bytes : int or None
        None for the hash of all bytes; else that of the hashes, end to end, of parts of so many
        bytes, of which the last may be shorter. S3 calls it a composite checksum.
    """

    def __init__(self, part_bytes: int | None = None) -> None:
        self._part_bytes = part_bytes
        self._whole = hashlib.sha256()
        self._part = hashlib.sha256()
        self._room_bytes = part_bytes or 0

    def update(self, data: bytes | memoryview) -> None:
        """Go on with `data`."""
        if self._part_bytes is None:
            self._whole.update(data)
            return
        rest = memoryview(data).cast("B")
        while rest:
            if not self._room_bytes:
                self._whole.update(self._part.digest())
                self._part, self._room_bytes = hashlib.sha256(), self._part_bytes
            piece = rest[: self._room_bytes]
            self._part.update(piece)
            self._room_bytes -= len(piece)
            rest = rest[len(piece) :]

    def hexdigest(self) -> str:
        """Return the hash of all that came."""
        if self._part_bytes is None:
            return self._whole.hexdigest()
        whole = self._whole.copy()
        whole.update(self._part.digest())
        return whole.hexdigest()


def hash_of(result: ResultInfo, pieces: Iterable[bytes]) -> str:
    """Return the hash of a result's bytes, as its record has it."""
    digest = ResultHash(result.part_bytes)
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()
