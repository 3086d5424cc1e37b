"""What a job costs, in US dollars: list prices of us-east-1, without free tiers."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final

# https://aws.amazon.com/lambda/pricing/: arm64, first tier.
LAMBDA_GB_SECOND: Final = 0.0000133334
LAMBDA_REQUEST: Final = 0.20e-6
# https://aws.amazon.com/s3/pricing/: S3 Standard. Storage, $0.023 per GB and month, is left out.
S3_PUT: Final = 5e-6
S3_GET: Final = 0.4e-6
# https://aws.amazon.com/sqs/pricing/: standard queue; each 64 KiB of a message count as a request.
SQS_REQUEST: Final = 0.40e-6
SQS_CHUNK_BYTES: Final = 64 * 1024
# https://aws.amazon.com/dynamodb/pricing/on-demand/: since November 2024; per KiB, per 4 KiB.
DYNAMODB_WRITE: Final = 0.625e-6
DYNAMODB_READ: Final = 0.125e-6

_RECORD_BYTES: Final = 1200  # a record without its result
_QUEUED_UNITS: Final = 3  # a message's first record, its entry in the index, and that entry's end


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one job, in dollars, by service.

    Parameters
    ----------
    compute, queue, table, storage : float
        Lambda, SQS, DynamoDB, S3.
    """

    compute: float
    queue: float
    table: float
    storage: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.compute + self.queue + self.table + self.storage


def cost(
    seconds: float, memory_mb: int, message_bytes: int, result_bytes: int, *, uploaded: bool
) -> Cost:
    """Return the cost of one job that has an invocation to itself, fetched once.

    Parameters
    ----------
    seconds : float
        Wall time of the worker.
    memory_mb : int
        Memory of the worker, which Lambda charges whether it is used or not.
    message_bytes : int
        The message: the matrix itself, or the notification of an upload.
    result_bytes : int
        What the record carries of the result; 0 if it is in S3.
    uploaded : bool
        Whether the input is an object.
    """
    chunks = ceil(message_bytes / SQS_CHUNK_BYTES)
    # The record and its entry in the index.
    written = ceil((_RECORD_BYTES + result_bytes) / 1024) + 1 + (not uploaded) * _QUEUED_UNITS
    # By whoever sends, by the worker, and twice by the reader: of the status and of the result.
    read = 1 + (not uploaded) + 2 * ceil((_RECORD_BYTES + result_bytes) / 4096)
    return Cost(
        compute=LAMBDA_REQUEST + seconds * memory_mb / 1024 * LAMBDA_GB_SECOND,
        queue=(2 * chunks + 1) * SQS_REQUEST,  # send, receive, delete
        table=written * DYNAMODB_WRITE + read * DYNAMODB_READ,
        storage=uploaded * (S3_PUT + S3_GET) + (not result_bytes) * (S3_PUT + S3_GET),
    )
