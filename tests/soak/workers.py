"""Workers: one that lives as long as the soak, others that are killed again and again."""

from __future__ import annotations

import random
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from matinv import processes

COMMAND = ["-m", "matinv.cli", "local", "worker", "--batch-size", "20", "--window", "1"]
STOP_S = 30.0

# A worker takes a second to start. Killed more often, it would use up the receives of its messages.
BETWEEN_KILLS_S = (2.0, 8.0)


@dataclass(slots=True)
class Victim:
    """A worker that a thread kills at random moments and replaces, until the block ends."""

    env: Mapping[str, str]
    chance: random.Random
    kills: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def suffer(self) -> None:
        """Start, kill, start again."""
        process = start(self.env)
        while not self.over.wait(self.chance.uniform(*BETWEEN_KILLS_S)):
            process.send_signal(signal.SIGKILL)
            processes.stop(process, STOP_S)
            self.kills += 1
            process = start(self.env)
        processes.stop(process, STOP_S)


def start(env: Mapping[str, str]) -> subprocess.Popen[str]:
    return processes.start(COMMAND, env=env, stderr=subprocess.DEVNULL)


@contextmanager
def working(
    env: Mapping[str, str], victims: int, seed: int
) -> Iterator[tuple[int, Sequence[Victim]]]:
    """Run the workers for the length of the block; give it the survivor's pid and the victims."""
    hunted = [Victim(env, random.Random(seed + i)) for i in range(victims)]
    threads = [threading.Thread(target=victim.suffer) for victim in hunted]
    survivor = start(env)
    for thread in threads:
        thread.start()
    try:
        yield survivor.pid, hunted
        if survivor.poll() is not None:
            message = f"the worker that nobody killed ended with code {survivor.returncode}"
            raise AssertionError(message)
    finally:
        for victim in hunted:
            victim.over.set()
        for thread in threads:
            thread.join()
        processes.stop(survivor, STOP_S)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process holds."""

    memory_mb: float
    descriptors: int


def usage(pid: int) -> Usage:
    """Return what a process holds now; descriptors are 0 where there is no ``/proc``."""
    listing = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True
    )
    folder = Path(f"/proc/{pid}/fd")
    descriptors = len([*folder.iterdir()]) if folder.is_dir() else 0
    return Usage(int(listing.stdout) / 1024, descriptors)
