"""How long people wait for the console, `matinv top` and `matinv status --run` with many jobs.

There is no peer, so no row.

On the memory backend the figures are our own; on the embedded stack they are moto's: it serves one
DynamoDB request at a time, with 10 ms of CPU for a query of 10,000 records and 170 ms for the
serialising of 100.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from matinv.cli.run_view import run_lines
from matinv.client import Client
from matinv.console.board import Board
from matinv.console.health import HealthCache
from matinv.console.runs import Runs
from matinv.jobs.record import InputInfo, Record, Status
from matinv.jobs.times import timestamp
from matinv.local.stack import Stack

_JOBS: Final = 10_000
_QUICK: Final = 1_000
_LARGE_RUN: Final = 100_000
_STEP_S: Final = 0.08  # between two jobs, so that the latest 15 minutes hold them all
_MIXED: Final = (Status.FAILED, Status.QUEUED, *8 * (Status.SUCCEEDED,))


def waits(quick: bool) -> Iterator[str]:
    """Yield a line for each wait, in seconds, on the memory backend and on the embedded stack."""
    count = _QUICK if quick else _JOBS
    yield from (f"memory    {line}" for line in _waits(Client.in_memory(), count))
    client = Client.in_memory()
    client.table.put([_record(number, client.now()) for number in range(_LARGE_RUN)])
    yield "memory    " + _timed(
        f"status of a run of {_LARGE_RUN:,} jobs (reach: below 2 s)",
        lambda: run_lines(client.table.run_summary("bench"), client.now()),
    )
    with Stack.start() as stack:
        os.environ.update(stack.environment())
        yield from (f"embedded  {line}" for line in _waits(Client.connect(), count))


def _waits(client: Client, count: int) -> Iterator[str]:
    now_s = client.now()
    client.table.put([_record(number, now_s) for number in range(count)])
    board, health, runs = Board(client, count), HealthCache(client), Runs(client)
    yield _timed(f"jobs, all {count:,} rows", board.poll)
    yield _timed("jobs, all their details", lambda: _emptied(board))
    yield _timed("jobs, a poll that finds nothing", board.poll)
    yield _timed("health, first answer", health.health)
    yield _timed("health, complete", lambda: _completed(health))
    yield _timed("runs, first answer", runs.listed)


def _record(number: int, now_s: float) -> Record:
    at = timestamp(now_s - _STEP_S * number)
    status = _MIXED[number % len(_MIXED)]
    place = InputInfo("message", f"sha256:{number}", None, 512, (8, 8), "float64")
    record = Record(f"bench/{number}", status, place, at, at, int(now_s) + 86_400, revision=1)
    times = {"queued_ms": 20.0, "invert_ms": 0.1} if status.terminal else {}
    return replace(record, run="bench", timings_ms=times)


def _emptied(board: Board) -> None:
    while board.unread:
        board.read()


def _completed(health: HealthCache) -> None:
    while health.health()["partial"]:
        pass


def _timed(what: str, act: Callable[[], object]) -> str:
    began_s = time.perf_counter()
    act()
    return f"{what}: {time.perf_counter() - began_s:.2f} s"
