"""Thousands of schedules, the same ones each time; scripts/model runs others."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from .machine import MACHINES, MOMENTS, Machine

# 3,600 schedules take 70 s of one core.
SETTINGS = settings(
    max_examples=1200,
    stateful_step_count=30,
    deadline=None,
    database=None,
    derandomize=True,
    print_blob=True,
    report_multiple_bugs=False,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_schedule_keeps_the_promises(machine: type[Machine]) -> None:
    run_state_machine_as_test(machine, settings=SETTINGS)  # type: ignore[no-untyped-call]
    assert machine.tally.schedules >= SETTINGS.max_examples


def test_something_was_tried_at_every_moment() -> None:
    few = settings(SETTINGS, max_examples=300)
    run_state_machine_as_test(Machine, settings=few)  # type: ignore[no-untyped-call]
    assert {moment for moment in MOMENTS if not Machine.tally.faults[moment]} == set()
