"""What jobs ask of AWS, counted on the real client and worker: units of the table, calls of S3."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from math import ceil
from time import time
from typing import Any, Final

import numpy as np

from matinv.backends.aws.dynamodb import DynamoDBTable
from matinv.backends.aws.sqs import SQSQueue
from matinv.backends.memory import MemoryQueue
from matinv.client.client import MemoryClient
from matinv.client.job import Job
from matinv.client.preparation import prepare
from matinv.jobs.request import Options
from matinv.linalg.types import Matrix
from matinv.local.samples import npy_bytes
from support.simulated_dynamodb import SimulatedDynamoDB

# As wide as those of Lambda.
ENGINE: Final = {
    "version": "10.10.10",
    "numpy": "2.10.10",
    "blas": "openblas 0.3.30",
    "arch": "aarch64",
    "threads": "1",
}
# What is shorter here than on AWS: message ids (16 random bytes, in hexadecimal digits), and of
# files names of buckets (36) and ids of versions (32), two of each.
MESSAGE_BYTES: Final = 24
FILE_BYTES: Final = MESSAGE_BYTES + 2 * 30 + 2 * 30


@dataclass(frozen=True, slots=True)
class Counted:
    """What one of many jobs takes, its submitter's reads of status and result included."""

    sends: float
    write_units: float
    read_units: float
    puts: float
    gets: float


def matrix(n: int, seed: int) -> Matrix:
    """Return a matrix that is easily inverted, and not easily compressed."""
    a: Matrix = np.random.default_rng(seed).standard_normal((n, n)) + n * np.eye(n)
    return a


def count(n: int, jobs: int, *, together: bool = True) -> Counted:
    """Do a batch of jobs: messages, if they fit, else dropped files.

    Messages are sent by one call of the client, or each by a call of its own.
    """
    client = MemoryClient()
    client.working = False
    by_message = n <= 8
    simulated: Any = SimulatedDynamoDB(padding=MESSAGE_BYTES if by_message else FILE_BYTES)
    table = DynamoDBTable(simulated, "matinv-jobs")
    client.table = table
    sqs: Any = _CountedSQS(client.memory_queue)
    client.queue = SQSQueue(sqs, "https://sqs/jobs", "https://sqs/dead")
    worker = client._worker
    worker.now_s = time()
    worker.app = replace(worker.app, table=table, engine=ENGINE, now=time)
    matrices = [matrix(n, seed) for seed in range(jobs)]
    if by_message:
        submissions = [prepare(a, None, Options()) for a in matrices]
        parts = [submissions] if together else [[one] for one in submissions]
        done = [job for part in parts for job in client.send(part) if isinstance(job, Job)]
    else:
        for number, a in enumerate(matrices):
            client.memory_store.upload(f"{number}.npy", [npy_bytes(a)], {})
        done = [client.job(f"{number}") for number in range(jobs)]
    client.work()
    for job, a in zip(done, matrices, strict=True):
        assert job.wait().result
        assert np.abs(a @ job.result() - np.eye(n)).max() < 1e-6
    assert len(simulated.items) == jobs
    calls: Counter[str] = client.memory_store.calls
    return Counted(
        sends=sqs.requests / jobs if by_message else 1,  # S3 sends a notification for each file
        write_units=simulated.units["write"] / jobs,
        read_units=simulated.units["read"] / jobs,
        puts=(calls["upload"] + calls["put_result"]) / jobs,
        gets=(calls["open"] + calls["results"]) / jobs,
    )


class _CountedSQS:
    """What boto3 calls a client, as far as sending goes; each 64 KiB of a call are a request.

    Source: https://aws.amazon.com/sqs/pricing/.
    """

    def __init__(self, queue: MemoryQueue) -> None:
        self.requests = 0
        self._queue = queue

    def send_message_batch(self, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803 - boto3's
        size_bytes = sum(len(entry["MessageBody"].encode()) for entry in Entries)
        self.requests += ceil(size_bytes / 65_536)
        for entry in Entries:
            self._queue.send(entry["MessageBody"])
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}
