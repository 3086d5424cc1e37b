"""Row 17: one matrix over four processes, against one process with as many threads as cores.

Wall time of the inversion alone, without start and file. Four ranks of one thread share the cores
of the machine; on two they wait for each other.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.checks import WrongError
from bench.lab import Lab
from bench.measure import UnmeasurableError
from bench.table import Row, at_most

_RANKS: Final = 4
_ORDERS: Final = (2000, 5000)
_ROUNDS: Final = 3

# Both time the same: from a matrix that is read, to its inverse with a certificate.
_OVER_RANKS: Final = """
import json, sys, time
import numpy as np
from mpi4py import MPI
from matinv.grid import engine, mpi, scalapack
comm, n = MPI.COMM_WORLD, int(sys.argv[1])
library = scalapack.load(mpi.of_version(MPI.Get_library_version()).scalapack)
a = np.random.default_rng(n).standard_normal((n, n))
matter = engine.Matter(n, a.dtype)
for _ in range(int(sys.argv[2])):
    comm.Barrier()
    begun = time.perf_counter()
    done = engine.invert(comm, library, matter, lambda first, last: a[first:last])
    comm.Barrier()
    if comm.rank == 0:
        spent = time.perf_counter() - begun
        print(json.dumps({"s": spent, "digits": done.inverses.certificate().digits}), flush=True)
"""
_ALONE: Final = """
import json, sys, time
import numpy as np
from matinv.linalg import crew
from matinv.linalg.inverse import invert
n = int(sys.argv[1])
a = np.random.default_rng(n).standard_normal((n, n))
crew.set_threads(int(sys.argv[3]))
for _ in range(int(sys.argv[2])):
    work = a.copy()
    begun = time.perf_counter()
    done = invert(work, overwrite=True)
    spent = time.perf_counter() - begun
    print(json.dumps({"s": spent, "digits": done.certificate().digits}), flush=True)
"""


def over_ranks(lab: Lab) -> Iterator[Row]:
    """Yield a row for each order."""
    from matinv.errors import Misconfigured  # noqa: PLC0415 - this row alone
    from matinv.grid.mpi import installed  # noqa: PLC0415 - likewise

    try:
        mpi = installed()
    except Misconfigured as missing:
        raise UnmeasurableError(str(missing)) from None
    cores = os.cpu_count() or 1
    for n in _ORDERS[: 1 if lab.quick else None]:
        words = [str(n), str(_ROUNDS)]
        command = [*mpi.command(_RANKS), sys.executable, "-m", "mpi4py", "-c", _OVER_RANKS]
        ours = _least_s([*command, *words], dict(mpi.environment), threads=1)
        alone = [sys.executable, "-c", _ALONE, *words, str(cores)]
        peer = _least_s(alone, {}, threads=cores)
        work = f"over {_RANKS} ranks on {cores} cores, n = {n}: wall time [ms]"
        yield Row(17, work, 1e3 * ours, 1e3 * peer, ours / peer, at_most(1.5))


def _least_s(command: list[str], more: dict[str, str], *, threads: int) -> float:
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
    environment = os.environ | more | dict.fromkeys(names, str(threads))
    environment["PYTHONPATH"] = str(Path(__file__).parents[2] / "functions")
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    rounds = [json.loads(line) for line in done.stdout.splitlines()]
    if not all(found["digits"] > 6 for found in rounds):
        message = "an inverse of a random matrix has hardly a digit"
        raise WrongError(message)
    return min(float(found["s"]) for found in rounds)
