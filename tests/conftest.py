"""Fixtures for all tests: no way to the real AWS, and an embedded one where a test asks."""

from __future__ import annotations

import gc
import io
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.lambda_emulator import EmulatorMissing, find_emulator

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

pytest.register_assert_rewrite("matinv.testing")

_TOOLS = {"emulator", "terraform", "chrome"}
"""Fixtures that need a program which is no package of Python."""

_CAMPAIGN = Path(__file__).parent / "linalg" / "campaign"
"""Minutes of CPU. A plain error of the package is found by the tests of its modules."""

_ALL_DEEP = re.compile(r"^pytestmark = \[?pytest\.mark\.deep\b", re.MULTILINE)

_NAME_LENGTH = 40

_NOWHERE = "http://127.0.0.1:9"  # the discard port: refused at once, on this machine


def _quick(config: pytest.Config) -> bool:
    return bool(config.getoption("markexpr") == "not deep")


def pytest_configure(config: pytest.Config) -> None:
    """Choose Hypothesis' settings for all tests, which none has to repeat."""
    if config.getoption("numprocesses", None):
        return  # xdist's controller runs no test
    import hypothesis  # noqa: PLC0415 - 0.4 s, for those who need it

    # No deadline: times are for scripts/bench, and other work on the machine takes some.
    hypothesis.settings.register_profile("all", deadline=None)
    # A quick run makes a fifth of the examples: `support.examples`.
    hypothesis.settings.register_profile("quick", max_examples=20, deadline=None)
    hypothesis.settings.load_profile("quick" if _quick(config) else "all")


def pytest_make_parametrize_id(val: object) -> str | None:
    """Shorten names: with megabytes of hostile input in them each report took milliseconds."""
    if isinstance(val, str | bytes) and len(val) > _NAME_LENGTH:
        text = val if isinstance(val, str) else val.decode("latin-1")
        return f"{text[:_NAME_LENGTH]}... of {len(val)}"
    return None


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave files whose tests are all deep unread by a quick run: 2 s of CPU for each worker."""
    if not _quick(config) or not collection_path.name.startswith("test_"):
        return None
    deep = collection_path.is_relative_to(_CAMPAIGN) or _ALL_DEEP.search(
        collection_path.read_text()
    )
    return True if deep else None


@pytest.hookimpl(tryfirst=True)  # before pytest's own hook, which goes by the marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark as deep the tests that need such a program, and those of campaigns.

    In a quick run a worker of pytest does all tests of a file, and all that need an embedded AWS:
    it loads that, and what a file's tests have in common, once.
    """
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if _TOOLS.intersection(fixtures) or item.path.is_relative_to(_CAMPAIGN):
            item.add_marker(pytest.mark.deep)
        if _quick(config):
            group = "moto" if "moto_url" in fixtures else item.path.stem
            item.add_marker(pytest.mark.xdist_group(group))


def pytest_collection_finish() -> None:
    """Take what was collected from the garbage collector, which would go through it each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def no_real_aws() -> Iterator[None]:
    """Take away the caller's AWS settings: a test without an embedded AWS reaches nothing."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("AWS_", "MATINV_", "BOTO_")):
                patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_REGION", "us-east-1")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_ENDPOINT_URL", _NOWHERE)
        yield


@pytest.fixture(scope="session")
def moto_url(no_real_aws: None) -> Iterator[str]:
    """Return the address of an embedded AWS in a process of its own, one for the session."""
    command = [sys.executable, "-m", "matinv.local.moto_patches.server", "--port", "0"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.terminate()


@pytest.fixture
def at_moto(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Point boto3's environment to moto for one test."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    return moto_url


@pytest.fixture(scope="session")
def moto_clients(moto_url: str) -> dict[str, Any]:
    """Return the product's own clients of moto."""
    from matinv.backends.aws import clients  # noqa: PLC0415 - boto3, 0.3 s, for those who need it
    from matinv.testing.events import ACCOUNT  # noqa: PLC0415 - for asserts to be rewritten first

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", moto_url)
        made: dict[str, Any] = {name: clients.client(name) for name in ("dynamodb", "sqs", "sns")}
        made["s3"] = clients.client("s3", ACCOUNT)
        assert all(client.meta for client in made.values())  # made now, at this address
        return made


@pytest.fixture
def s3(moto_clients: dict[str, Any]) -> S3Client:
    return moto_clients["s3"]


@pytest.fixture
def dynamodb(moto_clients: dict[str, Any]) -> DynamoDBClient:
    return moto_clients["dynamodb"]


@pytest.fixture
def sqs(moto_clients: dict[str, Any]) -> SQSClient:
    return moto_clients["sqs"]


@pytest.fixture
def sns(moto_clients: dict[str, Any]) -> SNSClient:
    return moto_clients["sns"]


@pytest.fixture
def unique() -> str:
    """Return a name that no other test has, short enough for a bucket."""
    return f"t{uuid.uuid4().hex[:16]}"


@pytest.fixture
def buckets(s3: S3Client, unique: str) -> tuple[str, str]:
    """Create an inputs and a results bucket, both with versions."""
    names = (f"{unique}-inputs", f"{unique}-results")
    for name in names:
        s3.create_bucket(Bucket=name)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return names


@pytest.fixture
def table_name(dynamodb: DynamoDBClient, unique: str) -> Iterator[str]:
    """Create a jobs table, and drop it in the end: moto copies whole tables."""
    from matinv.backends.aws.dynamodb import table_schema  # noqa: PLC0415 - see above

    dynamodb.create_table(**table_schema(unique))
    yield unique
    dynamodb.delete_table(TableName=unique)


@pytest.fixture
def queue_urls(sqs: SQSClient, unique: str) -> tuple[str, str, str]:
    """Create a jobs queue, its dead-letter queue and a large queue."""
    size = {"MaximumMessageSize": str(256 * 1024)}
    dlq = sqs.create_queue(QueueName=f"{unique}-dlq", Attributes=size)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dlq, AttributeNames=["QueueArn"])["Attributes"]
    policy = f'{{"deadLetterTargetArn": "{arn["QueueArn"]}", "maxReceiveCount": 5}}'
    work = size | {"RedrivePolicy": policy}
    jobs = sqs.create_queue(QueueName=f"{unique}-jobs", Attributes=work)["QueueUrl"]
    large = sqs.create_queue(QueueName=f"{unique}-large", Attributes=work)["QueueUrl"]
    return jobs, dlq, large


@pytest.fixture
def topic_arn(sns: SNSClient, unique: str) -> str:
    """Create a topic for job events."""
    return sns.create_topic(Name=f"{unique}-events")["TopicArn"]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, unique: str) -> io.StringIO:
    """Take what handlers log in this process: the real logger would keep a captured stdout."""
    from aws_lambda_powertools import Logger  # noqa: PLC0415 - 0.1 s, for those who need it

    stream = io.StringIO()
    logger = Logger(service=unique, stream=stream)
    monkeypatch.setattr("matinv.telemetry.logger", lambda: logger)
    return stream


@pytest.fixture(scope="session")
def emulator() -> None:
    """Skip the tests of the Lambda emulator where there is none; in CI they fail."""
    try:
        find_emulator()
    except EmulatorMissing as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
