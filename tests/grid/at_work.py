"""A stack whose last lane has ranks, and the worker of that lane in this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from matinv import pipeline, wiring
from matinv.client import Client
from matinv.formats import npy
from matinv.jobs import intake
from matinv.jobs.lanes import Lane, standard
from matinv.jobs.record import Record
from matinv.linalg.types import Matrix
from matinv.local.stack import Shape, Stack
from matinv.pipeline import App, Deadline
from matinv.testing.events import sqs_event
from support.processes import children

GRID = Lane("grid", "", 4000, 2, 900.0, ranks=2)
NUMBERS = count(1)
RANK = [sys.executable, "-m", "mpi4py", "-m", "matinv.handlers.rank"]


@dataclass(frozen=True)
class Service:
    """A stack whose last lane has ranks, and that lane's worker in this process."""

    app: App
    client: Client

    def receive(self, job_id: str, receive_count: int = 1) -> Record:
        """Do the job of a file as the worker does that receives its message."""
        body = {"job_id": job_id, "s3": {"bucket": self.app.inputs_bucket, "key": f"{job_id}.npy"}}
        event = sqs_event([body], receive_count=receive_count, first=next(NUMBERS))
        deliveries = list(intake.deliveries(event))
        pipeline.process(self.app, deliveries, Deadline(lambda: 120.0, 120.0))
        return self.client.table.get([job_id])[job_id]

    def upload(self, job_id: str, a: Matrix) -> None:
        wiring.backend(self.client.settings).store.upload(f"{job_id}.npy", npy.parts(a), {})

    def with_ranks(self, ranks: Any) -> Service:
        return replace(self, app=replace(self.app, ranks=ranks))


@contextmanager
def serving(**more: str) -> Iterator[Service]:
    """Run a stack for the length of the block; `more` is added to the environment."""
    with Stack.start(Shape(lanes=standard("", GRID))) as stack, pytest.MonkeyPatch.context() as own:
        for name, text in (stack.environment() | more).items():
            own.setenv(name, text)
        assert stack.settings.lane.next
        settings = stack.of_lane(stack.settings.lane.next).settings
        yield Service(wiring.app_from(settings), Client.connect())


def ranks_of(pid: int) -> list[int]:
    """Return the processes of ranks below a process."""
    below = children(pid)
    return [
        *(one for one in below if command(one)[:5] == RANK),
        *(rank for one in below for rank in ranks_of(one)),
    ]


def command(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return []
