"""Reads what the service published, as any program could: README's record, boto3 and json.

The service's own client would do it too, but reads whole records, for which the embedded AWS
takes five times as long.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.checks import Array, WrongError
from matinv.local.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_KEYS_PER_READ = 100  # BatchGetItem's limit


def inverses(stack: Stack, job_ids: Sequence[str]) -> Iterator[tuple[str, Array]]:
    """Yield each job and its inverse.

    Raises
    ------
    WrongError
        If a job has no record, or has not succeeded.
    """
    found: dict[str, Any] = {}
    for begin in range(0, len(job_ids), _KEYS_PER_READ):
        found |= _read(stack, job_ids[begin : begin + _KEYS_PER_READ])
    s3 = stack.client("s3")
    for job_id in job_ids:
        if job_id not in found or found[job_id]["status"]["S"] != "SUCCEEDED":
            message = f"job {job_id} has not succeeded: {found.get(job_id, 'no record')}"
            raise WrongError(message)
        yield job_id, _inverse(s3, found[job_id]["result"]["M"])


def _read(stack: Stack, job_ids: Sequence[str]) -> dict[str, Any]:
    table = stack.settings.jobs_table
    wanted: Any = {
        "Keys": [{"job_id": {"S": job_id}} for job_id in job_ids],
        "ProjectionExpression": "job_id, #status, #result",
        "ExpressionAttributeNames": {"#status": "status", "#result": "result"},
        "ConsistentRead": True,
    }
    answer = stack.client("dynamodb").batch_get_item(RequestItems={table: wanted})
    return {item["job_id"]["S"]: item for item in answer["Responses"][table]}


def _inverse(s3: S3Client, result: dict[str, Any]) -> Array:
    if "uri" not in result:
        (content,) = result["inline"].values()  # text, or bytes
        if "array" in result:  # the elements of a .npy
            dtype, *shape = result["array"]["S"].removesuffix(" F").split()
            order: Any = "F" if result["array"]["S"].endswith(" F") else "C"
            x: Array = np.frombuffer(content, dtype).reshape([*map(int, shape)], order=order)
            return x
        return _parsed(content)
    bucket, _, key = result["uri"]["S"].removeprefix("s3://").partition("/")
    content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return _parsed(content)


def _parsed(content: str | bytes) -> Array:
    if isinstance(content, bytes) and content.startswith(b"\x93NUMPY"):
        x: Array = np.load(io.BytesIO(content))
        return x
    return np.array(json.loads(content)["inverse"])
