"""Ranks on many machines without ssh: a multi-node job of AWS Batch, by hydra's manual launcher.

MPICH's mpiexec, set to launch nothing, prints the command line of a proxy for each machine; it
listens at a port, by which the proxies come, start their ranks and hand on their output. The main
machine runs its own proxy when it is printed. Each other one lets an mpiexec of its own print what
its proxy would be, puts the main one's address into it, and runs that again and again; all is quiet
while there is no job. So no machine may run commands on another one.

References
----------
.. [1] AWS Batch User Guide, "Environment variables", on multi-node parallel jobs.
.. [2] MPICH wiki, "Using the Hydra process manager": ``-launcher manual``.
"""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Self

PORT: Final = 47_011
MARK: Final = b"HYDRA_LAUNCH:"  # before a proxy's command line in mpiexec's output

_STOP_S: Final = 5.0
_NAP_S: Final = 0.1
_PAUSE_S: Final = 0.5  # before a proxy that found nobody comes again

# Of the environment only this goes from machine to machine: each has credentials of its own.
_SHARED: Final = "OPENBLAS_NUM_THREADS,OMP_NUM_THREADS,MPI4PY_MPIABI,PYTHONPATH,LD_LIBRARY_PATH"


@dataclass(frozen=True, slots=True)
class Nodes:
    """The machines of a job, and this one among them.

    Parameters
    ----------
    count : int
        How many there are.
    number : int
        This one's, 0 for the main one.
    address : str
        Of the main one, as the others reach it.
    """

    count: int
    number: int
    address: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self | None:
        """Return what AWS Batch says in the environment of a multi-node job, None elsewhere."""
        if "AWS_BATCH_JOB_NUM_NODES" not in environment:
            return None
        index = int(environment["AWS_BATCH_JOB_NODE_INDEX"])
        main = int(environment["AWS_BATCH_JOB_MAIN_NODE_INDEX"])
        # The others count from 1 on, whichever of them is the main one.
        number = 0 if index == main else index + (index < main)
        address = environment.get("AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS", "")
        return cls(int(environment["AWS_BATCH_JOB_NUM_NODES"]), number, address)

    def command(self, ranks: int) -> list[str]:
        """Return what begins mpiexec's command line on the main machine."""
        return [
            *("mpiexec.hydra", "-launcher", "manual", "-genvlist", _SHARED),
            *("-hosts", ",".join(f"node{number}" for number in range(self.count))),
            *("-ppn", str(ranks // self.count), "-n", str(ranks)),
        ]

    @staticmethod
    def environment() -> dict[str, str]:
        """Return what mpiexec needs: the port that it listens at."""
        return {"MPIEXEC_PORT_RANGE": f"{PORT}:{PORT}"}

    def proxy(self) -> list[str]:
        """Return the command line of this machine's proxy.

        Raises
        ------
        OSError
            If there is no mpiexec.
        """
        command = [*self.command(self.count), "true"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as mpiexec:  # noqa: S603 - ours
            assert mpiexec.stdout  # noqa: S101 - a pipe, as asked for
            asked = (proxy_of(line, self.number) for line in mpiexec.stdout)
            words = next(filter(None, asked), [])
            mpiexec.kill()
        words[words.index("--control-port") + 1] = f"{self.address}:{PORT}"
        return words

    def serve(self, stopped: Callable[[], bool]) -> None:
        """Run this machine's proxy for job after job, until it should stop."""
        words = self.proxy()
        while not stopped():
            proxy = subprocess.Popen(words, stdin=subprocess.DEVNULL)  # noqa: S603 - ours
            while proxy.poll() is None and not stopped():
                time.sleep(_NAP_S)
            proxy.terminate()
            try:
                code = proxy.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                proxy.kill()
                code = proxy.wait()
            if code:
                time.sleep(_PAUSE_S)


def proxy_of(line: bytes, number: int) -> list[str] | None:
    """Return the command line of a machine's proxy, if a line of mpiexec's output says it."""
    if not line.startswith(MARK):
        return None
    words = shlex.split(line.removeprefix(MARK).decode())
    return words if words[-2:] == ["--proxy-id", str(number)] else None
