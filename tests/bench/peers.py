"""What people write today: one record at a time, the obvious calls, and right."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

import numpy as np

from bench.checks import Array

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class PlainHandler:
    """Inverts what SQS brings: messages with a matrix, or S3's notifications of ``.npy`` files.

    Parameters
    ----------
    s3, dynamodb : client
        boto3's, as they come.
    bucket, table : str
        Where results and statuses go.
    as_npy : bool
        Whether results are written by ``np.save``, not as JSON.
    """

    s3: S3Client
    dynamodb: DynamoDBClient
    bucket: str
    table: str
    as_npy: bool = False

    def __call__(self, event: Mapping[str, Any], context: object = None) -> dict[str, Any]:
        """Handle an SQS event."""
        for record in event["Records"]:
            body = json.loads(record["body"])
            if "matrix" in body:
                self._publish(body["job_id"], np.linalg.inv(np.array(body["matrix"])))
            for notification in body.get("Records", []):
                self._file(notification["s3"])
        return {"batchItemFailures": []}

    def result(self, job_id: str) -> Array:
        """Return what was published, if the job's status says so."""
        item = self.dynamodb.get_item(TableName=self.table, Key={"job_id": {"S": job_id}})["Item"]
        found = self.s3.get_object(Bucket=self.bucket, Key=item["result"]["S"])["Body"].read()
        return np.load(io.BytesIO(found)) if self.as_npy else np.array(json.loads(found))

    def _file(self, place: Mapping[str, Any]) -> None:
        key = unquote_plus(place["object"]["key"])
        content = self.s3.get_object(Bucket=place["bucket"]["name"], Key=key)["Body"].read()
        self._publish(key.removesuffix(".npy"), np.linalg.inv(np.load(io.BytesIO(content))))

    def _publish(self, job_id: str, x: Array) -> None:
        key = f"plain/{job_id}.{'npy' if self.as_npy else 'json'}"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=self._written(x))
        status = {"job_id": {"S": job_id}, "status": {"S": "SUCCEEDED"}, "result": {"S": key}}
        self.dynamodb.put_item(TableName=self.table, Item=status)

    def _written(self, x: Array) -> str | bytes:
        if not self.as_npy:
            return json.dumps(x.tolist())
        buffer = io.BytesIO()
        np.save(buffer, x)
        return buffer.getvalue()
