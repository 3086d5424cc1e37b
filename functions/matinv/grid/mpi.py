"""Which MPI there is: how its processes are launched, and the ScaLAPACK that was built for it.

mpi4py's wheel takes Open MPI or MPICH, whichever it finds; ScaLAPACK's C layer is compiled for one
of them. Both are Debian's packages: ``openmpi-bin libscalapack-openmpi2.2`` or ``mpich
libscalapack-mpich2.2``.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from matinv.errors import Code, Misconfigured

INSTALL: Final = "on Debian: apt-get install openmpi-bin libscalapack-openmpi2.2"


@dataclass(frozen=True, slots=True)
class Mpi:
    """An implementation of MPI.

    Parameters
    ----------
    name : str
        As mpi4py calls it in ``MPI4PY_MPIABI``.
    launcher : str
        Its own name of mpiexec, where Debian's alternatives may lead to another one.
    options : sequence of str
        The launcher's options: ranks may be more than cores, and threads are theirs to place.
    environment : mapping
        Variables that its processes need.
    scalapack : sequence of str
        Names of the library, the first to try first.
    """

    name: str
    launcher: str
    options: Sequence[str]
    environment: Mapping[str, str]
    scalapack: Sequence[str]

    def command(self, ranks: int) -> list[str]:
        """Return the begin of a command line that starts some processes on this machine."""
        return [self.launcher, *self.options, "-n", str(ranks)]


OPEN_MPI: Final = Mpi(
    "openmpi",
    "mpiexec.openmpi",
    # Without them, 30 s instead of 0.5 for n = 2000 where four ranks share two cores. In a
    # container they are root, and may not read each other's memory.
    (
        *("--allow-run-as-root", "--oversubscribe", "--bind-to", "none"),
        *("--mca", "btl_vader_single_copy_mechanism", "none"),
    ),
    {
        "MPI4PY_MPIABI": "openmpi",
        "OMPI_MCA_mpi_yield_when_idle": "1",
        "OMPI_MCA_rmaps_base_oversubscribe": "1",
    },
    ("libscalapack-openmpi.so.2.2", "libscalapack-openmpi.so"),
)

# It never yields while it waits, so that ranks should not be more than cores. What mpi4py looks for
# as libmpi.so.12 Debian calls libmpich.so.12: it needs a link.
MPICH: Final = Mpi(
    "mpich",
    "mpiexec.mpich",
    (),
    {"MPI4PY_MPIABI": "mpich"},  # else mpi4py takes Open MPI, if that is there, too
    ("libscalapack-mpich.so.2.2", "libscalapack-mpich.so"),
)

KNOWN: Final = (OPEN_MPI, MPICH)


def of_version(text: str) -> Mpi:
    """Return the MPI that says so of itself: ``MPI_Get_library_version``."""
    return MPICH if "MPICH" in text else OPEN_MPI


def installed() -> Mpi:
    """Return the MPI of this machine.

    Raises
    ------
    Misconfigured
        If there is none.
    """
    for mpi in KNOWN:
        if shutil.which(mpi.launcher):
            return mpi
    tried = ", ".join(mpi.launcher for mpi in KNOWN)
    message = f"this machine has no MPI: looked for {tried}"
    raise Misconfigured(Code.ACCESS_DENIED, message, INSTALL)
