"""`terraform apply` of infra/service, the main job on what it made, `terraform destroy`.

The embedded AWS is moto in a process of its own (`moto_server`); the worker runs under the
Lambda Runtime Interface Emulator with the environment that Terraform gave to its function. The
provider waits 25 s for each queue and policy, whatever answers: most of this module's time is that.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from terraform_cli import REPOSITORY, State, Terraform

from matinv.backends.aws.event_source import FunctionError, Polling
from matinv.backends.aws.poller import Poller
from matinv.client import Client
from matinv.jobs.record import Status
from support.lambda_emulator import EmulatorMissing, LambdaEmulator, find_emulator

pytestmark = pytest.mark.deep

REGION = "us-east-1"
IMAGE = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/matinv@sha256:{'0123456789abcdef' * 4}"
VARIABLES = (f"-var=image_uri={IMAGE}", "-var=disposable=true")
OPTIONS = ("-input=false", "-no-color", "-parallelism=40")

# State in a file; S3 without a name server for its buckets; failing soon where moto has a gap.
OVERRIDE = """
terraform {
  backend "local" {}
}

provider "aws" {
  s3_use_path_style = true
  max_retries       = 4
}
"""


@dataclass(frozen=True)
class Deployed:
    """The stack, applied."""

    terraform: Terraform
    aws: dict[str, str]

    def client(self, service: str) -> Any:
        """Return a boto3 client of moto."""
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.aws["AWS_ENDPOINT_URL"],
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )

    @cached_property
    def state(self) -> State:
        """What Terraform made."""
        shown = self.terraform.run("service", "show", "-json").stdout
        return State.of_json(json.loads(shown)["values"])

    def function_environment(self, name: str) -> dict[str, str]:
        """Return the environment that Lambda would give to a function."""
        found = self.client("lambda").get_function_configuration(FunctionName=name)
        return {**found["Environment"]["Variables"], **self.aws}

    def worker(self, lane: str, queue: str, **limits: int) -> LambdaEmulator:
        return LambdaEmulator(
            "matinv.handlers.worker.handler",
            self.function_environment(self.state.outputs["functions"][lane]["name"]),
            path=str(REPOSITORY / "functions"),
            **limits,
        )

    def runner(self, queue: str, invoke: Callable[[Any], object]) -> Poller:
        """Return moto's substitute for Lambda's mapping of a queue."""
        url = self.state.outputs["queues"][queue]["url"]
        return Poller(self.client("sqs"), url, invoke, Polling(batch_size=10, window_s=0.2))

    def count(self, queue: str) -> int:
        """Return how many messages wait in a queue."""
        url = self.state.outputs["queues"][queue]["url"]
        names = ["ApproximateNumberOfMessages"]
        answer = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])


@contextmanager
def embedded_aws() -> Iterator[dict[str, str]]:
    """Start moto's server, with what Terraform needs; yield the settings that lead there."""
    server = Path(__file__).with_name("moto_server.py")
    with subprocess.Popen(
        [sys.executable, server, "--port", "0"],
        stdin=subprocess.PIPE,  # the server ends with it
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{int(process.stdout.readline())}",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }


@pytest.fixture
def deployed(terraform: Terraform) -> Iterator[Deployed]:
    try:
        find_emulator()
    except EmulatorMissing as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    with embedded_aws() as aws:
        at_moto = Terraform(terraform.infra, {**terraform.environment, **aws})
        (terraform.infra / "service" / "moto_override.tf").write_text(OVERRIDE)
        at_moto.run("service", "init", "-input=false", "-no-color")
        at_moto.run("service", "apply", "-auto-approve", *OPTIONS, *VARIABLES)
        yield Deployed(at_moto, aws)


@pytest.fixture
def client(deployed: Deployed) -> Iterator[Client]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in deployed.aws.items():
            patch.setenv(name, value)
        yield Client.connect(deployed.state.outputs["environment"])


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def a_second_apply_would_change_nothing(deployed: Deployed) -> None:
    planned = deployed.terraform.run(
        "service", "plan", "-detailed-exitcode", *OPTIONS, *VARIABLES, check=False
    )
    assert planned.returncode == 0, planned.stdout


def a_dropped_file_becomes_a_certified_inverse(deployed: Deployed, client: Client) -> None:
    a = np.random.default_rng(7).standard_normal((48, 48))
    bucket = deployed.state.outputs["environment"]["MATINV_INPUTS_BUCKET"]
    deployed.client("s3").put_object(Bucket=bucket, Key="dropped.npy", Body=npy(a))
    assert client.job("dropped").status() is Status.QUEUED
    with deployed.worker("standard", "jobs") as worker:
        assert deployed.runner("jobs", worker.invoke).drain()
    record = client.job("dropped").record()
    assert record.status is Status.SUCCEEDED
    assert record.certificate
    assert record.certificate.residual < 30
    assert np.abs(a @ client.job("dropped").result(verify=True) - np.eye(48)).max() < 1e-10


def bad_files_and_messages_end_with_their_reason(deployed: Deployed, client: Client) -> None:
    bucket = deployed.state.outputs["environment"]["MATINV_INPUTS_BUCKET"]
    s3 = deployed.client("s3")
    s3.put_object(Bucket=bucket, Key="singular.npy", Body=npy(np.ones((3, 3))))
    s3.put_object(Bucket=bucket, Key="notes.npy", Body=b"no matrix")
    s3.put_object(Bucket=bucket, Key="notes.txt", Body=b"no job: the ending is none of a matrix")
    url = deployed.state.outputs["queues"]["jobs"]["url"]
    deployed.client("sqs").send_message(QueueUrl=url, MessageBody="poison")
    with deployed.worker("standard", "jobs") as worker:
        assert deployed.runner("jobs", worker.invoke).drain()
    assert client.job("singular").status() is Status.FAILED
    assert client.job("notes").status() is Status.FAILED
    assert dead_codes(deployed) == ["BAD_FORMAT", "BAD_MESSAGE", "SINGULAR"]


def dead_codes(deployed: Deployed) -> list[str]:
    """Take all dead letters and return their error codes."""
    sqs, url = deployed.client("sqs"), deployed.state.outputs["queues"]["dead"]["url"]
    codes = []
    while letters := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=1
    ).get("Messages"):
        for letter in letters:
            codes.append(letter["MessageAttributes"]["error_code"]["StringValue"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=letter["ReceiptHandle"])
    return sorted(codes)


def a_message_that_kills_its_worker_is_moved_by_the_queue_itself(deployed: Deployed) -> None:
    sqs, url = deployed.client("sqs"), deployed.state.outputs["queues"]["jobs"]["url"]

    def kill(event: Any) -> object:
        raise FunctionError(str(event["Records"][0]["messageId"]))

    sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"matrix": [[1]]}))
    polling = Polling(batch_size=1, visibility_s=0)
    runner = Poller(sqs, url, kill, polling)
    assert runner.drain()
    assert runner.tally.failed_invocations == 10  # max_receive_count
    assert deployed.count("dead") == 1


