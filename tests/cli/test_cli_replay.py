"""A re-drive tool replays S3's events without their sequencers: what the command shows then."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pytest

from matinv.local.samples import npy_bytes
from matinv.testing.events import eventbridge, s3_notification
from support.memory_service import Cli, MemoryService

KEY: Final = "fem/x.npy"
OLD, NEW = np.diag([2.0, 4.0]), np.diag([5.0, 8.0])

Replay = Callable[..., dict[str, Any]]


def by_notification(bucket: str, key: str, version_id: str | None) -> dict[str, Any]:
    event = s3_notification(bucket, key, version_id=version_id)
    event["Records"][0]["s3"]["object"].pop("sequencer", None)
    return event


def by_eventbridge(bucket: str, key: str, version_id: str | None) -> dict[str, Any]:
    event = eventbridge(bucket, key, version_id=version_id)
    event["detail"]["object"].pop("sequencer", None)
    return event


def inverse(run: Cli, stands: Any) -> Any:
    """Wait, verify against what stands in S3, and return what is served."""
    assert run("wait", KEY).exit_code == 0
    np.save("stands.npy", stands)
    result = run("result", KEY, "--verify", "--input", "stands.npy", "--output", "json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)["inverse"]


@pytest.mark.parametrize("replay", [by_notification, by_eventbridge])
def test_a_replay_without_a_sequencer_hides_no_later_upload(
    run: Cli, service: MemoryService, replay: Replay
) -> None:
    bucket = service.settings.inputs_bucket

    def replayed(version_id: str | None) -> None:
        service.now_s += 3600
        service.queue.send(json.dumps(replay(bucket, KEY, version_id)))
        service.work()

    first = service.store.upload(KEY, [npy_bytes(OLD)], {})
    assert inverse(run, OLD) == np.linalg.inv(OLD).tolist()
    replayed(first.version_id)
    assert inverse(run, OLD) == np.linalg.inv(OLD).tolist()
    second = service.store.upload(KEY, [npy_bytes(NEW)], {})
    service.work()
    assert inverse(run, NEW) == np.linalg.inv(NEW).tolist()
    for version_id in (first.version_id, second.version_id):
        replayed(version_id)
        assert inverse(run, NEW) == np.linalg.inv(NEW).tolist()
    assert service.queue.dead == []
