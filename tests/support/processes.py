"""Processes of the local stack, for the tests that kill them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

SOON_S = 60.0  # a bound for what takes a second or two on an idle machine


def until(condition: Callable[[], Any], timeout_s: float = SOON_S) -> Any:
    """Return what `condition` returns once that is true; fail after `timeout_s`."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.02)
    message = f"not within {timeout_s:g} s: {condition}"
    raise AssertionError(message)


@contextmanager
def matinv(
    *arguments: str, env: Mapping[str, str] | None = None, **options: Any
) -> Iterator[subprocess.Popen[str]]:
    """Run ``matinv`` beside the block, and kill it in the end if it still runs."""
    with subprocess.Popen(
        [sys.executable, "-m", "matinv.cli", *arguments],
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        text=True,
        **options,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits for its parent does not."""
    return _output("ps", "-o", "stat=", "-p", str(pid)).strip()[:1] not in {"", "Z"}


def children(pid: int) -> list[int]:
    """Return the pids of a process's children."""
    return [int(line) for line in _output("pgrep", "-P", str(pid)).split()]


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
