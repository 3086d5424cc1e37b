"""The worker's handle on the child for suspects, and the verdict of the child's end on a job.

Requests are lines of JSON on the child's standard input, replies lines on its standard output:
``{"ready": true}`` once, then for each message ``{"job": null}`` when it is taken, ``{"job": 0}``
and so on as its jobs begin, and in the end ``{"acknowledge": …, "stop": …}``. A pipe needs no
``/dev/shm``, which Lambda does not have.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from matinv import processes, settings
from matinv.errors import Code, Misconfigured, Refused, Transient
from matinv.isolation.child import Died
from matinv.jobs import intake
from matinv.pipeline import Deadline
from matinv.telemetry import LambdaContext

# Python, numpy and botocore take 0.4 s on a laptop, several times that on a fraction of a vCPU.
_START_S: Final = 30.0
_STOP_S: Final = 1.0
_CHUNK_BYTES: Final = 64 * 1024

_HINT: Final = "report it with the matrix; `matinv dlq redrive` tries it again"

_ENDINGS: Final[dict[int, tuple[Code, str, str]]] = {
    signal.SIGXCPU: (
        Code.WORKER_CRASHED,
        "the job took many times the CPU time that was predicted, probably in an endless loop",
        _HINT,
    ),
    # Nobody else sends this one. The child's own limit should have come first.
    signal.SIGKILL: (
        Code.OUT_OF_MEMORY,
        "the system killed the job's process, as it does when memory runs out",
        "give the lane more memory, or split the stack, and send it again",
    ),
}


class ChildProcess:
    """A child that does messages one at a time; see `matinv.isolation.Child`.

    Parameters
    ----------
    context : LambdaContext
        Of the invocation: its request id and memory are in the child's log, too.

    Raises
    ------
    Transient
        INTERNAL, if the child does not come up.
    """

    def __init__(self, context: LambdaContext) -> None:
        self._context = context
        self._read = b""
        # One arena: each thread's own would reserve 64 MiB of the address space that is limited.
        more = {"MALLOC_ARENA_MAX": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        arguments = ["-m", "matinv.isolation", context.aws_request_id]
        try:
            self._process = processes.start(
                [*arguments, str(context.memory_limit_in_mb)],
                env=settings.environment() | more,
                stdout=subprocess.PIPE,
            )
        except OSError as error:
            raise _not_there(str(error)) from error
        end = time.monotonic() + _START_S
        try:
            ready = self._reply(lambda: end - time.monotonic())
        except TimeoutError:
            ready = None
        if not ready:
            raise _not_there(_ending(self._end()))

    def attempt(self, record: intake.Record, deadline: Deadline) -> bool:
        """Do the jobs of a message and return whether it may be acknowledged.

        Raises
        ------
        Died
            The child is gone, killed if it was still at work in the end.
        Misconfigured
            The child handed the message back, because no job can go on.
        Transient
            INTERNAL, if it was gone before it took the message.
        """
        left_s = deadline.remaining_s()
        request = {"record": record, "left_s": left_s, "total_s": deadline.total_s}
        assert self._process.stdin  # noqa: S101 - `child.start` makes a pipe of it
        with suppress(BrokenPipeError):  # there will be no reply, then
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        last: dict[str, Any] = {}
        try:
            while reply := self._reply(deadline.remaining_s):
                if "acknowledge" in reply:
                    if reply["stop"]:
                        raise Misconfigured(Code.ACCESS_DENIED, *reply["stop"])
                    return bool(reply["acknowledge"])
                last = reply
        except TimeoutError:
            self._end()
            late = Transient(
                Code.DEADLINE,
                "the job did not end within the invocation's time",
                "nothing to do: it is delivered again",
                limit=f"{left_s:.1f} s",
            )
            raise Died(late, last.get("job")) from None
        code = self._end()
        if not last:
            raise _not_there(_ending(code))
        crashed = (Code.WORKER_CRASHED, "the job ended its worker's process", _HINT)
        kind, message, hint = _ENDINGS.get(-code, crashed)
        raise Died(Refused(kind, f"{message}: {_ending(code)}", hint), last["job"])

    def stop(self) -> None:
        """Let the child end."""
        processes.stop(self._process, _STOP_S)

    def _reply(self, remaining_s: Callable[[], float]) -> dict[str, Any] | None:
        """Return the child's next line, None if it ended; TimeoutError if neither in time."""
        assert self._process.stdout  # noqa: S101 - as above
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._read:
                if not selector.select(max(0.0, remaining_s())):
                    raise TimeoutError
                chunk = os.read(self._process.stdout.fileno(), _CHUNK_BYTES)
                if not chunk:
                    return None
                self._read += chunk
        line, _, self._read = self._read.partition(b"\n")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _end(self) -> int:
        """See the child off and return its exit code, negative for a signal."""
        # One that closed its pipe is about to end by itself, and how is what we want to know.
        processes.stop(self._process, _STOP_S)
        return self._process.returncode


def _not_there(detail: str) -> Transient:
    return Transient(
        Code.INTERNAL,
        f"cannot start a child process for messages that were received before: {detail}",
        "read the worker's last lines on standard error",
    )


def _ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
