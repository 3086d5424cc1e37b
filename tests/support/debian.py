"""Programs that are no packages of Python, installed from Debian where that can be done."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


class MissingError(Exception):
    """This machine lacks something, and the message says what."""


@contextmanager
def alone_with_apt() -> Iterator[None]:
    """Keep pytest's other workers from apt-get, which fails where another one runs."""
    cache = ROOT / ".cache"
    cache.mkdir(exist_ok=True)
    with (cache / "apt-get.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def provide(command: str, *packages: str) -> None:
    """See to it that there is a command, and install Debian's packages if need be.

    Raises
    ------
    MissingError
        If there is none, and none can be installed.
    """
    if shutil.which(command):
        return
    if not shutil.which("apt-get") or os.geteuid() != 0:
        raise MissingError(f"needs {command}: no such command, and no root on Debian to install")
    with alone_with_apt():
        if shutil.which(command):
            return
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
            done = subprocess.run(
                ["apt-get", *arguments],
                capture_output=True,
                text=True,
                check=False,
                env=environment,
            )
            if done.returncode != 0:
                raise MissingError(f"apt-get {' '.join(arguments)} failed: {done.stderr[-300:]}")
