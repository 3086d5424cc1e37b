"""Thousands of schedules, the same ones each time; scripts/model runs others."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from .machine import MACHINES, Machine

pytestmark = pytest.mark.deep

# 3,000 schedules take about a minute of one core.
SETTINGS = settings(
    max_examples=1000,
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
    assert machine.tally.faults.total() >= machine.tally.schedules
    never = {moment for moment in machine.moments if not machine.tally.moments[moment]}
    assert never == set(), "a name of a moment that never comes"
