"""What it takes to build and run an arm64 image on a Debian machine of another kind.

buildah builds without a daemon, qemu runs the programs, and both come from Debian's packages.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

from support.debian import alone_with_apt

ROOT: Final = Path(__file__).parents[2]
CACHE: Final = ROOT / ".cache" / "image"

_PACKAGES: Final = {"buildah": "buildah", "qemu-aarch64-static": "qemu-user-static"}
_BINFMT: Final = Path("/proc/sys/fs/binfmt_misc")
_RULE: Final = Path("/usr/lib/binfmt.d/qemu-aarch64.conf")


class MissingError(Exception):
    """This machine lacks something, and the message says what."""


def architecture() -> str:
    """Return Debian's name of this machine's architecture."""
    return {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


def prepare() -> None:
    """Make this machine able to build and run arm64 images.

    Raises
    ------
    MissingError
        If it cannot be made so.
    """
    if not shutil.which("apt-get"):
        raise MissingError("needs Debian's packages: an arm64 Python, and buildah and qemu")
    if os.geteuid() != 0:
        raise MissingError("needs root, to mount file systems and to run programs in them")
    missing = [package for command, package in _PACKAGES.items() if not shutil.which(command)]
    if missing:
        with alone_with_apt():
            run("apt-get", "update")
            run("apt-get", "install", "--yes", "--no-install-recommends", *missing)
    if architecture() != "arm64" and not (_BINFMT / "qemu-aarch64").exists():
        _let_the_kernel_run_arm64()


def _let_the_kernel_run_arm64() -> None:
    if not (_BINFMT / "register").exists():
        run("mount", "-t", "binfmt_misc", "binfmt_misc", str(_BINFMT))
    # Its flag F opens qemu now, so that it is there inside other roots too.
    (_BINFMT / "register").write_text(_RULE.read_text().strip())


@contextmanager
def alone() -> Iterator[None]:
    """Keep other processes out: two that install, fetch or build the same would fail."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(*command: str, env: Mapping[str, str] | None = None) -> str:
    """Run a command to its end and return what it printed; what it said is in the error."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"} | (env or {})
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def buildah(*arguments: str) -> str:
    """Run buildah on images of our own and return what it printed."""
    return run("buildah", *arguments, env=storage())


def start_buildah(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Start buildah on images of our own."""
    return subprocess.Popen(
        ["buildah", *arguments], env=os.environ | storage(), text=True, **options
    )


@cache
def storage() -> Mapping[str, str]:
    """Return the environment that makes buildah keep its images in the cache of this clone."""
    CACHE.mkdir(parents=True, exist_ok=True)
    # Overlays are twice as fast as copies, but cannot be put on an overlay: inside containers.
    contained = "overlay" in run("stat", "--file-system", "--format=%T", str(CACHE))
    driver = "vfs" if contained else "overlay"
    configuration = CACHE / "storage.conf"
    configuration.write_text(
        f'[storage]\ndriver = "{driver}"\n'
        f'graphroot = "{CACHE}/{driver}"\nrunroot = "{CACHE}/{driver}-run"\n'
    )
    return {"CONTAINERS_STORAGE_CONF": str(configuration), "BUILDAH_ISOLATION": "chroot"}
