"""The cost of a job, in US dollars: list prices of us-east-1, without free tiers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Final

from matinv.jobs.lanes import LAMBDA_MB, Lane
from matinv.jobs.record import JobCost, Record
from matinv.jobs.request import MESSAGE_SOURCE

# https://aws.amazon.com/lambda/pricing/: arm64, first tier.
LAMBDA_GB_SECOND: Final = 0.0000133334
LAMBDA_REQUEST: Final = 0.20e-6
# https://aws.amazon.com/fargate/pricing/: Linux on ARM. EC2's largest machine of the grid costs 1 %
# less than so many of these.
FARGATE_VCPU_HOUR: Final = 0.03238
FARGATE_GB_HOUR: Final = 0.00356
# https://aws.amazon.com/s3/pricing/: S3 Standard. Storage, $0.023 per GB and month, is left out.
S3_PUT: Final = 5e-6
S3_GET: Final = 0.4e-6
# https://aws.amazon.com/sqs/pricing/: standard queue; each 64 KiB of a call count as a request.
SQS_REQUEST: Final = 0.40e-6
SQS_CHUNK_BYTES: Final = 64 * 1024
SQS_ENTRIES: Final = 10  # messages that a call takes at most
# https://aws.amazon.com/dynamodb/pricing/on-demand/: since November 2024; per KiB, per 4 KiB.
DYNAMODB_WRITE: Final = 0.625e-6
DYNAMODB_READ: Final = 0.125e-6

# Jobs that share an invocation of the standard lane, as infra/service deploys it.
STANDARD_BATCH: Final = 100

_RECORD_BYTES: Final = 420  # a record without its result
_NOT_STORED_BYTES: Final = 115  # of a small result: the header of its .npy, but for a few words
_NOTIFICATION_BYTES: Final = 1024
_ANNOUNCED_S: Final = 1.0  # a job of a file that takes longer is RUNNING in between


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one job, in dollars, by service.

    Parameters
    ----------
    compute, queue, table, storage : float
        Lambda or Fargate, SQS, DynamoDB, S3.
    """

    compute: float
    queue: float
    table: float
    storage: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.compute + self.queue + self.table + self.storage


def compute_usd(gb_s: float, lane: Lane) -> float:
    """Return the price of some gibibyte-seconds of a lane's machine, without calls."""
    if lane.memory_mb <= LAMBDA_MB:
        return gb_s * LAMBDA_GB_SECOND
    memory_gb = lane.memory_mb / 1024
    an_hour = lane.threads * FARGATE_VCPU_HOUR + memory_gb * FARGATE_GB_HOUR
    return gb_s / memory_gb * an_hour / 3600


def cost(  # noqa: PLR0913 - each is a row of the bill
    seconds: float,
    lane: Lane,
    message_bytes: int,
    result_bytes: int | None,
    *,
    uploaded: bool,
    jobs: int = 1,
    writes: int | None = None,
    in_run: bool = False,
) -> Cost:
    """Return the cost of one job, sent by a call of its own and fetched once.

    Parameters
    ----------
    seconds : float
        Its share of the worker's wall time.
    lane : Lane
        The worker's: Lambda charges for all of its memory, whether it is used or not.
    message_bytes : int
        The message: the matrix itself, or the notification of an upload.
    result_bytes : int or None
        Bytes of the result in the record; 0 if it is in S3, None if there is none.
    uploaded : bool
        Whether the input is an object.
    jobs : int
        So many share the invocation, and, up to ten, the calls that receive and delete.
    writes : int, optional
        How often its record is written; by default as often as when all goes well.
    in_run : bool
        Whether the index by run has the record as well.
    """
    of_lambda = lane.memory_mb <= LAMBDA_MB
    if writes is None:
        writes = 1 + (not uploaded or seconds > _ANNOUNCED_S)
    together = min(jobs, SQS_ENTRIES)
    sent = ceil(message_bytes / SQS_CHUNK_BYTES)
    received = ceil(together * message_bytes / SQS_CHUNK_BYTES) / together
    record_bytes = _RECORD_BYTES + max(0, (result_bytes or 0) - _NOT_STORED_BYTES)
    # An index charges an entry that comes, and twice one that moves, which it does with the status.
    entries = (1 + in_run) * (2 * writes - 1)
    written = writes - 1 + ceil(record_bytes / 1024) + entries
    # By the sender of a message, by the worker, and twice by the reader, of status and of result.
    read = 1 + (not uploaded) + 2 * ceil(record_bytes / 4096)
    return Cost(
        compute=compute_usd(seconds * lane.memory_mb / 1024, lane)
        + of_lambda * LAMBDA_REQUEST / jobs,
        queue=(sent + received + 1 / together) * SQS_REQUEST,
        table=written * DYNAMODB_WRITE + read * DYNAMODB_READ,
        storage=(uploaded + (result_bytes == 0)) * (S3_PUT + S3_GET),
    )


def cost_of(record: Record, lane: Lane, seconds: float) -> Cost:
    """Return the cost of a job that has ended, by its record, or for a record that does not say it.

    Parameters
    ----------
    record : Record
        The job's.
    lane : Lane
        The lane that did it.
    seconds : float
        Its share of a worker's time, if its record says no cost: it had an invocation to itself.
    """
    if record.cost is None:
        return _parts(record, lane, seconds * lane.memory_mb / 1024, 1)
    parts = _parts(record, lane, record.cost.gb_s, 1)
    compute = compute_usd(record.cost.gb_s, lane)
    # Among these are calls of Lambda: how many jobs shared one, the record's sum alone knows.
    calls = record.cost.usd - compute - parts.table - parts.storage
    return replace(parts, compute=compute, queue=calls)


def job_cost(record: Record, lane: Lane, seconds: float, jobs: int) -> JobCost:
    """Return the cost of a job that ends with a record, its earlier attempts included.

    Rounded down, so that jobs never cost more than the batch that they were in.

    Parameters
    ----------
    record : Record
        As it is to be written; its ``cost`` is that of the attempts before.
    lane : Lane
        The worker's.
    seconds : float
        This attempt's share of the worker's time.
    jobs : int
        So many shared the invocation.
    """
    gb_s = seconds * lane.memory_mb / 1024 + (record.cost.gb_s if record.cost else 0.0)
    gb_s = floor(gb_s * 1e9) / 1e9
    return JobCost(gb_s, floor(_parts(record, lane, gb_s, jobs).total * 1e12) / 1e12)


def _parts(record: Record, lane: Lane, gb_s: float, jobs: int) -> Cost:
    uploaded, result = record.input.source != MESSAGE_SOURCE, record.result
    result_bytes = None
    if result:
        result_bytes = result.size_bytes if result.inline is not None else 0
    return cost(
        gb_s * 1024 / lane.memory_mb,
        lane,
        _NOTIFICATION_BYTES if uploaded else record.input.size_bytes or 1,
        result_bytes,
        uploaded=uploaded,
        jobs=jobs,
        writes=max(1, record.revision),
        in_run=bool(record.run),
    )
