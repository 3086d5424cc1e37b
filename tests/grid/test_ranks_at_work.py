"""Ranks at work on a stack: what becomes of jobs, and of those whose ranks end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from at_work import Service, ranks_of, serving

from matinv.errors import Code
from matinv.grid.launch import Launcher
from matinv.grid.mpi import Mpi
from matinv.grid.wire import Assignment, Published
from matinv.jobs.record import Status
from matinv.linalg.types import Matrix
from support.processes import alive, until

pytestmark = [pytest.mark.deep, pytest.mark.xdist_group("ranks")]


@pytest.fixture(scope="module")
def service(mpi: Mpi) -> Iterator[Service]:
    with serving() as service:
        yield service


@pytest.fixture
def launcher(service: Service) -> Launcher:
    assert service.app.ranks
    return service.app.ranks


@dataclass(frozen=True)
class Killed:
    """Ranks of which one is killed as soon as they have read the matrix."""

    inner: Launcher
    ranks: int = 2
    nodes: int = 1

    def ask(
        self, assignment: Assignment, wanted: Callable[[], object], _: Callable[[int], object]
    ) -> Published:
        found: list[int] = []

        def look() -> None:
            wanted()
            if not found:
                found[:] = until(lambda: len(ranks := ranks_of(os.getpid())) == 2 and ranks)

        def kill(_percent: int) -> None:
            os.kill(found[-1], signal.SIGKILL)

        return self.inner.ask(assignment, look, kill)


@dataclass(frozen=True)
class Tight:
    """Ranks that may take so many bytes."""

    inner: Launcher
    memory_bytes: int
    ranks: int = 2
    nodes: int = 1

    def ask(
        self, assignment: Assignment, wanted: Callable[[], object], _: Callable[[int], object]
    ) -> Published:
        return self.inner.ask(replace(assignment, memory_bytes=self.memory_bytes), wanted)


def gaussian(n: int = 600) -> Matrix:
    return np.random.default_rng(n).standard_normal((n, n))


def test_a_matrix_of_integers_by_columns_is_published_in_parts(service: Service) -> None:
    a = np.asfortranarray(np.random.default_rng(1).integers(-9, 9, (1100, 1100)))
    service.upload("whole", a)
    record = service.receive("whole")
    assert record.status is Status.SUCCEEDED, record.error
    assert record.result
    assert record.result.part_bytes
    assert record.result.size_bytes > record.result.part_bytes
    x = service.client.job("whole").result(verify=True)
    assert x.flags.f_contiguous
    assert np.abs(a @ x - np.eye(1100)).max() < 1e-7
    # Once more the same question: the result is adopted, with its hash.
    service.client.table.put([replace(record, status=Status.RETRYING, revision=2, result=None)])
    again = service.receive("whole")
    assert again.result == record.result
    assert again.certificate == record.certificate


@pytest.mark.parametrize(
    ("name", "code"), [("singular", Code.SINGULAR), ("not-finite", Code.NON_FINITE)]
)
def test_what_has_no_inverse_is_refused_with_its_code(
    service: Service, name: str, code: Code
) -> None:
    a = gaussian(100)
    a[7] = a[3] if code is Code.SINGULAR else np.nan
    service.upload(name, a)
    record = service.receive(name)
    assert record.status is Status.FAILED
    assert record.error
    assert record.error.code == code


def test_a_killed_rank_brings_the_message_back_and_at_the_next_receive_ends_the_job(
    service: Service, launcher: Launcher
) -> None:
    service.upload("killed", gaussian(1200))
    disturbed = service.with_ranks(Killed(launcher))
    first = disturbed.receive("killed")
    assert first.status is Status.RETRYING
    assert first.error
    assert first.error.code == Code.INTERNAL
    assert "SIGKILL" in first.error.message
    second = disturbed.receive("killed", receive_count=2)
    assert second.status is Status.FAILED
    assert second.error
    assert second.error.code == Code.OUT_OF_MEMORY, second.error
    assert service.receive("killed").status is Status.SUCCEEDED


def test_a_rank_that_is_out_of_memory_ends_the_job_with_that_code(
    service: Service, launcher: Launcher
) -> None:
    service.upload("tight", gaussian(900))
    record = service.with_ranks(Tight(launcher, 2**20)).receive("tight")
    assert record.status is Status.FAILED
    assert record.error
    assert record.error.code == Code.OUT_OF_MEMORY
    assert record.error.hint == "give the lane more memory, and send it again"
    more = service.with_ranks(Tight(launcher, 2**29)).receive("tight")
    assert more.status is Status.SUCCEEDED


def test_ranks_end_with_the_process_that_asked_them(service: Service) -> None:
    service.upload("orphaned", gaussian(1200))
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from at_work import Service\n"
        "from matinv import wiring; from matinv.client import Client\n"
        "from matinv.settings import Settings\n"
        "app = wiring.app_from(Settings.from_environment())\n"
        "Service(app, Client.connect()).receive('orphaned')\n"
    )
    settings = replace(service.client.settings, lane=service.app.lane)
    environment = os.environ | settings.to_environment()
    folder = Path(__file__).parent
    paths = {"PYTHONPATH": str(folder.parent)}
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], env=environment | paths
    ) as asking:
        ranks = until(lambda: len(found := ranks_of(asking.pid)) == 2 and found)
        asking.kill()
    until(lambda: not any(map(alive, ranks)))