def what_is_too_much_for_one_lane_goes_to_the_other(deployed: Deployed, client: Client) -> None:
    a = np.eye(1200)
    bucket = deployed.state.outputs["environment"]["MATINV_INPUTS_BUCKET"]
    deployed.client("s3").put_object(
        Bucket=bucket, Key="large.npy", Body=npy(a), Metadata={"matinv-method": "general"}
    )
    # 1200^2 x 8 bytes do not fit 64 MB beside Python; the large lane has enough.
    with deployed.worker("standard", "jobs", memory_mb=64) as worker:
        assert deployed.runner("jobs", worker.invoke).drain()
    assert deployed.count("large") == 1
    with deployed.worker("large", "large", memory_mb=10240, timeout_s=60) as worker:
        assert deployed.runner("large", worker.invoke).drain()
    assert client.job("large").status() is Status.SUCCEEDED


def the_api_answers_and_keeps_what_has_a_job_id(deployed: Deployed, client: Client) -> None:
    environment = deployed.function_environment("matinv-api")
    with LambdaEmulator(
        "matinv.handlers.api.handler", environment, path=str(REPOSITORY / "functions")
    ) as api:
        answer = api.invoke({"job_id": "direct", "matrix": [[1, 2], [3, 4]]})
    assert answer["inverse"] == [[-2.0, 1.0], [1.5, -0.5]]
    assert client.job("direct").status() is Status.SUCCEEDED


def the_command_works_on_the_outputs_without_typing(deployed: Deployed) -> None:
    root = deployed.terraform.infra / "service"
    done = subprocess.run(
        [sys.executable, "-m", "matinv.cli", "--stack", root, "status", "dropped", "--output=json"],
        env={**os.environ, **deployed.terraform.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "SUCCEEDED"


def the_canary_beats(deployed: Deployed) -> None:
    sqs, stop = deployed.client("sqs"), threading.Event()
    environment = deployed.function_environment("matinv-canary")
    with deployed.worker("standard", "jobs") as worker, ThreadPoolExecutor(1) as pool:
        url = deployed.state.outputs["queues"]["jobs"]["url"]
        serving = pool.submit(Poller(sqs, url, worker.invoke).run, stop)
        with LambdaEmulator(
            "matinv.handlers.canary.handler", environment, path=str(REPOSITORY / "functions")
        ) as canary:
            answer = canary.invoke({})
            log = canary.log()
        stop.set()
        serving.result()
    assert len(answer) == 2
    assert '"Heartbeat":[1.0]' in log.replace(" ", "")


def destroy_leaves_nothing(deployed: Deployed) -> None:
    deployed.terraform.run("service", "destroy", "-auto-approve", *OPTIONS, *VARIABLES)
    left = {
        "buckets": deployed.client("s3").list_buckets()["Buckets"],
        "queues": deployed.client("sqs").list_queues().get("QueueUrls", []),
        "tables": deployed.client("dynamodb").list_tables()["TableNames"],
        "functions": deployed.client("lambda").list_functions()["Functions"],
        "mappings": deployed.client("lambda").list_event_source_mappings()["EventSourceMappings"],
        "roles": deployed.client("iam").list_roles()["Roles"],
        "topics": deployed.client("sns").list_topics()["Topics"],
        "alarms": deployed.client("cloudwatch").describe_alarms()["MetricAlarms"],
        "logs": deployed.client("logs").describe_log_groups()["logGroups"],
        "schedules": deployed.client("scheduler").list_schedules()["Schedules"],
    }
    assert not {name: found for name, found in left.items() if found}


def test_the_main_job_on_what_terraform_applied(deployed: Deployed, client: Client) -> None:
    """One test, as an apply takes more than a minute: apart, each xdist worker would make one."""
    a_second_apply_would_change_nothing(deployed)
    a_dropped_file_becomes_a_certified_inverse(deployed, client)
    bad_files_and_messages_end_with_their_reason(deployed, client)
    a_message_that_kills_its_worker_is_moved_by_the_queue_itself(deployed)
    what_is_too_much_for_one_lane_goes_to_the_other(deployed, client)
    the_api_answers_and_keeps_what_has_a_job_id(deployed, client)
    the_command_works_on_the_outputs_without_typing(deployed)
    the_canary_beats(deployed)
    destroy_leaves_nothing(deployed)
