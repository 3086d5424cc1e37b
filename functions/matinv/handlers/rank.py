"""A rank: one of the processes of MPI that a matrix is spread over.

`matinv.grid.launch` runs ``mpiexec … python -m mpi4py -m matinv.handlers.rank``. The first rank
reads one assignment from its standard input, and all end when that does; it writes news and the
answer to standard output. All else that is said goes to standard error.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from matinv import wiring
from matinv.errors import MatinvError
from matinv.grid import job, mpi, scalapack
from matinv.grid.launch import ORPHANED, OUT_OF_MEMORY
from matinv.grid.wire import Assignment, UnvouchedError, said
from matinv.settings import Settings


def main() -> None:
    """Answer one assignment; an error that nobody expects ends all ranks (``-m mpi4py``)."""
    from mpi4py import MPI  # noqa: PLC0415 - starts MPI, which Lambda's image does not have

    comm = MPI.COMM_WORLD
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # libraries print what they like

    answered = threading.Event()

    def say(**reply: Any) -> None:
        if "percent" not in reply:
            answered.set()
        if comm.rank == 0:
            replies.write(json.dumps(reply) + "\n")

    try:
        library = scalapack.load(mpi.of_version(MPI.Get_library_version()).scalapack)
        store = wiring.store(Settings.from_environment())
        line = sys.stdin.readline() if comm.rank == 0 else ""
        assignment = Assignment.of(json.loads(comm.bcast(line)))
        if comm.rank == 0:
            threading.Thread(
                target=_end_with_stdin, args=[answered], name="matinv-parent", daemon=True
            ).start()
        _limit(assignment.memory_bytes)
        try:
            found = job.answer(comm, library, store, assignment, lambda done: say(percent=done))
        except UnvouchedError as unvouched:
            say(unvouched=said(unvouched.error))
        except MatinvError as error:
            say(error=said(error))
        else:
            say(published=found.document())
    except MemoryError:
        traceback.print_exc()
        comm.Abort(OUT_OF_MEMORY)


def _end_with_stdin(answered: threading.Event) -> None:
    """End the run when its launcher has ended, or wants it to."""
    sys.stdin.read()
    if not answered.is_set():
        os._exit(ORPHANED)


def _limit(memory_bytes: int) -> None:
    """Limit the memory of this rank from now on, so that it can report a shortage."""
    for kind in (resource.RLIMIT_CPU, resource.RLIMIT_AS):  # those of whoever launched it
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (hard, hard))
    if sys.platform == "linux":  # macOS takes the limit and does not keep it
        own = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (own + memory_bytes, hard))


if __name__ == "__main__":
    main()
