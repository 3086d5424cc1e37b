"""Looking jobs up: uploads without a record, and lists."""

from __future__ import annotations

import numpy as np
import pytest

from matinv.client import (
    Client,
    TimedOut,
)
from matinv.jobs.record import Status
from support.memory_service import MemoryService, general

SINGULAR = [[1.0, 2.0], [2.0, 4.0]]


def test_file_without_a_record_is_looked_for_once(service: MemoryService, client: Client) -> None:
    client.submit(general(200), job_id="f")
    service.working = False
    other = service.client
    with pytest.raises(TimedOut):
        other.wait(["f"], timeout_s=60)
    assert service.store.calls["find_input"] == 3  # f.npy, f.json, f.npz
    assert other.job("f").status() is Status.QUEUED


def test_list_is_newest_first_over_all_statuses(service: MemoryService, client: Client) -> None:
    for k, job_id in enumerate("abc"):
        client.submit((k + 1) * np.eye(2), job_id=job_id).wait()
    client.submit(SINGULAR, job_id="bad").wait()
    service.working = False
    service.now_s += 1
    client.submit(5 * np.eye(2), job_id="new")
    assert [record.job_id for record in client.list()] == ["new", "bad", "c", "b", "a"]
    assert [record.job_id for record in client.list(limit=2)] == ["new", "bad"]
    assert [record.job_id for record in client.list("SUCCEEDED", 2)] == ["c", "b"]
