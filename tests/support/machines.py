"""AWS Batch on moto: a job queue and a job definition of Fargate, and no container that runs."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING

import boto3

from matinv.jobs.lanes import Ticket

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient


def make_machines(batch: BatchClient, moto_url: str, name: str) -> Ticket:
    """Make what a ticket names; a job of it ends at once, as moto has no container to run."""
    without_docker = json.dumps({"batch": {"use_docker": False}}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{moto_url}/moto-api/config", without_docker, headers)
    urllib.request.urlopen(request).close()
    iam = boto3.client("iam", endpoint_url=moto_url, region_name="us-east-1")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
    place = batch.create_compute_environment(
        computeEnvironmentName=name,
        type="UNMANAGED",
        serviceRole=role["Role"]["Arn"],
    )
    order = [{"order": 1, "computeEnvironment": place["computeEnvironmentArn"]}]
    queue = batch.create_job_queue(
        jobQueueName=name,
        state="ENABLED",
        priority=1,
        computeEnvironmentOrder=order,  # type: ignore[arg-type] # a literal
    )
    definition = batch.register_job_definition(
        jobDefinitionName=name,
        type="container",
        platformCapabilities=["FARGATE"],
        containerProperties={
            "image": "none",
            "resourceRequirements": [
                {"type": "VCPU", "value": "16"},
                {"type": "MEMORY", "value": "122880"},
            ],
        },
    )
    return Ticket(queue["jobQueueArn"], definition["jobDefinitionArn"])
