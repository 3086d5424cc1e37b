"""Runs schedules that nobody has seen before, until the time is over."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from itertools import cycle

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from .machine import MACHINES

AT_A_TIME = 500  # schedules; about six seconds


def main() -> int:
    """Return 0 if every schedule kept the promises."""
    parser = argparse.ArgumentParser(prog="scripts/model", description=__doc__)
    parser.add_argument("minutes", type=float, nargs="?", default=10.0, help="how long (10)")
    parser.add_argument("--machine", choices=[m.__name__ for m in MACHINES], help="only this one")
    parser.add_argument("--steps", type=int, default=30, help="of a schedule at most (30)")
    options = parser.parse_args()
    logging.disable()  # the runner's warnings of every fault
    fresh = settings(
        max_examples=AT_A_TIME,
        stateful_step_count=options.steps,
        deadline=None,
        database=None,
        derandomize=False,
        print_blob=True,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    end = time.monotonic() + 60 * options.minutes
    machines = [m for m in MACHINES if options.machine in {None, m.__name__}]
    for machine in cycle(machines):
        run_state_machine_as_test(machine, settings=fresh)
        if time.monotonic() >= end:
            break
    for machine in machines:
        sys.stdout.write(f"{machine.__name__}: {machine.tally}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
