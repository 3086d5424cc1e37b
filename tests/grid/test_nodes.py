"""Two machines on the loopback interface: ranks of both, launched without ssh."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from at_work import Service, ranks_of, serving

from matinv.errors import Code
from matinv.grid.nodes import PORT, Nodes, proxy_of
from matinv.jobs.record import Status
from support.processes import until

pytestmark = [pytest.mark.deep, pytest.mark.xdist_group("ranks")]

ADDRESS = "AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS"


def batch(index: int, main: int = 0, **more: str) -> dict[str, str]:
    """Return what AWS Batch says to a node of two."""
    return {
        "AWS_BATCH_JOB_NUM_NODES": "2",
        "AWS_BATCH_JOB_NODE_INDEX": str(index),
        "AWS_BATCH_JOB_MAIN_NODE_INDEX": str(main),
        **more,
    }


def test_nodes_are_numbered_from_the_main_one_on() -> None:
    assert Nodes.of({}) is None
    assert Nodes.of(batch(0)) == Nodes(2, 0, "")
    assert Nodes.of(batch(1, **{ADDRESS: "10.0.0.7"})) == Nodes(2, 1, "10.0.0.7")
    assert Nodes.of(batch(1, main=1)) == Nodes(2, 0, "")
    assert Nodes.of(batch(0, main=1, **{ADDRESS: "10.0.0.7"})) == Nodes(2, 1, "10.0.0.7")


@pytest.mark.usefixtures("mpich_libraries")
def test_a_proxy_is_what_the_main_machine_asks_for_at_its_address() -> None:
    main = Nodes(3, 0, "")
    command, environment = [*main.command(6), "true"], os.environ | main.environment()
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as mpiexec:
        assert mpiexec.stdout
        lines = [mpiexec.stdout.readline() for _ in range(3)]
        mpiexec.kill()
    for number, line in enumerate(lines):
        asked = proxy_of(line, number)
        assert asked
        host, _, port = asked[asked.index("--control-port") + 1].partition(":")
        assert port == str(PORT)
        assert Nodes(3, number, host).proxy() == asked
        assert proxy_of(line, number + 1) is None
    assert proxy_of(b"a line of a rank", 0) is None


@contextmanager
def other_node(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "matinv.handlers.node"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment) as node:
        try:
            yield node
        finally:
            node.terminate()
            assert node.wait(60) == 0


def upload(service: Service, job_id: str, n: int) -> np.ndarray:
    a = np.random.default_rng(n).standard_normal((n, n))
    service.upload(job_id, a)
    return a


def test_ranks_of_two_machines_share_a_matrix_and_end_together(mpich_libraries: Path) -> None:
    libraries = {"LD_LIBRARY_PATH": str(mpich_libraries)}
    with serving(**batch(0), **libraries) as service:
        assert service.app.ranks
        assert service.app.ranks.nodes == 2
        a = upload(service, "shared", 200)
        child = os.environ | batch(1, **{ADDRESS: "127.0.0.1"}) | libraries
        with other_node(child) as node:
            record = service.receive("shared")
            assert record.status is Status.SUCCEEDED, record.error
            assert record.certificate
            assert record.certificate.routine == "pgetrf+pgetri"
            x = service.client.job("shared").result(verify=True)
            assert np.abs(a @ x - np.eye(200)).max() < 1e-9
            # A machine that is lost ends the run, and the message comes back.
            upload(service, "lost", 200)
            stopped = service.with_ranks(Lost(service.app.ranks, node.pid))
            lost = stopped.receive("lost")
            assert lost.status is Status.RETRYING
            assert lost.error
            assert lost.error.code == Code.INTERNAL
            assert service.receive("lost").status is Status.SUCCEEDED


class Lost:
    """Ranks of which the one on another machine is killed when it has begun."""

    ranks, nodes = 2, 1

    def __init__(self, inner, node: int) -> None:
        self._inner, self._node, self._killed = inner, node, False

    def ask(self, assignment, wanted, note):
        def look() -> None:
            wanted()
            if not self._killed:
                (rank,) = until(lambda: ranks_of(self._node))
                os.kill(rank, signal.SIGKILL)
                self._killed = True

        return self._inner.ask(assignment, look, note)
