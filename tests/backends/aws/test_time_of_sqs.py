"""What is compared with SQS's time, by a client whose clock is wrong."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final

import pytest

from matinv.backends.aws import clients
from matinv.backends.aws.dynamodb import DynamoDBTable
from matinv.backends.aws.s3 import S3Store
from matinv.backends.aws.sqs import SQSQueue
from matinv.client import Client
from matinv.errors import Code, Refused
from matinv.jobs.lanes import standard
from matinv.jobs.ownership import Ownership, Question, owner
from matinv.jobs.request import Delivery
from matinv.operations.dead_letters import redrive
from matinv.ports import Backend, DeadLetter
from matinv.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

_SENDS: Final = 300  # in the second that SQS's time is exact to, a tenth of them at most


@pytest.mark.parametrize("off_s", [-3600, 3600])
def test_redrive_skips_no_letter_and_ends_while_new_ones_come(
    *,
    sqs: SQSClient,
    s3: S3Client,
    dynamodb: DynamoDBClient,
    queue_urls: tuple[str, str, str],
    buckets: tuple[str, str],
    table_name: str,
    monkeypatch: pytest.MonkeyPatch,
    off_s: int,
) -> None:
    monkeypatch.setattr("matinv.backends.aws.sqs._WAIT_S", 0)
    jobs, dead, _ = queue_urls
    queue, sent = SQSQueue(sqs, jobs, dead), list[str]()
    refused = Refused(Code.SINGULAR, "for tests")

    def fail(job_id: str) -> None:
        body = json.dumps({"job_id": job_id, "matrix": [[0]]})
        queue.dead_letter([DeadLetter(Delivery("m", "r", body, 1, 0, job_id, refused), "", "", "")])

    def send(body: str, group: str = "") -> None:
        """Take a job that another one follows, which fails at once."""
        assert len(sent) < _SENDS, "it goes on with what failed since it began"
        sent.append(json.loads(body)["job_id"])
        fail(f"follows-{len(sent)}")

    monkeypatch.setattr(queue, "send", send)
    for number in range(12):
        fail(f"old-{number}")
    client = Client(
        Backend(S3Store(s3, *buckets), DynamoDBTable(dynamodb, table_name), queue),
        Settings(*buckets, table_name, standard(jobs), dead),
        now=lambda: time.time() + off_s,
    )
    redrive(client, lambda _: True, {})
    assert {f"old-{number}" for number in range(12)} <= set(sent)
    assert queue.receive_dead(1, 60), "what came since is left"


@pytest.mark.parametrize("off_s", [-3600, 3600])
def test_a_message_sent_after_a_job_was_cancelled_is_worked_on_and_one_before_is_not(
    *,
    at_moto: str,
    queue_urls: tuple[str, str, str],
    buckets: tuple[str, str],
    table_name: str,
    monkeypatch: pytest.MonkeyPatch,
    off_s: int,
) -> None:
    settings = Settings(*buckets, table_name, standard(queue_urls[0]), queue_urls[1])
    right = time.time
    monkeypatch.setattr(clients, "time", SimpleNamespace(time=lambda: right() + off_s))
    monkeypatch.setattr(clients, "_off_s", 0.0)
    client = Client.connect(settings.to_environment())
    client.submit([[2.0]], job_id="a")
    before_ms = int(1000 * right()) - 3000  # a Date is exact to a second
    record = client.cancel(["a"])["a"]
    for sent_at_ms, verdict in (
        (before_ms, Ownership.ENDED),
        (before_ms + 6000, Ownership.OURS),
    ):
        question = Question(record.input, record.options, message_id="m", sent_at_ms=sent_at_ms)
        assert owner(record, question) is verdict


def test_a_clock_that_is_right_is_left_alone(at_moto: str, buckets: tuple[str, str]) -> None:
    clients.client("s3").list_buckets()
    assert clients.now() == pytest.approx(time.time(), abs=0.1)
