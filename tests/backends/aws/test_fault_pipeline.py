"""A batch while one call of AWS fails: the answer, the neighbours, and the second delivery."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest

from matinv import wiring
from matinv.backends.aws import calls
from matinv.handlers import worker
from matinv.jobs.lanes import IDLE_BYTES, large, standard
from matinv.jobs.limits import predict
from matinv.jobs.record import Status
from matinv.local.samples import npy_bytes
from matinv.pipeline import App
from matinv.settings import Settings
from matinv.telemetry import Context
from matinv.testing.events import s3_notification, sqs_event
from support.faults import Fault, Faults, lost_answer, refusal, reset
from support.subscriptions import drained

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

pytestmark = pytest.mark.deep

THROTTLED: Final = {
    "s3": refusal(503, "SlowDown"),
    "dynamodb": refusal(400, "ProvisionedThroughputExceededException"),
    "sqs": refusal(400, "ThrottlingException"),
    "sns": refusal(400, "Throttling"),
}
DENIED: Final = {
    "s3": refusal(403, "AccessDenied"),
    "dynamodb": refusal(400, "AccessDeniedException"),
    "sqs": refusal(403, "AccessDenied"),
    "sns": refusal(403, "AuthorizationError"),
}
BROKEN: Final = refusal(500, "InternalError")

JOBS: Final = ("good", "bad", "file", "stored", "large")

# Which jobs of the batch need an operation, in the order of the work.
NEEDED: Final = {
    ("dynamodb", "BatchGetItem"): set(JOBS),
    ("s3", "GetObject"): {"file", "large"},
    ("s3", "PutObject"): {"stored"},
    ("dynamodb", "BatchExecuteStatement"): {"good", "bad", "file", "stored"},
    ("dynamodb", "PutItem"): {"good", "bad", "file", "stored"},
    ("sqs", "SendMessageBatch"): {"bad", "large"},
    ("sns", "PublishBatch"): set[str](),
}
# Asked for only when a job comes back: then `PutObject` fails as well.
WHEN_IN_NEED: Final = (
    ("sqs", "ChangeMessageVisibilityBatch"),
    ("sqs", "GetQueueAttributes"),
)


@dataclass
class Batch:
    """The service at work on one batch, behind faults."""

    app: App
    event: dict[str, Any]
    faults: dict[str, Faults]

    def deliver(self) -> set[str]:
        """Return which jobs come back.

        Always as received for the first time: later it is a child process that does them, which
        has clients of its own.
        """
        answer = worker.handler(self.event, Context(60.0))
        assert answer.keys() == {"batchItemFailures"}
        ids = [message["messageId"] for message in self.event["Records"]]
        back = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
        assert len(set(back)) == len(back)
        return {JOBS[ids.index(one)] for one in back}

    def statuses(self) -> dict[str, Status]:
        return {job_id: record.status for job_id, record in self.app.table.get(JOBS).items()}

    def fail(self, service: str, operation: str, *script: Fault | Iterator[Fault]) -> None:
        self.faults[service].of[operation] = chain(*script, repeat(None))

    def fix(self) -> None:
        for faults in self.faults.values():
            faults.of.clear()


@pytest.fixture
def settings(
    at_moto: str, buckets: tuple[str, str], table_name: str, queue_urls: tuple[str, str, str]
) -> Settings:
    return Settings(
        *buckets, table_name, standard(queue_urls[0], large(queue_urls[2])), queue_urls[1]
    )


@pytest.fixture
def batch(
    settings: Settings, topic_arn: str, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> Batch:
    monkeypatch.setattr(calls, "_PAUSE_S", 0.001)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    settings = replace(settings, events_topic_arn=topic_arn)
    memory_bytes = IDLE_BYTES + predict((100, 100), np.float64).memory_bytes
    lane = replace(settings.lane, memory_mb=-(-memory_bytes // 2**20))
    app = wiring.app_from(replace(settings, lane=lane))
    monkeypatch.setattr(wiring, "app", lambda: app)

    def dropped(key: str, n: int) -> dict[str, Any]:
        reference = app.store.upload(key, [npy_bytes(2 * np.eye(n))], {})
        return s3_notification(
            reference.bucket, key, version_id=reference.version_id, etag=reference.etag
        )

    event = sqs_event(
        [
            {"job_id": "good", "matrix": [[1, 2], [3, 4]]},
            {"job_id": "bad", "matrix": [[1, 2], [2, 4]]},
            dropped("file.npy", 3),
            {"job_id": "stored", "matrix": [[2]], "output": "s3"},
            dropped("large.npy", 700),
        ]
    )
    ports: dict[str, Any] = {
        "s3": app.store._s3,
        "dynamodb": app.table._dynamodb,
        "sqs": app.queue._sqs,
        "sns": app.events._sns,
    }
    return Batch(app, event, {name: Faults(client) for name, client in ports.items()})


@pytest.fixture
def check_end(
    batch: Batch,
    s3: S3Client,
    sqs: SQSClient,
    buckets: tuple[str, str],
    queue_urls: tuple[str, str, str],
) -> Callable[[], None]:
    """Return a check that deliveries without a fault end each job rightly, and with one object."""

    def check() -> None:
        batch.fix()
        assert batch.deliver() == set()
        assert batch.deliver() == set()
        ended = dict.fromkeys(("good", "file", "stored"), Status.SUCCEEDED)
        found = batch.statuses()
        found.pop("large", None)  # the other worker's from now on
        assert found == ended | {"bad": Status.FAILED}
        (version,) = s3.list_object_versions(Bucket=buckets[1])["Versions"]
        assert version["Key"].startswith("stored/")
        bodies = dict(zip(JOBS, (m["body"] for m in batch.event["Records"]), strict=True))
        dead, forwarded = drained(sqs, queue_urls[1]), drained(sqs, queue_urls[2])
        assert {message["Body"] for message in dead} == {bodies["bad"]}
        assert {message["Body"] for message in forwarded} == {bodies["large"]}
        # Twice when it was sent and the answer was lost, or when its record could not be written.
        assert len(dead) <= 2
        assert len(forwarded) <= 4

    return check


def test_table_names_each_operation_of_a_batch(batch: Batch) -> None:
    assert batch.deliver() == set()
    used = {(name, call) for name, faults in batch.faults.items() for call in faults.calls}
    assert used <= NEEDED.keys()
    batch.fix()
    batch.fail("s3", "GetObject", repeat(BROKEN))
    batch.app.table.delete("file")
    assert batch.deliver() == {"file", "large"}
    used = {(name, call) for name, faults in batch.faults.items() for call in faults.calls}
    assert used - {("dynamodb", "DeleteItem")} == NEEDED.keys() | set(WHEN_IN_NEED)


ONCE: Final = {"500": BROKEN, "lost answer": lost_answer, "reset": reset}


@pytest.mark.parametrize("fault", ONCE)
@pytest.mark.parametrize(("service", "operation"), NEEDED)
def test_fault_that_comes_once_is_overcome(
    *,
    batch: Batch,
    service: str,
    operation: str,
    fault: str,
    check_end: Callable[[], None],
) -> None:
    batch.fail(service, operation, [ONCE[fault]])
    assert batch.deliver() == set()
    check_end()


@pytest.mark.parametrize("fault", ["throttled", "reset", "denied"])
@pytest.mark.parametrize(("service", "operation"), NEEDED)
def test_fault_that_stays_brings_back_who_needs_the_call(
    *,
    batch: Batch,
    service: str,
    operation: str,
    fault: str,
    check_end: Callable[[], None],
) -> None:
    stays = {"throttled": THROTTLED[service], "reset": reset, "denied": DENIED[service]}[fault]
    batch.fail(service, operation, repeat(stays))
    back = batch.deliver()
    assert batch.faults[service].calls[operation] <= 4 * len(JOBS)
    batch.fix()
    statuses = batch.statuses()
    if fault == "denied" and (service == "dynamodb" or operation == "PutObject"):
        assert back >= NEEDED[service, operation] - statuses.keys()
        assert not back & statuses.keys()  # the batch was stopped, and nobody is blamed
    elif service != "dynamodb" or operation == "BatchGetItem":
        assert back == NEEDED[service, operation]
    assert {statuses[name] for name in back & statuses.keys()} <= {Status.RETRYING}
    ended = {"bad": Status.FAILED}
    for name in set(JOBS) - back - {"large"}:
        assert statuses[name] is ended.get(name, Status.SUCCEEDED)
    check_end()


@pytest.mark.parametrize("fault", [THROTTLED, DENIED, dict.fromkeys(THROTTLED, reset)])
@pytest.mark.parametrize(("service", "operation"), WHEN_IN_NEED)
def test_messages_come_back_although_that_call_fails_too(
    *,
    batch: Batch,
    service: str,
    operation: str,
    fault: Any,
    check_end: Callable[[], None],
) -> None:
    batch.fail("s3", "PutObject", repeat(BROKEN))
    batch.fail(service, operation, repeat(fault[service]))
    assert batch.deliver() == {"stored"}
    assert batch.faults[service].calls[operation] >= 1
    check_end()


def test_dead_bucket_of_100_files_takes_a_handful_of_calls(batch: Batch) -> None:
    body = batch.event["Records"][2]["body"]
    bodies = [body.replace("file.npy", f"{n}.npy") for n in range(100)]
    batch.fail("s3", "GetObject", repeat(DENIED["s3"]))
    batch.fail("s3", "HeadBucket", repeat(refusal(403, "")))
    answer = worker.handler(sqs_event(bodies), Context(60.0))
    assert len(answer["batchItemFailures"]) == 100
    asked = batch.faults["s3"].calls
    assert asked["GetObject"] == asked["HeadBucket"] <= 8  # one for each thread
    assert batch.app.table.get([str(n) for n in range(100)]) == {}


def test_objects_with_keys_of_their_own_hurt_no_neighbour(batch: Batch) -> None:
    batch.fail("s3", "GetObject", repeat(DENIED["s3"]))
    assert batch.deliver() == {"file", "large"}
    assert batch.statuses()["file"] is Status.RETRYING
    assert batch.statuses()["good"] is batch.statuses()["stored"] is Status.SUCCEEDED
