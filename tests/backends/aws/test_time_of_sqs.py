"""Dead letters over SQS, seen by a client whose clock is wrong."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final

import pytest

from matinv.backends.aws.dynamodb import DynamoDBTable
from matinv.backends.aws.s3 import S3Store
from matinv.backends.aws.sqs import SQSQueue
from matinv.client import Client
from matinv.errors import Code, Refused
from matinv.jobs.lanes import standard
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
