"""Costs of jobs: by counted units and by the price lists."""

from __future__ import annotations

import pytest

from matinv.jobs.lanes import grid, huge, standard
from matinv.jobs.prices import DYNAMODB_READ, DYNAMODB_WRITE, compute_usd, cost
from support.counted_jobs import count

STANDARD = standard("")


@pytest.mark.parametrize("n", [8, 64, 2048])
def test_the_table_costs_what_the_client_and_the_worker_are_counted_to_use(n: int) -> None:
    used = count(n, 100 if n < 2048 else 1)
    inline_bytes = 128 + 8 * n * n if n == 8 else 0
    estimated = cost(1e-9 * n**3, STANDARD, 1000, inline_bytes, uploaded=n > 8)
    counted = used.write_units * DYNAMODB_WRITE + used.read_units * DYNAMODB_READ
    assert estimated.table == pytest.approx(counted)


def test_jobs_that_share_an_invocation_share_its_call_and_its_messages_calls() -> None:
    alone = cost(0.001, STANDARD, 1000, 500, uploaded=False)
    one_of_five, one_of_hundred = (
        cost(0.001, STANDARD, 1000, 500, uploaded=False, jobs=jobs) for jobs in (5, 100)
    )
    assert alone.compute - one_of_hundred.compute == pytest.approx(0.2e-6 * 0.99)
    assert one_of_five.queue == pytest.approx((1 + 1 / 5 + 1 / 5) * 0.4e-6)
    assert one_of_hundred.queue == pytest.approx((1 + 1 / 10 + 1 / 10) * 0.4e-6)
    assert alone.table == one_of_hundred.table


def test_messages_that_are_long_share_no_request() -> None:
    found = cost(0.001, STANDARD, 65_536, 0, uploaded=False, jobs=100)
    assert found.queue == pytest.approx((1 + 1 + 1 / 10) * 0.4e-6)


def test_a_machine_beyond_lambda_costs_what_it_is_listed_at() -> None:
    """An hour of Fargate with 16 vCPUs and 120 GB, and of the grid's r8g.48xlarge, $11.31."""
    an_hour = compute_usd(120 * 3600, huge(""))
    assert an_hour == pytest.approx(16 * 0.03238 + 120 * 0.00356)
    assert compute_usd(1_500_000 / 1024 * 3600, grid("")) == pytest.approx(11.31, rel=0.015)
