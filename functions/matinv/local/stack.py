"""The embedded stack: buckets, queues and table on an embedded AWS, ready to use."""

from __future__ import annotations

import json
import shlex
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, overload

import boto3

from matinv import processes
from matinv.backends.aws.dynamodb import table_schema
from matinv.formats.codecs import ENDINGS
from matinv.jobs.lanes import Lane, standard
from matinv.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

# Version 1 of the AWS CLI knows endpoints of its own for SQS in most regions, and ignores
# AWS_ENDPOINT_URL there. Not in this one.
REGION: Final = "eu-central-2"
MESSAGE_BYTES: Final = 256 * 1024  # as deployed: the provider's limit, below SQS's own 1 MiB

# Settings of boto3 that would lead elsewhere than `Stack.environment`.
OVERRULED: Final = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_SQS",
    "AWS_ENDPOINT_URL_DYNAMODB",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
)

_START_S: Final = 60.0  # importing moto takes 1 s, on a busy machine several
_STOP_S: Final = 5.0
_DLQ_RETENTION_S: Final = 14 * 86_400  # SQS's longest
_ONE_LANE: Final = standard("")
_KEY: Final = "local"  # both halves; the embedded AWS checks neither


class StackError(Exception):
    """The embedded AWS did not start."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The parts of a stack.

    Parameters
    ----------
    port : int
        Port of the embedded AWS on the loopback interface, 0 for a free one.
    max_receives : int
        Receives after which the queue moves a message to the dead-letter queue.
    visibility_s : int
        How long a received message stays invisible. Lambda wants at least its function's timeout.
    lanes : Lane
        Its lanes; their queues are made.
    """

    port: int = 0
    max_receives: int = 5
    visibility_s: int = 60
    lanes: Lane = _ONE_LANE


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack.

    Parameters
    ----------
    endpoint_url : str
        The URL of the embedded AWS.
    settings : Settings
        Names of its resources.
    process : Popen
        The embedded AWS.
    """

    endpoint_url: str
    settings: Settings
    process: subprocess.Popen[str] = field(repr=False)

    @classmethod
    @contextmanager
    def start(cls, shape: Shape = Shape(), *, name: str = "matinv") -> Iterator[Stack]:
        """Run a stack for the length of the block; its state is in memory and ends with it.

        Parameters
        ----------
        shape : Shape
            The stack's parts and their limits.
        name : str
            Prefix of the names of its resources.

        Raises
        ------
        StackError
            If the embedded AWS does not start: its port is taken.
        """
        command = ["-m", "matinv.local.moto_patches.server", "--port", str(shape.port)]
        with processes.running(command, _STOP_S, stdout=subprocess.PIPE) as process:
            # The port that the embedded AWS prints once it listens.
            giving_up = threading.Timer(_START_S, process.kill)
            giving_up.start()
            try:
                line = process.stdout.readline() if process.stdout else ""
            finally:
                giving_up.cancel()
            if not line.strip():
                where = f"on port {shape.port}" if shape.port else "on any port"
                message = f"the embedded AWS did not start {where}"
                raise StackError(message)
            endpoint_url = f"http://127.0.0.1:{int(line)}"
            yield cls(endpoint_url, _create(endpoint_url, shape, name), process)

    def alive(self) -> bool:
        """Whether the embedded AWS still runs."""
        return self.process.poll() is None

    def environment(self) -> dict[str, str]:
        """Return variables that make functions, client, CLI, boto3 and AWS CLI use this stack."""
        return self.settings.to_environment() | {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": _KEY,
            "AWS_SECRET_ACCESS_KEY": _KEY,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def exports(self) -> str:
        """Return the environment as lines for a shell."""
        return "".join(
            [f"unset {' '.join(OVERRULED)}\n"]
            + [f"export {k}={shlex.quote(v)}\n" for k, v in self.environment().items()]
        )

    def process_environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return the environment for a process of this stack that otherwise inherits `base`."""
        return {k: v for k, v in base.items() if k not in OVERRULED} | self.environment()

    @overload
    def client(self, service: Literal["s3"]) -> S3Client: ...
    @overload
    def client(self, service: Literal["dynamodb"]) -> DynamoDBClient: ...
    @overload
    def client(self, service: Literal["sqs"]) -> SQSClient: ...
    def client(self, service: str) -> Any:
        """Return a boto3 client of this stack, independent of the environment."""
        return _client(self.endpoint_url, service)

    def of_lane(self, lane: Lane) -> Stack:
        """Return this stack as the worker of one of its lanes sees it."""
        return replace(self, settings=replace(self.settings, lane=lane))


def _client(endpoint_url: str, service: str) -> Any:
    return boto3.client(  # type: ignore[call-overload] # a literal in every call
        service,
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id=_KEY,
        aws_secret_access_key=_KEY,
    )


def _create(endpoint_url: str, shape: Shape, name: str) -> Settings:
    sqs: SQSClient = _client(endpoint_url, "sqs")
    s3: S3Client = _client(endpoint_url, "s3")
    dynamodb: DynamoDBClient = _client(endpoint_url, "dynamodb")
    dlq_url = _create_queue(sqs, f"{name}-dlq", {"MessageRetentionPeriod": str(_DLQ_RETENTION_S)})
    redrive = {"deadLetterTargetArn": _arn(sqs, dlq_url), "maxReceiveCount": shape.max_receives}
    work = {"VisibilityTimeout": str(shape.visibility_s), "RedrivePolicy": json.dumps(redrive)}

    def with_queue(lane: Lane, queue: str) -> Lane:
        following = lane.next and with_queue(lane.next, lane.next.name)
        url = _create_queue(sqs, f"{name}-{queue}", work)
        return replace(lane, queue_url=url, next=following)

    settings = Settings(
        inputs_bucket=f"{name}-inputs",
        results_bucket=f"{name}-results",
        jobs_table=f"{name}-jobs",
        lane=with_queue(shape.lanes, "jobs"),
        dlq_url=dlq_url,
    )
    dynamodb.create_table(**table_schema(settings.jobs_table))
    for bucket in (settings.inputs_bucket, settings.results_bucket):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    queue_arn = _arn(sqs, settings.jobs_queue_url)
    s3.put_bucket_notification_configuration(
        Bucket=settings.inputs_bucket,
        NotificationConfiguration={
            "QueueConfigurations": [
                {
                    "QueueArn": queue_arn,
                    "Events": ["s3:ObjectCreated:*"],
                    "Filter": {"Key": {"FilterRules": [{"Name": "suffix", "Value": suffix}]}},
                }
                for ending in ENDINGS
                for suffix in (ending, ending.upper())
            ]
        },
    )
    return settings


def _create_queue(sqs: SQSClient, name: str, attributes: dict[str, str]) -> str:
    limit = {"MaximumMessageSize": str(MESSAGE_BYTES)}
    return sqs.create_queue(QueueName=name, Attributes=limit | attributes)["QueueUrl"]  # type: ignore[arg-type] # names above


def _arn(sqs: SQSClient, queue_url: str) -> str:
    answer = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    return answer["Attributes"]["QueueArn"]
