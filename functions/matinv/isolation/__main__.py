"""The child: does messages that were delivered before, one at a time, and may die of it.

Run by `matinv.isolation.child_process` as ``python -m matinv.isolation REQUEST_ID MEMORY_MB``. It
ends when its standard input does. What it logs and counts goes to standard error, the worker's own.
"""

from __future__ import annotations

import faulthandler
import json
import os
import queue
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any, Final, TextIO

from matinv import pipeline, telemetry, wiring
from matinv.jobs import intake
from matinv.linalg import lapack
from matinv.pipeline import IDLE_BYTES, App, Deadline, Report
from matinv.telemetry import Context

# A job may take that much more CPU than predicted: calls of AWS, a noisy neighbour's cache, and
# matrices on which an SVD converges slowly are all well inside. An endless loop is not.
_CPU_FACTOR: Final = 10
_CPU_S: Final = 10.0
_CPU_SHARE: Final = 0.1  # of an invocation, where that is less: the neighbours wait meanwhile

# Stacks of threads count as address space: those of I/O, and four for each large body on its way.
_STACKS: Final = 16
_STACK_BYTES: Final = 2 * 2**20

# A child has that much for its job however much the worker holds: it is there to do small ones too.
_LEAST_BYTES: Final = 128 * 2**20


@dataclass(frozen=True, slots=True)
class Allowance(Deadline):
    """A deadline that is also one of CPU time, beyond which the kernel ends the process.

    CPU time, because an endless loop takes it and a slow answer of AWS does not.
    """

    threads: int = 1

    def check(self, needed_s: float = 0.0) -> None:
        """Raise DEADLINE unless `needed_s` fit; allow for as much CPU time, and more."""
        Deadline.check(self, needed_s)
        self.allow(needed_s)

    def begin(self, needed_s: float) -> None:
        """Allow for the CPU time of a step to another way as well."""
        limit_s, hard = resource.getrlimit(resource.RLIMIT_CPU)
        limit_s += ceil(_CPU_FACTOR * self.threads * needed_s)
        resource.setrlimit(resource.RLIMIT_CPU, (limit_s, hard))

    def allow(self, needed_s: float = 0.0) -> None:
        """Let the process live on until it has taken many times `needed_s`."""
        base_s = min(_CPU_S, _CPU_SHARE * self.total_s)
        limit_s = time.process_time() + base_s + _CPU_FACTOR * self.threads * needed_s
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit_s) + 1, hard))


def main() -> None:
    """Serve until standard input ends."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    faulthandler.enable()  # a crash writes its traceback, which has no values in it
    faulthandler.register(signal.SIGXCPU, chain=True)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    app = _bounded(wiring.app())
    request_id, memory_mb = sys.argv[1:]
    context = Context(0.0, memory_mb, request_id)  # time is in each request
    _say(replies, ready=True)
    for request in _requests():
        allowance = _allowance(request["left_s"], request["total_s"], app.lane.threads)
        _say(replies, job=None)
        allowance.allow()
        reports: list[Report] = []
        for number, delivery in enumerate(intake.deliveries({"Records": [request["record"]]})):
            _say(replies, job=number)
            report = pipeline.process(app, [delivery], allowance)
            telemetry.publish(report, context)
            sys.stdout.flush()
            reports.append(report)
        done = not any(report.batch_item_failures()["batchItemFailures"] for report in reports)
        stop = pipeline.stop_of([outcome for report in reports for outcome in report.outcomes])
        _say(replies, acknowledge=done, stop=[stop.info.message, stop.info.hint] if stop else None)


def _allowance(left_s: float, total_s: float, threads: int) -> Allowance:
    end = time.monotonic() + left_s
    return Allowance(lambda: end - time.monotonic(), total_s, threads)


def _say(replies: TextIO, **reply: Any) -> None:
    replies.write(json.dumps(reply) + "\n")


def _requests() -> Iterator[dict[str, Any]]:
    """Yield requests; the end of standard input ends the process, whatever it is doing."""
    waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            waiting.put(json.loads(line))
        os._exit(0)

    threading.Thread(target=read, name="matinv-requests", daemon=True).start()
    while True:
        yield waiting.get()


def _bounded(app: App) -> App:
    """Limit the address space to the memory that the worker leaves; return the service on that."""
    threading.stack_size(_STACK_BYTES)
    lapack.load()  # what it maps is not the job's, nor is it the job's fault if it is wrong here
    if sys.platform != "linux":  # macOS takes the limit and does not keep it
        return app
    worker, own = _Memory.of(os.getppid()), _Memory.of(os.getpid())
    free_bytes = app.lane.memory_mb * 2**20 - worker.resident_bytes - own.resident_bytes
    free_bytes = max(free_bytes, _LEAST_BYTES)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (own.virtual_bytes + free_bytes, hard))
    budget_bytes = min(app.lane.budget_bytes, free_bytes - _STACKS * _STACK_BYTES)
    return replace(app, lane=replace(app.lane, memory_mb=(IDLE_BYTES + budget_bytes) // 2**20))


@dataclass(frozen=True, slots=True)
class _Memory:
    """A process's mapped memory, and the part of it that is resident."""

    virtual_bytes: int
    resident_bytes: int

    @classmethod
    def of(cls, pid: int) -> _Memory:
        virtual, resident, *_ = map(int, Path(f"/proc/{pid}/statm").read_text().split())
        return cls(virtual * resource.getpagesize(), resident * resource.getpagesize())


if __name__ == "__main__":
    main()
