"""The result's file, written by many ranks: each its own slabs, as parts of one size."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from matinv.formats import npy
from matinv.grid.agreement import agreed
from matinv.grid.slabs import SLAB_BYTES, Progress, Slabs
from matinv.ports import MOST_PARTS, Part, RankStore, SentPart, Stored

# S3 takes parts from 5 MiB. Some numbers stay free: the header may need a part more.
LEAST_BYTES: Final = 5 * 2**20
_PARTS: Final = MOST_PARTS - 100


@dataclass(frozen=True, slots=True)
class ResultFile:
    """The .npy file of an inverse that lies in blocks.

    Parameters
    ----------
    slabs : Slabs
        Of `part_bytes` for each rank.
    dtype : dtype
        Of the file.
    flipped : bool
        Whether rows are those of the transpose: the file is by columns then.
    """

    slabs: Slabs
    dtype: np.dtype[Any]
    flipped: bool

    @property
    def header(self) -> bytes:
        """The bytes before the body."""
        n = self.slabs.held.n
        return npy.head(self.dtype.str, (n, n), fortran_order=self.flipped)

    @property
    def part_bytes(self) -> int:
        """Length of each part but the last."""
        return self.slabs.high * self.slabs.held.n * self.dtype.itemsize

    @property
    def size_bytes(self) -> int:
        """Length of the file."""
        return len(self.header) + self.slabs.held.n**2 * self.dtype.itemsize

    def parts(self) -> Iterator[list[tuple[int, list[Part]]]]:
        """Yield in each round the parts of this rank, by number from 1 on.

        The header shifts the rows: what a slab has beyond its part goes to the next rank's.
        """
        comm, end = self.slabs.comm, self.part_bytes - len(self.header)
        before = self.header  # for the first rank, of the last one in the round before
        for first, rows in self.slabs.gathered(self.dtype):
            data = rows.reshape(-1).view(np.uint8).data
            tails = comm.allgather(bytes(data[end:]))
            head = tails[comm.rank - 1] if comm.rank else before
            before = tails[-1]
            number = first // self.slabs.high + 1
            own: list[tuple[int, list[Part]]] = []
            if data:
                own.append((number, [head, data[:end]]))
                if first + len(rows) == self.slabs.held.n and len(data) > end:
                    own.append((number + 1, [data[end:]]))
            yield own

    def write(
        self,
        store: RankStore,
        key: str,
        metadata_of: Callable[[str], dict[str, str]],
        progress: Progress,
    ) -> tuple[Stored, str]:
        """Write the file; return where it is and its hash, that of the hashes of its parts.

        S3 takes an object's metadata before its first byte, and the hash belongs to the metadata:
        so the parts are made twice, which costs less than a rank that hashes all of them.

        Raises
        ------
        MatinvError
            The store's error in any of the ranks.
        """
        comm = self.slabs.comm
        own = [(number, _sha256(part)) for parts in self.parts() for number, part in parts]
        every = sorted(pair for pairs in comm.allgather(own) for pair in pairs)
        sha256 = hashlib.sha256(b"".join(digest for _, digest in every)).hexdigest()
        begun = agreed(
            comm, lambda: store.begin_parts(key, metadata_of(sha256)) if comm.rank == 0 else ""
        )
        upload_id = comm.bcast(begun)
        written = False
        try:
            sent = self._send(store, key, upload_id, progress)
            stored = agreed(
                comm,
                lambda: store.finish_parts(key, upload_id, sent) if comm.rank == 0 else None,
            )
            written = True
        finally:
            if not written and comm.rank == 0:
                store.abort_parts(key, upload_id)
        found: Stored = comm.bcast(stored)
        return found, sha256

    def _send(
        self, store: RankStore, key: str, upload_id: str, progress: Progress
    ) -> list[SentPart]:
        comm, sent = self.slabs.comm, []
        for parts in self.parts():
            sent += agreed(comm, partial(_put, store, key, upload_id, parts))
            if parts:
                progress(parts[-1][0] * self.part_bytes / self.size_bytes)
        return sorted((p for own in comm.allgather(sent) for p in own), key=lambda p: p.number)


def rows_of_part(n: int, itemsize: int, ranks: int) -> int:
    """Return how many rows a part has: a rank's share if it can be, no more than needed."""
    row_bytes = n * itemsize
    share, enough = -(-n // ranks), SLAB_BYTES // row_bytes
    least_bytes = max(LEAST_BYTES, n * row_bytes // _PARTS)
    return max(min(share, enough), -(-least_bytes // row_bytes))


def _put(
    store: RankStore, key: str, upload_id: str, parts: list[tuple[int, list[Part]]]
) -> list[SentPart]:
    return [store.put_part(key, upload_id, number, part) for number, part in parts]


def _sha256(part: list[Part]) -> bytes:
    digest = hashlib.sha256()
    for piece in part:
        digest.update(piece)
    return digest.digest()
