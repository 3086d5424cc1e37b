"""Message groups: whose message one is, and what SQS's fair queues make of it."""

from __future__ import annotations

import re
from statistics import median

import pytest

from matinv.jobs.fairness import group_of
from matinv.jobs.request import Options
from matinv.settings import Settings, SettingsError
from support.fair_sqs import Arrival, waits
from support.memory_service import SETTINGS, MemoryService

TAGGED = Options(tags={"team": "fem"}, run="nightly")


@pytest.mark.parametrize(
    ("fair_by", "options", "group"),
    [
        ("run", TAGGED, "nightly"),
        ("run", Options(), "folder"),
        ("tag:team", TAGGED, "fem"),
        ("tag:other", TAGGED, ""),
        ("tag:team", Options(tags={"team": ""}), ""),
        ("none", TAGGED, ""),
    ],
)
def test_a_job_is_in_the_group_of_its_run_or_tag(
    fair_by: str, options: Options, group: str
) -> None:
    assert group_of(fair_by, "folder/a", options) == group


@pytest.mark.parametrize("name", ["größe", "a b", "x" * 200, "\u2028", "a\nb"])
def test_a_name_that_sqs_takes_for_no_group_is_hashed(name: str) -> None:
    options = Options(tags={"team": name})
    group = group_of("tag:team", "a", options)
    assert re.fullmatch("[0-9a-f]{64}", group)
    assert group != group_of("tag:team", "a", Options(tags={"team": name + "!"}))


def test_what_jobs_are_treated_fairly_by_is_a_setting() -> None:
    environment = SETTINGS.to_environment()
    assert Settings.from_environment(environment).fair_by == "run"
    for value in ("tag:team", "none"):
        assert Settings.from_environment(environment | {"MATINV_FAIR_BY": value}).fair_by == value
    with pytest.raises(SettingsError, match="MATINV_FAIR_BY must be run, tag:NAME or none"):
        Settings.from_environment(environment | {"MATINV_FAIR_BY": "tag:"})


def test_client_and_redrive_send_a_job_in_its_group() -> None:
    service = MemoryService()
    service.client.submit([[1.0, 2.0], [2.0, 4.0]], job_id="fem/a")
    service.client.submit([[2.0]], job_id="b")
    assert sorted(service.queue.groups.values()) == ["", "fem"]


def test_a_small_run_does_not_wait_for_a_large_one() -> None:
    """Ten jobs of one team beside 100,000 of another, 100 workers, 0.1 s a job."""
    large_run = [Arrival(0.0, 0.1, "large", "large") for _ in range(100_000)]
    small_run = [Arrival(10.0, 0.1, "small", "small") for _ in range(10)]

    def waited(fair: bool) -> float:
        arrivals = [*large_run, *small_run]
        if not fair:
            arrivals = [Arrival(a.at_s, a.work_s, "one", a.team) for a in arrivals]
        return median(s for one, s in waits(arrivals, workers=100) if one.team == "small")

    assert waited(fair=False) > 80
    assert waited(fair=True) <= 0.2


def test_dropped_files_hold_back_nobody_and_are_not_held_back() -> None:
    """Without a group each is its own: what a run's messages wait for them is what was there."""
    files = [Arrival(0.0, 0.1, "", "files") for _ in range(20_000)]
    run = [Arrival(5.0, 0.1, "run", "run") for _ in range(10)]
    seconds = [s for one, s in waits([*files, *run], workers=100) if one.team == "run"]
    assert max(seconds) > 10  # as SQS cannot tell whose they are
