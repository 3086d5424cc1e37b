"""Lanes: what they admit, and which one of a chain is the first that does."""

from __future__ import annotations

import subprocess
import sys

import pytest

from matinv.jobs.lanes import IDLE_BYTES, MARGIN_S, Lane, threads_of

MIB = 2**20
HUGE = Lane("huge", "h", 122_880, 16, 41_400.0)
LARGE = Lane("large", "l", 10_240, 5, 900.0, HUGE)
STANDARD = Lane("standard", "s", 1769, 1, 120.0, LARGE)


def test_threads_are_the_vcpus_that_lambda_gives_for_the_memory() -> None:
    """The figures are those of AWS Lambda's Developer Guide: one vCPU at 1,769 MB."""
    assert [threads_of(mb) for mb in (128, 1768, 1769, 3537, 3538, 10240)] == [1, 1, 1, 1, 2, 5]


def test_lanes_come_in_order_from_any_one_on() -> None:
    assert [lane.name for lane in STANDARD] == ["standard", "large", "huge"]
    assert [lane.name for lane in LARGE] == ["large", "huge"]


@pytest.mark.parametrize(
    ("memory_bytes", "seconds", "admitted"),
    [
        (0, 0.0, True),
        (1769 * MIB - IDLE_BYTES, 120 - MARGIN_S, True),
        (1769 * MIB - IDLE_BYTES + 1, 0.0, False),
        (0, 120 - MARGIN_S + 0.001, False),
    ],
)
def test_a_lane_admits_what_fits_its_memory_and_its_time(
    memory_bytes: int, seconds: float, admitted: bool
) -> None:
    assert STANDARD.admits(memory_bytes, seconds) is admitted


@pytest.mark.parametrize(
    ("memory_mb", "cpu_s", "name"),
    [
        (1609, 118.0, "standard"),
        (1610, 1.0, "large"),
        (10, 119.0, "large"),
        (10, 5 * 898.0, "large"),
        (10, 5 * 898.0 + 1, "huge"),
        (10_081, 1.0, "huge"),
        (122_720, 16 * 41_398.0, "huge"),
        (122_721, 1.0, None),
        (10, 16 * 41_398.0 + 1, None),
    ],
)
def test_the_first_lane_with_room_and_time_takes_a_job(
    memory_mb: int, cpu_s: float, name: str | None
) -> None:
    found = STANDARD.first_for(memory_mb * MIB, cpu_s)
    assert (found.name if found else None) == name


def test_lanes_and_settings_are_known_before_numpy_is_loaded() -> None:
    script = "import sys, matinv.jobs.lanes, matinv.settings; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)
