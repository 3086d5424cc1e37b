"""A producer and a consumer with boto3 alone, for programs that do not use the client."""

import io
import json
import os
import time
from urllib.parse import urlparse

import boto3
import numpy as np


def send(job_id: str, matrix: np.ndarray) -> None:
    """Put a small matrix on the jobs queue."""
    message = {"job_id": job_id, "matrix": matrix.tolist(), "format": "npy", "output": "s3"}
    boto3.client("sqs").send_message(
        QueueUrl=os.environ["MATINV_JOBS_QUEUE_URL"], MessageBody=json.dumps(message)
    )


def drop(job_id: str, matrix: np.ndarray) -> None:
    """Put a matrix of any size into the inputs bucket; options are metadata."""
    content = io.BytesIO()
    np.save(content, matrix)
    boto3.client("s3").put_object(
        Bucket=os.environ["MATINV_INPUTS_BUCKET"],
        Key=f"{job_id}.npy",
        Body=content.getvalue(),
        Metadata={"matinv-output": "s3"},
    )


def result(job_id: str, timeout_s: float = 60.0) -> np.ndarray:
    """Wait until a job has ended and return its inverse."""
    table = boto3.resource("dynamodb").Table(os.environ["MATINV_JOBS_TABLE"])
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        record = table.get_item(Key={"job_id": job_id}).get("Item", {})
        if record.get("status") in {"FAILED", "CANCELLED", "EXPIRED"}:
            raise ValueError(f"{job_id}: {record['error']['code']}: {record['error']['message']}")
        if record.get("status") in {"SUCCEEDED", "PARTIAL"}:  # slices that failed are NaN
            place = urlparse(record["result"]["uri"])
            stored = boto3.client("s3").get_object(Bucket=place.netloc, Key=place.path[1:])
            return np.load(io.BytesIO(stored["Body"].read()))
        time.sleep(0.5)
    raise TimeoutError(job_id)


if __name__ == "__main__":
    send("by-message", np.array([[1.0, 2.0], [3.0, 4.0]]))
    drop("by-file", np.diag([1.0, 2.0, 4.0]))
    for name in ("by-message", "by-file"):
        print(name, result(name).tolist())
