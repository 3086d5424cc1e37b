"""A short soak (the long one is ``scripts/soak``), and that its account can tell what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from matinv.local.samples import npy_bytes
from matinv.local.stack import Stack
from soak import __main__ as soak
from soak.account import settle
from soak.orders import Order, orders, wrong


@pytest.mark.deep
def test_nothing_is_lost_doubled_or_wrong_while_workers_are_killed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = soak.main(["--jobs", "400"])
    out, err = capsys.readouterr()
    assert (code, "soak:" in err) == (0, False), err
    assert "published objects, each named by one record" in out


@pytest.mark.deep
def test_jobs_without_a_record_and_objects_without_a_job_are_faults() -> None:
    with Stack.start() as stack:
        stack.client("s3").put_object(
            Bucket=stack.settings.results_bucket, Key="stray.npy", Body=b"?"
        )
        sent = [*orders(3, stack.settings.inputs_bucket, seed=1)]
        account = settle(stack, [*sent, Order("bad", b"{", code="BAD_MESSAGE")])
    found = account.faults
    assert sum("lost" in fault for fault in found) == account.lost == 4
    assert sum("no record names" in fault for fault in found) == 1
    assert sum("dead letters missing" in fault for fault in found) == 1


@pytest.mark.parametrize(
    ("published", "reason"),
    [
        (np.eye(2), "off by"),
        (np.eye(3), "shape"),
        (np.full((2, 2), np.nan), "off by"),
        (np.array([[0.5, 0], [0, 0.5 + 1e-8]]), "off by"),
    ],
)
def test_a_wrong_inverse_is_a_fault(published: np.ndarray, reason: str) -> None:
    order = Order("a", b"", matrix=2 * np.eye(2))
    assert reason in (wrong(order, npy_bytes(published)) or "")


def test_orders_are_the_same_each_time() -> None:
    first, second = (list(orders(50, "inputs", 1)) for _ in range(2))
    assert [order.content for order in first] == [order.content for order in second]
