"""Processes: when one should stop, and children that end with their parent.

A child reads its standard input and stops at its end. The parent holds the other end of that pipe,
which the kernel closes even after ``kill -9``. (Linux's parent-death signal would not do: it fires
when the *thread* that started the child ends, and other systems have none.)
"""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import IO, Final


def start(
    arguments: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    stdout: int | IO[str] = subprocess.DEVNULL,
    stderr: int | IO[str] | None = None,
) -> subprocess.Popen[str]:
    """Start this Python with `arguments`, out of reach of the terminal's Ctrl-C.

    Parameters
    ----------
    arguments : sequence of str
        The arguments after ``python``.
    env : mapping, optional
        Its environment, this process's own by default.
    stdout, stderr : int or file
        Destinations of its output: nowhere and this process's standard error by default.
    """
    return subprocess.Popen(  # noqa: S603 - our own modules
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
        env=env,
        text=True,
        process_group=0,
    )


def stop(child: subprocess.Popen[str], patience_s: float) -> None:
    """Ask a child to stop by ending its input; kill it after `patience_s`."""
    if child.stdin:
        with suppress(BrokenPipeError):  # what it did not read, it will not
            child.stdin.close()
    try:
        child.wait(patience_s)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    if child.stdout:
        child.stdout.close()


@contextmanager
def running(
    arguments: Sequence[str],
    patience_s: float,
    *,
    stdout: int | IO[str] = subprocess.DEVNULL,
    stderr: int | IO[str] | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """Run a child for the length of the block; the arguments are those of `start` and `stop`."""
    child = start(arguments, stdout=stdout, stderr=stderr)
    try:
        yield child
    finally:
        stop(child, patience_s)


def when_orphaned(act: Callable[[], object]) -> None:
    """In a child: call `act` from a thread when the parent has ended or closed the pipe."""

    def watch() -> None:
        sys.stdin.buffer.read()
        act()

    threading.Thread(target=watch, name="matinv-parent", daemon=True).start()


_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def stop_event() -> threading.Event:
    """Return an event that is set when the process should stop; a second signal ends it at once.

    It should on Ctrl-C, on SIGTERM, and at the end of the pipe on its standard input.

    Nobody may wait for it in the main thread: the signal's handler runs there and sets it, which
    takes the lock that a wait holds for a moment. Ask ``is_set()`` between naps.
    """
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        stop.set()

    for number in _SIGNALS:
        signal.signal(number, on_signal)
    if stdin_is_a_pipe():
        when_orphaned(stop.set)
    return stop


def stdin_is_a_pipe() -> bool:
    """Whether this process may have a parent that holds the other end."""
    try:
        return stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode)
    except (AttributeError, OSError, ValueError):  # none, closed, or a test's substitute
        return False
