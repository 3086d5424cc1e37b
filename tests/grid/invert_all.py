"""Run by mpiexec: inverts all named matrices over the ranks, and writes down what came of them."""

from __future__ import annotations

import hashlib
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).parents[1]))

from matinv.grid import mpi, scalapack
from matinv.grid.cyclic import BlockCyclic
from matinv.grid.engine import Matter, invert
from matinv.grid.result_parts import ResultFile
from matinv.grid.slabs import Slabs
from support.matrices.for_ranks import Named, named

COMM = MPI.COMM_WORLD
LIBRARY = scalapack.load(mpi.of_version(MPI.Get_library_version()).scalapack)
SLAB_BYTES = 20_000  # so that there are several rounds


def outcome(one: Named, *, wide: bool = True) -> dict[str, Any] | None:
    """Return what the ranks found, in the first one."""
    a = one.make()
    flipped = not a.flags.c_contiguous
    rows = a.T if flipped else a
    matter = Matter(len(a), a.dtype, flipped, one.method, wide=wide)
    found = invert(
        COMM, LIBRARY, matter, lambda first, last: rows[first:last], slab_bytes=SLAB_BYTES
    )
    # The file in parts, as they would be written; each part but the last has the same length.
    slabs = Slabs(COMM, found.held, max(1, SLAB_BYTES // (len(a) * a.itemsize)))
    file = ResultFile(slabs, a.dtype, flipped)
    own = [(n, b"".join(part)) for parts in file.parts() for n, part in parts]
    parts = [content for _, content in sorted(pair for of in COMM.allgather(own) for pair in of)]
    if COMM.rank:
        return None
    assert {len(part) for part in parts[:-1]} <= {file.part_bytes}
    assert 0 < len(parts[-1]) <= file.part_bytes
    content = b"".join(parts)
    assert len(content) == file.size_bytes
    failures = found.inverses.failures
    return {
        "code": failures[0].code if failures else None,
        "certificate": found.inverses.certificate(),
        "warnings": found.inverses.warnings,
        "unvouched": found.unvouched,
        "file": content if not failures else b"",
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def with_a_flipped_bit(one: Named) -> dict[str, Any] | None:
    """Return what the ranks found where one of them has a wrong bit in its share."""
    right = BlockCyclic.invert

    def wrong(held: BlockCyclic, *, definite: bool) -> Any:
        done = right(held, definite=definite)
        if COMM.rank == COMM.size - 1:
            local = held.spread.local
            i, j = np.unravel_index(np.abs(local).argmax(), local.shape)
            local[i : i + 1, j].view(np.uint64)[0] ^= np.uint64(1 << 51)
        return done

    BlockCyclic.invert = wrong
    try:
        return outcome(one)
    finally:
        BlockCyclic.invert = right


def main() -> None:
    """Write a pickle to the path that is given."""
    every = {one.name: one for one in named()}
    found = {name: outcome(one) for name, one in every.items()}
    again = ("saddle-float64", "gram-auto-complex128")
    found |= {f"{name} again": outcome(every[name]) for name in again}
    found |= {f"{name} flipped": with_a_flipped_bit(every[name]) for name in again}
    single = ("saddle-float32", "gram-auto-complex64", "saddle-complex64", "gram-auto-float32")
    found |= {f"{name} narrow": outcome(every[name], wide=False) for name in single}
    if COMM.rank == 0:
        Path(sys.argv[1]).write_bytes(pickle.dumps(found))


if __name__ == "__main__":
    main()
