"""Rows in, rows out: slabs of a matrix on their way between a file and ScaLAPACK's blocks.

A file by rows is read by rows. In each round every rank has the next few rows, one slab, and all of
them together are copied to their blocks, or from there: never more than a slab is held twice. The
result's file is cut into parts of one size, which is that of a slab; the file's header comes first,
so that each rank leaves its last few bytes to the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from matinv.grid.agreement import agreed
from matinv.grid.cyclic import BlockCyclic
from matinv.grid.scalapack import Grid, Spread
from matinv.linalg.types import Matrix

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

# A request of S3 takes 20 to 50 ms before its first byte, a slab of 32 MiB 0.4 s.
SLAB_BYTES: Final = 32 * 2**20

ReadRows = Callable[[int, int], Matrix]
"""Returns the rows from one to another, shape (m, n), in the dtype of the matrix."""

Progress = Callable[[float], object]
"""Hears of the share that is done."""


@dataclass(frozen=True, slots=True)
class Slabs:
    """How a matrix of order `n` goes by rows: `high` of them at a time for each rank."""

    comm: Comm
    held: BlockCyclic
    high: int

    @classmethod
    def of(cls, comm: Comm, held: BlockCyclic, itemsize: int, slab_bytes: int) -> Slabs:
        """Return slabs of about so many bytes, and no longer than a rank's share of the rows."""
        share = -(-held.n // comm.size)
        return cls(comm, held, max(1, min(share, slab_bytes // (held.n * itemsize))))

    def spread(self, read: ReadRows, progress: Progress) -> None:
        """Read all rows and copy them to their blocks; the next slab is read meanwhile.

        Raises
        ------
        MatinvError
            The error of reading in any of the ranks.
        """
        with ThreadPoolExecutor(1) as ahead:
            mine = [span for _, span in self._rounds()]
            reading = [ahead.submit(read, *mine[0])]
            for number, (begin, span) in enumerate(self._rounds()):
                rows = agreed(self.comm, reading.pop().result)
                if number + 1 < len(mine):
                    reading.append(ahead.submit(read, *mine[number + 1]))
                slab = self._slab(begin)
                slab.local[:, : len(rows)] = rows.T
                del rows
                slab.copy_to(self.held.spread, slab.shape, target_begin=begin)
                progress(min(1.0, span[1] / self.held.n))

    def gathered(self, dtype: np.dtype[Any]) -> Iterator[tuple[int, Matrix]]:
        """Yield in each round the first of the own rows and these rows, in a dtype."""
        for begin, (first, last) in self._rounds():
            slab = self._slab(begin)
            self.held.spread.copy_to(slab, slab.shape, begin=begin)
            yield first, np.ascontiguousarray(slab.local.T[: last - first], dtype)

    def _rounds(self) -> Iterator[tuple[int, tuple[int, int]]]:
        """Yield the first row of each round, and the span of those of this rank."""
        n = self.held.n
        for begin in range(0, n, self.high * self.comm.size):
            first = min(n, begin + self.comm.rank * self.high)
            yield begin, (first, min(n, first + self.high))

    def _slab(self, begin: int) -> Spread:
        """Return room for the rows of a round, which to ScaLAPACK are columns."""
        n, across = self.held.n, Grid.of_line(self.held.spread.grid.library, self.comm.size)
        wide = min(n - begin, self.high * self.comm.size)
        return Spread.empty(across, (n, wide), (n, self.high), self.held.dtype)
