"""A lane: a queue and the machine that serves it, and which jobs that machine takes.

Nothing here imports numpy: its BLAS reads how many threads it may use when it is loaded, and this
module says how many that are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

# Lambda gives one vCPU per 1,769 MB (AWS Lambda Developer Guide, "Configure Lambda function
# memory") and has no function above 10,240 MB, so that the ratio says nothing of larger machines.
MB_PER_VCPU: Final = 1769
LAMBDA_MB: Final = 10_240

# Time that must be left after the work for publishing and answering. Writing 100 records takes
# about 0.1 s and a PUT of 100 MB about 1 s inside a region.
MARGIN_S: Final = 2.0

# What a worker holds before its first job: 67 MB were measured on Linux (Python, numpy, clients
# of AWS); the rest is for buffers, threads and the allocator.
IDLE_BYTES: Final = 160 * 2**20


# OpenBLAS, numpy's and scipy's, is built for so many threads at most (MAX_THREADS of the wheels of
# scipy-openblas64): further ones idle. Only several processes use more of one machine.
MOST_THREADS: Final = 64


@dataclass(frozen=True, slots=True)
class Ticket:
    """A request for the machine of a lane whose machines do not run all the time.

    It carries no job: the machine polls the lane's queue, and ends when that is empty.

    Parameters
    ----------
    queue, definition : str
        Names or ARNs of AWS Batch's job queue and job definition.
    """

    queue: str
    definition: str


@dataclass(frozen=True, slots=True)
class Lane:
    """A queue, the machine that serves it, and where the jobs go that are too large for it.

    Parameters
    ----------
    name : str
        ``standard``, ``large``, …
    queue_url : str
        Its queue; empty where nobody needs to know.
    memory_mb : int
        Memory of the machine in MiB, which Lambda calls MB.
    threads : int
        Threads that one matrix is computed with.
    timeout_s : float
        Time that a batch has.
    next : Lane or None
        The larger lane behind this one, if there is one.
    ticket : Ticket or None
        The request for a machine; None where one runs all the time, or AWS starts it itself.
    ranks : int
        Processes of MPI that one matrix is spread over, which share the threads; 0 computes it in
        the worker itself.
    """

    name: str
    queue_url: str
    memory_mb: int
    threads: int
    timeout_s: float
    next: Lane | None = None
    ticket: Ticket | None = None
    ranks: int = 0

    def __iter__(self) -> Iterator[Lane]:
        """Yield this lane and those behind it, the smallest first."""
        lane: Lane | None = self
        while lane:
            yield lane
            lane = lane.next

    @property
    def budget_bytes(self) -> int:
        """Memory for jobs: what an idle worker leaves."""
        return self.memory_mb * 2**20 - IDLE_BYTES

    @property
    def budget_s(self) -> float:
        """Time for one job."""
        return self.timeout_s - MARGIN_S

    def admits(self, memory_bytes: int, seconds: float) -> bool:
        """Whether a job fits that takes so much memory, and so long with all threads it gets."""
        return memory_bytes <= self.budget_bytes and seconds <= self.budget_s

    def first_for(self, memory_bytes: int, cpu_s: float, serial_s: float = 0.0) -> Lane | None:
        """Return the first lane from here on that admits a job, None if there is none.

        Parameters
        ----------
        memory_bytes : int
            Peak over an idle worker.
        cpu_s : float
            CPU time of the job, which a lane's threads share.
        serial_s : float
            The part of it that they do not.
        """
        for lane in self:
            if lane.admits(memory_bytes, serial_s + (cpu_s - serial_s) / lane.threads):
                return lane
        return None


def threads_of(memory_mb: int) -> int:
    """Return the vCPUs that Lambda gives a function of this memory, at least one.

    Examples
    --------
    >>> threads_of(1769), threads_of(10240)
    (1, 5)
    """
    return max(1, memory_mb // MB_PER_VCPU)


# As infra/service deploys them.
STANDARD_MB: Final = 1769
STANDARD_S: Final = 120.0
LARGE_MB: Final = LAMBDA_MB
LARGE_S: Final = 900.0

# Fargate's largest task, and what SQS's 12 hours of invisibility leave without a risk.
HUGE_MB: Final = 120 * 1024
HUGE_THREADS: Final = 16
HUGE_S: Final = 41_400.0

# One r8g.48xlarge, 192 vCPUs and 1,536 GiB, of which ECS and the system keep a part; 12 ranks of 16
# threads keep each within a socket.
GRID_MB: Final = 1_500_000
GRID_THREADS: Final = 192
GRID_RANKS: Final = 12


def standard(queue_url: str, following: Lane | None = None) -> Lane:
    """Return the standard lane as it is deployed."""
    return Lane("standard", queue_url, STANDARD_MB, threads_of(STANDARD_MB), STANDARD_S, following)


def large(queue_url: str, following: Lane | None = None) -> Lane:
    """Return the large lane as it is deployed."""
    return Lane("large", queue_url, LARGE_MB, threads_of(LARGE_MB), LARGE_S, following)


def huge(queue_url: str, following: Lane | None = None) -> Lane:
    """Return the lane of one machine beyond Lambda, as it is deployed."""
    return Lane("huge", queue_url, HUGE_MB, HUGE_THREADS, HUGE_S, following)


def grid(queue_url: str, following: Lane | None = None) -> Lane:
    """Return the lane of many processes, as it is deployed."""
    return Lane("grid", queue_url, GRID_MB, GRID_THREADS, HUGE_S, following, ranks=GRID_RANKS)
