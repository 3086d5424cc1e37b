"""MPI and ScaLAPACK from Debian's packages; without them these tests are skipped, never in CI."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from matinv.grid.mpi import OPEN_MPI, Mpi
from support.debian import MissingError, provide

INVERT_ALL = Path(__file__).parent / "invert_all.py"


@pytest.fixture(scope="session")
def mpi() -> Mpi:
    """Return Open MPI, which yields where ranks share cores."""
    _provide(OPEN_MPI.launcher, "openmpi-bin", "libscalapack-openmpi2.2")
    return OPEN_MPI


@pytest.fixture(scope="session")
def mpich_libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with MPICH's library under the name by which mpi4py looks for it."""
    _provide("mpiexec.hydra", "mpich", "libscalapack-mpich2.2")
    known = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True)
    (path,) = set(re.findall(r"libmpich\.so\.12 .*=> (\S+)", known.stdout))
    folder = tmp_path_factory.mktemp("mpich")
    (folder / "libmpi.so.12").symlink_to(path)
    return folder


def _provide(command: str, *packages: str) -> None:
    try:
        provide(command, *packages, "libopenblas0-pthread")
    except MissingError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="module", params=[1, 3, 4], ids="{} ranks".format)
def over_ranks(
    request: pytest.FixtureRequest, mpi: Mpi, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Invert all named matrices over so many ranks; return what came of each, by name."""
    path = tmp_path_factory.mktemp("ranks") / "found.pickle"
    command = [*mpi.command(request.param), sys.executable, "-m", "mpi4py"]
    environment = os.environ | dict(mpi.environment) | {"OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([*command, str(INVERT_ALL), str(path)], check=True, env=environment, timeout=300)
    found: dict[str, Any] = pickle.loads(path.read_bytes())
    return found
