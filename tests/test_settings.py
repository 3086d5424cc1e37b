"""Settings: lanes in the environment, there and back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from matinv.jobs.lanes import Lane, Ticket, grid, huge, large, standard
from matinv.settings import AS_DEPLOYED, Settings, SettingsError, lanes

NAMES = {
    "MATINV_INPUTS_BUCKET": "inputs",
    "MATINV_RESULTS_BUCKET": "results",
    "MATINV_JOBS_TABLE": "table",
    "MATINV_JOBS_QUEUE_URL": "jobs",
    "MATINV_DLQ_URL": "dead",
}
HUGE = {
    "MATINV_HUGE_QUEUE_URL": "huge",
    "MATINV_HUGE_MEMORY_MB": "122880",
    "MATINV_HUGE_THREADS": "16",
    "MATINV_HUGE_TIMEOUT_S": "41400",
}
HUGE_LANE = Lane("huge", "huge", 122_880, 16, 41_400)


def lane(**names: str) -> Lane:
    return Settings.from_environment(NAMES | names).lane


def test_without_more_names_there_is_the_standard_lane_alone() -> None:
    assert lane() == Lane("standard", "jobs", 1769, 1, 120)


def test_the_name_of_the_large_queue_makes_the_large_lane() -> None:
    expected = Lane("standard", "jobs", 1769, 1, 120, Lane("large", "large", 10_240, 5, 900))
    assert lane(MATINV_LARGE_QUEUE_URL="large") == expected


def test_a_third_lane_is_names_and_figures() -> None:
    found = lane(MATINV_LANES="standard large huge", MATINV_LARGE_QUEUE_URL="large", **HUGE)
    assert found == standard("jobs", large("large", HUGE_LANE))


def test_the_worker_of_a_lane_in_the_middle_knows_its_own_and_those_behind() -> None:
    found = lane(MATINV_LANES="large huge", AWS_LAMBDA_FUNCTION_MEMORY_SIZE="8192", **HUGE)
    assert found == Lane("large", "jobs", 8192, 4, 900, HUGE_LANE)


def test_the_name_of_a_queue_is_enough_for_the_lanes_that_are_known() -> None:
    found = lane(MATINV_GRID_QUEUE_URL="grid", MATINV_HUGE_QUEUE_URL="huge")
    assert found == standard("jobs", huge("huge", grid("grid")))


def test_one_process_has_as_many_threads_as_its_blas_can_use() -> None:
    names = {"MATINV_MEMORY_MB": "1500000", "MATINV_THREADS": "192"}
    assert lane(**names).threads == 64
    assert lane(**names, MATINV_RANKS="12").threads == 192


def test_lambda_s_memory_is_this_worker_s_unless_a_setting_says_otherwise() -> None:
    found = lane(AWS_LAMBDA_FUNCTION_MEMORY_SIZE="3538", MATINV_LARGE_QUEUE_URL="large")
    assert [(one.memory_mb, one.threads) for one in found] == [(3538, 2), (10_240, 5)]
    found = lane(AWS_LAMBDA_FUNCTION_MEMORY_SIZE="3538", MATINV_MEMORY_MB="5307")
    assert (found.memory_mb, found.threads) == (5307, 3)


def test_threads_are_a_setting() -> None:
    found = lane(
        MATINV_THREADS="3",
        MATINV_MEMORY_MB="122880",
        MATINV_LARGE_QUEUE_URL="large",
        MATINV_LARGE_THREADS="6",
    )
    assert [one.threads for one in found] == [3, 6]


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ({"MATINV_MEMORY_MB": "122880"}, "MATINV_THREADS is not set"),
        ({"MATINV_LANES": "standard huge"}, "MATINV_HUGE_QUEUE_URL is not set"),
        (
            {"MATINV_LANES": "standard vast", "MATINV_VAST_QUEUE_URL": "vast"},
            "MATINV_VAST_MEMORY_MB is not set",
        ),
        ({"MATINV_BATCH_QUEUE": "machines"}, "MATINV_BATCH_DEFINITION is not set"),
        (
            {"MATINV_HUGE_QUEUE_URL": "huge", "MATINV_HUGE_BATCH_DEFINITION": "poller:3"},
            "MATINV_HUGE_BATCH_QUEUE is not set",
        ),
        ({"MATINV_LANES": "standard standard"}, "MATINV_LANES must be"),
        ({"MATINV_LANES": "standard dead"}, "MATINV_LANES must be"),
        ({"MATINV_LANES": "standard jobs"}, "MATINV_LANES must be"),
        ({"MATINV_LANES": "standard Huge"}, "MATINV_LANES must be"),
        ({"MATINV_TIMEOUT_S": "0"}, "MATINV_TIMEOUT_S must be a whole number above 0"),
    ],
)
def test_lanes_that_cannot_be_are_named(names: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        lane(**names)


@pytest.mark.parametrize(
    "chain",
    [
        standard("q"),
        standard("q", large("l")),
        standard("q", HUGE_LANE),
        standard("q", large("l", HUGE_LANE)),
        large("q", HUGE_LANE),
        HUGE_LANE,
        Lane("standard", "q", 512, 2, 60, Lane("large", "l", 2048, 1, 30)),
        Lane("tiny", "q", 128, 1, 1, Lane("small", "s", 256, 9, 1_000_000)),
        standard("q", large("l", huge("h", grid("g")))),
        standard("q", replace(huge("h"), ticket=Ticket("machines", "poller:3"))),
        Lane("huge", "q", 1000, 1, 60, Lane("grid", "g", 524_288, 64, 100, ranks=4)),
        Lane("grid", "q", 1000, 1, 60),
        Lane("vast", "q", 2_000_000, 400, 60, ranks=50),
    ],
)
def test_settings_make_an_environment_that_makes_them_again(chain: Lane) -> None:
    settings = Settings("i", "r", "t", chain, "d")
    assert Settings.from_environment(settings.to_environment()) == settings


def test_an_environment_that_names_no_stack_has_the_lanes_as_deployed() -> None:
    assert lanes({}) == AS_DEPLOYED
    assert lanes({"MATINV_JOBS_QUEUE_URL": "q"}) == standard("q")
    with pytest.raises(SettingsError, match="MATINV_THREADS"):
        lanes({"MATINV_JOBS_QUEUE_URL": "q", "MATINV_THREADS": "many"})
