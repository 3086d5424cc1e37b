"""One matrix through ScaLAPACK, the gates and the certificate of `matinv.linalg.large`.

There is no second way here: what the first one does not vouch for is inverted by one process, where
it fits, or refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from matinv.grid.cyclic import BlockCyclic
from matinv.grid.slabs import SLAB_BYTES, Progress, ReadRows, Slabs
from matinv.linalg.certificate import Checked, Side
from matinv.linalg.gates import RESIDUAL_LIMIT, Flaw, Gates, How, Measurements
from matinv.linalg.inverse import Inverses, judged
from matinv.linalg.large import Inversion, Need
from matinv.linalg.types import Method, OnIllConditioned

if TYPE_CHECKING:
    import ctypes

    from mpi4py.MPI import Comm


@dataclass(frozen=True, slots=True)
class Matter:
    """The facts of a matrix that are known before it is read.

    Parameters
    ----------
    n : int
        Its order.
    dtype : dtype
        In which it is given, and its inverse published: native, inexact.
    flipped : bool
        Whether its file is by columns: rows of the file are then those of the transpose.
    method : Method
        AUTO, GENERAL or SPD.
    on_ill_conditioned : OnIllConditioned
        As `matinv.linalg.inverse.invert`.
    wide : bool
        Whether single precision is computed in double, which takes twice its memory.
    """

    n: int
    dtype: np.dtype[Any]
    flipped: bool = False
    method: Method = Method.AUTO
    on_ill_conditioned: OnIllConditioned = OnIllConditioned.WARN
    wide: bool = True


@dataclass(frozen=True, slots=True)
class Inverted:
    """An inverse spread over processes, and the verdict on it.

    Parameters
    ----------
    inverses : Inverses
        Without elements: all of `x` is NaN.
    unvouched : bool
        Whether one process, which has other ways, may come to another verdict.
    held : BlockCyclic
        The inverse.
    """

    inverses: Inverses
    unvouched: bool
    held: BlockCyclic = field(repr=False)


def invert(  # noqa: PLR0913, PLR0917 - a matrix, and where it is computed
    comm: Comm,
    library: ctypes.CDLL,
    matter: Matter,
    read: ReadRows,
    progress: Progress = lambda _share: None,
    slab_bytes: int = SLAB_BYTES,
) -> Inverted:
    """Read a matrix and invert it in its own memory, as all processes of MPI do at once.

    Raises
    ------
    MatinvError
        The error of reading in any of the processes.
    """
    wide = np.promote_types(matter.dtype, np.float64) if matter.wide else matter.dtype
    held = BlockCyclic(comm, library, matter.n, wide, flipped=matter.flipped)
    findings = Measurements.blank(1, How("", "", Side.LEFT, Checked.PROBE), matter.dtype)
    with np.errstate(all="ignore"):
        Slabs.of(comm, held, wide.itemsize, slab_bytes).spread(read, progress)
        need = Inversion(held, matter.dtype, findings, kept=False).run(matter.method)
    if need is Need.ANOTHER and findings.residual[0] >= RESIDUAL_LIMIT:
        # Of ScaLAPACK's pivoting, which grows as LAPACK's does, or of the machine.
        findings.mark(Flaw.OVERWRITTEN, where=True)
    shape = np.broadcast_to(matter.dtype.type(np.nan), (matter.n, matter.n))
    gates = Gates.of(matter.n, matter.dtype)
    inverses = judged(shape, findings, gates, matter.method, matter.on_ill_conditioned)
    unproven = findings.flaw[0] == Flaw.PERHAPS_NOT_POSITIVE
    return Inverted(inverses, bool(need is Need.ANOTHER or unproven), held)
