"""Launch ranks for one assignment, and report their end.

The assignment is a line on the first rank's standard input, which stays open for as long as the
answer is wanted: the end of this process, even by ``kill -9``, ends the ranks.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from matinv.errors import Code, MatinvError, Refused
from matinv.grid import nodes
from matinv.grid.wire import Assignment, Published, UnvouchedError, error_of

MODULE: Final = "matinv.handlers.rank"  # by mpi4py, which ends all ranks with one

# Percent that are done when the arithmetic is, and when all is.
INVERTED: Final = 90
PERCENT: Final = 100

# Exit codes of ranks, which mpiexec hands on.
OUT_OF_MEMORY: Final = 77
ORPHANED: Final = 78

# What ends a process against its will; no rank exits by one of these codes.
_SIGNALS: Final = frozenset(
    {
        *(signal.SIGKILL, signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE),
        *(signal.SIGILL, signal.SIGXCPU, signal.SIGTERM),
    }
)
_SIGNALLED: Final = 128

_PATIENCE_S: Final = 0.5  # between looks at whether the answer is still wanted
_STOP_S: Final = 5.0
_CHUNK_BYTES: Final = 64 * 1024


class RankDied(Exception):
    """A rank ended without an answer, and the others with it.

    Parameters
    ----------
    error : MatinvError
        The job's error, if the job is to blame.
    """

    def __init__(self, error: MatinvError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True)
class Launcher:
    """Ranks on this machine, or on several.

    Parameters
    ----------
    command : sequence of str
        The beginning of the command line: mpiexec and its options.
    ranks : int
        How many there are.
    environment : mapping
        Theirs.
    nodes : int
        On how many machines.
    """

    command: Sequence[str]
    ranks: int
    environment: Mapping[str, str] = field(repr=False)
    nodes: int = 1

    def ask(
        self,
        assignment: Assignment,
        wanted: Callable[[], object],
        note: Callable[[int], object] = lambda _percent: None,
    ) -> Published:
        """Return the inverse that the ranks have published.

        Parameters
        ----------
        wanted : callable
            Raises as soon as nobody waits for the answer any more.
        note : callable
            Hears how many percent are done.

        Raises
        ------
        UnvouchedError
            If one process may find an inverse.
        RankDied
            If a rank ended without a word.
        MatinvError
            Why there is no inverse: OUT_OF_MEMORY, if a rank said so.
        """
        begun = time.monotonic()
        ranks = subprocess.Popen(  # noqa: S603 - our own modules
            [*self.command, sys.executable, "-m", "mpi4py", "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=dict(self.environment),
            process_group=0,
        )
        proxies: list[subprocess.Popen[bytes]] = []
        try:
            reply = _reply(ranks, assignment, wanted, note, proxies)
        finally:
            _stop(ranks)
            for proxy in proxies:  # they end with mpiexec
                proxy.wait()
        if reply is None and ranks.returncode == OUT_OF_MEMORY:
            raise Refused(
                Code.OUT_OF_MEMORY,
                "a rank ran out of memory on this job",
                "give the lane more memory, and send it again",
            )
        if reply is None:
            raise RankDied(_ending(ranks.returncode, time.monotonic() - begun))
        if "published" in reply:
            return Published.of(reply["published"])
        if "unvouched" in reply:
            raise UnvouchedError(error_of(reply["unvouched"]))
        raise error_of(reply["error"])


def _reply(
    ranks: subprocess.Popen[bytes],
    assignment: Assignment,
    wanted: Callable[[], object],
    note: Callable[[int], object],
    proxies: list[subprocess.Popen[bytes]],
) -> dict[str, Any] | None:
    """Return the answer's line, None if the ranks ended without one."""
    assert ranks.stdin and ranks.stdout  # noqa: S101, PT018 - pipes, as asked for
    with suppress(BrokenPipeError):  # they have ended already
        ranks.stdin.write(json.dumps(assignment.document()).encode() + b"\n")
        ranks.stdin.flush()
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(ranks.stdout, selectors.EVENT_READ)
        while True:
            wanted()
            if not selector.select(_PATIENCE_S):
                continue
            chunk = os.read(ranks.stdout.fileno(), _CHUNK_BYTES)
            if not chunk:
                return None
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if own := nodes.proxy_of(line, 0):
                    proxies.append(subprocess.Popen(own))  # noqa: S603 - mpiexec's own words
                if not line.startswith(b"{"):  # mpiexec speaks, too
                    sys.stderr.write(line.decode(errors="replace") + "\n")
                    continue
                said: dict[str, Any] = json.loads(line)
                if "percent" not in said:
                    return said
                note(said["percent"])


def _stop(ranks: subprocess.Popen[bytes]) -> None:
    """Let ranks end that have answered, or ended; end all others."""
    assert ranks.stdin and ranks.stdout  # noqa: S101, PT018 - as above
    with suppress(BrokenPipeError):
        ranks.stdin.close()
    try:
        ranks.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(ranks.pid, signal.SIGKILL)
        ranks.wait()
    ranks.stdout.close()


def _ending(code: int, lived_s: float) -> MatinvError:
    """Return the error that mpiexec's exit code stands for."""
    # Open MPI says a rank's signal as a shell does, MPICH as it is, the system mpiexec's own as -9.
    number = abs(code) % _SIGNALLED
    killed = number in _SIGNALS
    what = signal.Signals(number).name if killed else f"exit code {code}"
    after = f"a rank ended after {lived_s:.0f} s: {what}"
    if killed and number == signal.SIGKILL:
        return Refused(
            Code.OUT_OF_MEMORY,
            f"the system killed a rank, as it does when memory runs out: {after}",
            "give the lane more memory, and send it again",
        )
    return Refused(
        Code.WORKER_CRASHED,
        f"the job ended one of its ranks: {after}",
        "report it with the matrix; `matinv dlq redrive` tries it again",
    )
