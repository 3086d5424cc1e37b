"""infra/COST.md says what its arithmetic gives, for the stack that infra/service makes."""

from __future__ import annotations

import costs
from terraform_cli import INFRA, State
from test_alarms import alarms_of, metrics_of

PAGE = (INFRA / "COST.md").read_text()


def test_tables_are_current(stack: State) -> None:
    count = sum(len(metrics_of(alarm)) for alarm in alarms_of(stack).values())
    assert costs.page(PAGE, count) == PAGE, f"run python tests/infra/costs.py {count}"


def test_lanes_are_those_of_the_stack(stack: State) -> None:
    mappings = {m.values["batch_size"] for m in stack.of_type("aws_lambda_event_source_mapping")}
    assert mappings == {lane.batch for lane in costs.LANES.values()}
    memory = {
        f.values["function_name"]: f.values["memory_size"]
        for f in stack.of_type("aws_lambda_function")
    }
    assert memory["matinv-worker"] == costs.LANES["standard"].memory_mb
    assert memory["matinv-worker-large"] == costs.LANES["large"].memory_mb


def test_dashboards_stay_free(stack: State) -> None:
    dashboards = stack.of_type("aws_cloudwatch_dashboard")
    assert len(dashboards) <= 3


def test_a_million_small_jobs_cost_less_than_four_dollars() -> None:
    """Five write units a job: the way to fewer is to list no QUEUED jobs, which are promised."""
    used = costs.counted(8)
    assert (used.sends, used.write_units, used.read_units) == (0.1, 5, 4)
    assert costs.counted(8, together=False).sends == 1
    assert costs.counted(256).write_units == 2
    assert 1e6 * sum(costs.job(8, costs.LANES["standard"]).values()) < 4
