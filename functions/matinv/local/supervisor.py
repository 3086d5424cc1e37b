"""``matinv local up``: a stack and its workers, which are replaced when they crash."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Final

from matinv import processes
from matinv.jobs.lanes import Lane
from matinv.local.stack import Shape, Stack, StackError

_LOOK_S: Final = 0.1
_STOP_S: Final = 10.0  # for the batch in hand
_HEALTHY_S: Final = 10.0  # a worker that lived so long is replaced at once
_RESTART_S: Final = (0.0, 0.5, 1.0, 2.0, 5.0)  # for one that did not; the last repeats
_ENDPOINT: Final = re.compile(r"^export AWS_ENDPOINT_URL=http://127\.0\.0\.1:(\d+)$", re.M)
_HEADER: Final = "# Written by `matinv local up`; gone when it stops.\n"


class Kept:
    """A process that is started again when it ends, as Lambda replaces a worker that crashed.

    Parameters
    ----------
    name : str
        Its name for people: ``a worker``.
    arguments : sequence of str
        The arguments after ``python -m``.
    env : mapping
        Its environment.
    note : callable
        Takes a line for people.
    log : file
        Takes its output.
    for_people : bool
        Whether its standard error is for the person at the terminal instead.
    """

    def __init__(  # noqa: PLR0913 - a process, and where its lines go
        self,
        name: str,
        arguments: Sequence[str],
        env: Mapping[str, str],
        note: Callable[[str], object],
        *,
        log: IO[str],
        for_people: bool = False,
    ) -> None:
        self._name = name
        self._command = ["-m", *arguments]
        self._env = env
        self._note = note
        self._log = log
        self._errors = None if for_people else log
        self._short_lives = 0
        self._start_at = 0.0
        self._start()

    def _start(self) -> None:
        self._started = time.monotonic()
        self._process = processes.start(
            self._command, env=self._env, stdout=self._log, stderr=self._errors
        )

    def tend(self) -> None:
        """Start it again if it has ended, after a pause if it keeps ending."""
        now = time.monotonic()
        code = self._process.poll()
        if code is None:
            return
        if not self._start_at:
            lived = now - self._started
            self._short_lives = 0 if lived >= _HEALTHY_S else self._short_lives + 1
            pause_s = _RESTART_S[min(self._short_lives, len(_RESTART_S) - 1)]
            self._note(f"{self._name} ended with code {code}; starting another in {pause_s:g} s")
            processes.stop(self._process, 0)
            self._start_at = now + pause_s
        if now >= self._start_at:
            self._start_at = 0.0
            self._start()

    def stop(self) -> None:
        """Let it finish its batch, then end it."""
        processes.stop(self._process, _STOP_S)


def serve(  # noqa: PLR0913 - a stack and what runs beside it
    shape: Shape,
    workers: int,
    arguments: Callable[[Lane], Sequence[str]],
    ready: Callable[[Stack], object],
    note: Callable[[str], object],
    *,
    log: IO[str],
    api_port: int | None = None,
    console: Sequence[str] | None = None,
) -> None:
    """Run a stack and its workers, and perhaps a console, until it is stopped.

    Parameters
    ----------
    shape : Shape
        Of the stack.
    workers : int
        Workers of the jobs queue; each larger lane has one, unless there are none at all.
    arguments : callable
        Returns what follows ``matinv`` to run a worker of a lane.
    ready : callable
        Called once with the stack, when everything exists.
    note : callable
        Takes a line for people.
    log : file
        Takes what the workers and the HTTP API log.
    api_port : int, optional
        The port to serve the HTTP API at, too.
    console : sequence of str, optional
        Options of ``matinv console``.

    Raises
    ------
    StackError
        If the embedded AWS does not start, or ends.
    """
    stop = processes.stop_event()
    with Stack.start(shape) as stack, ExitStack() as ending:
        kept: list[Kept] = []
        for lane in stack.settings.lane:
            own = stack.of_lane(lane).process_environment(os.environ)
            count = workers if lane is stack.settings.lane else min(workers, 1)
            kept += [Kept("a worker", arguments(lane), own, note, log=log) for _ in range(count)]
        env = stack.process_environment(os.environ)
        if console is not None:  # it prints its link
            served = ["matinv.cli", "console", *console]
            kept.append(Kept("the console", served, env, note, log=log, for_people=True))
        if api_port is not None:
            note(f"the HTTP API will be at http://127.0.0.1:{api_port}")
            served = ["matinv.cli", "local", "api", "--port", str(api_port)]
            kept.append(Kept("the HTTP API", served, env, note, log=log))
        for process in kept:
            ending.callback(process.stop)
        announced = False
        while not stop.is_set():
            if not stack.alive():
                message = "the embedded AWS ended; its state is lost"
                raise StackError(message)
            if not announced:
                announced = api_port is None or _listens(api_port)
                if announced:
                    ready(stack)
            for process in kept:
                process.tend()
            time.sleep(_LOOK_S)


def _listens(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def env_file(path: Path | None, note: Callable[[str], object]) -> Iterator[Callable[[str], None]]:
    """Give the block a function that writes `path` in one step; the file goes with the block.

    Parameters
    ----------
    path : Path or None
        The file, if there is to be one.
    note : callable
        Takes a line for people, if a stack that was killed left the file behind.

    Raises
    ------
    FileExistsError
        If the file belongs to a stack that runs, or no stack wrote it.
    """
    if path is None:
        yield lambda _: None
        return
    if path.exists():
        left = path.read_text(errors="replace")
        if not left.startswith(_HEADER):
            raise FileExistsError(0, "exists, and `matinv local up` did not write it", str(path))
        if (running := _ENDPOINT.search(left)) and _listens(int(running[1])):
            message = f"belongs to the stack that runs at http://127.0.0.1:{running[1]}"
            raise FileExistsError(0, message, str(path))
        note(f"replacing {path}, which was left behind by a stack that was killed")
        path.unlink()

    def write(text: str) -> None:
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        part.write_text(_HEADER + text)
        part.replace(path)

    try:
        yield write
    finally:
        path.unlink(missing_ok=True)
