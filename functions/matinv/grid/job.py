"""The ranks' work on an assignment: read, invert, judge, write, answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np
import orjson

from matinv.errors import MatinvError
from matinv.formats import npy
from matinv.formats.npy_header import Header
from matinv.grid.engine import Matter, invert
from matinv.grid.launch import INVERTED, PERCENT
from matinv.grid.result_parts import ResultFile, rows_of_part
from matinv.grid.slabs import Slabs
from matinv.grid.wire import Assignment, Published, UnvouchedError
from matinv.linalg.types import Matrix
from matinv.ports import RankStore

if TYPE_CHECKING:
    import ctypes

    from mpi4py.MPI import Comm

_READ: Final = 10  # percent


def answer(
    comm: Comm,
    library: ctypes.CDLL,
    store: RankStore,
    assignment: Assignment,
    note: Callable[[int], object],
) -> Published:
    """Do an assignment, as all ranks do at once.

    Parameters
    ----------
    note : callable
        Hears how many percent are done.

    Raises
    ------
    UnvouchedError
        If one process may find an inverse.
    MatinvError
        Why there is none.
    """
    header = assignment.header
    n, dtype = header.n, header.working_dtype
    matter = Matter(
        n,
        dtype,
        header.fortran_order,
        assignment.method,
        assignment.on_ill_conditioned,
        assignment.wide,
    )

    def read(first: int, last: int) -> Matrix:
        row_bytes = n * header.dtype.itemsize
        rows = Header((last - first, n), header.dtype, fortran_order=False)
        if not rows.body_bytes:  # of the last round not every rank has rows
            return np.empty(rows.shape, dtype)
        begin = assignment.begin + first * row_bytes
        with store.open_range(assignment.reference, begin, rows.body_bytes) as blob:
            return npy.read_body(blob, rows)

    done = invert(comm, library, matter, read, lambda share: note(int(_READ * share)))
    inverses = done.inverses
    if inverses.failures:
        error: MatinvError = inverses.failures[0]
        if done.unvouched:
            raise UnvouchedError(error)
        raise error
    note(INVERTED)
    slabs = Slabs(comm, done.held, rows_of_part(n, dtype.itemsize, comm.size))
    file = ResultFile(slabs, dtype, header.fortran_order)
    certificate = inverses.certificate()

    def metadata(sha256: str) -> dict[str, str]:
        return dict(assignment.metadata) | {
            "matinv-sha256": sha256,
            "matinv-part-bytes": str(file.part_bytes),
            "matinv-bytes": str(file.size_bytes),
            "matinv-certificate": orjson.dumps(certificate.document()).decode(),
        }

    rest = PERCENT - INVERTED
    stored, sha256 = file.write(
        store,
        assignment.result_key,
        metadata,
        lambda share: note(min(PERCENT, INVERTED + int(rest * share))),
    )
    return Published(
        certificate, inverses.warnings, stored, sha256, file.part_bytes, file.size_bytes
    )
