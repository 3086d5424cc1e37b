"""The provider makes what the switches promise: its own requests, answered by moto's server.

Left out is what moto has not: selections of AWS Backup and provisioned concurrency, which are
judged by mocks (`terraform test`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from terraform_cli import Terraform
from test_stack_on_moto import OPTIONS, OVERRIDE, VARIABLES, Deployed, embedded_aws

SWITCHES = {
    "customer_key": True,
    "network": {"cidr": "10.1.0.0/24"},
    "http_api": {
        "jwt": {"issuer": "https://login.example.com/", "audience": ["matinv"]},
        "cors_origins": ["https://lab.example.com"],
    },
    "standard": {"pollers": {"minimum": 3, "maximum": 20}},
}


def test_the_provider_makes_what_the_switches_promise(terraform: Terraform, tmp_path: Path) -> None:
    own = Terraform.make(tmp_path)
    service = own.infra / "service"
    (service / "moto_override.tf").write_text(OVERRIDE)
    (service / "switches.auto.tfvars.json").write_text(json.dumps(SWITCHES))
    with embedded_aws() as aws:
        stack = Deployed(Terraform(own.infra, {**own.environment, **aws}), aws)
        stack.terraform.run("service", "init", "-input=false", "-no-color")
        stack.terraform.run("service", "apply", "-auto-approve", *OPTIONS, *VARIABLES)
        queues_and_topics_use_the_stack_s_own_key(stack)
        functions_are_in_the_network(stack)
        the_http_api_asks_for_tokens(stack)
        a_second_apply_would_change_nothing(stack)


def queues_and_topics_use_the_stack_s_own_key(stack: Deployed) -> None:
    (key,) = (r.values["arn"] for r in stack.state.of_type("aws_kms_key"))
    sqs = stack.client("sqs")
    urls = sqs.list_queues()["QueueUrls"]
    assert len(urls) == 3
    for url in urls:
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert found["KmsMasterKeyId"] == key
    sns = stack.client("sns")
    topics = [t["TopicArn"] for t in sns.list_topics()["Topics"]]
    assert len(topics) == 3
    for arn in topics:
        assert sns.get_topic_attributes(TopicArn=arn)["Attributes"]["KmsMasterKeyId"] == key


def functions_are_in_the_network(stack: Deployed) -> None:
    ec2 = stack.client("ec2")
    endpoints = ec2.describe_vpc_endpoints()["VpcEndpoints"]
    assert sorted(e["ServiceName"].rpartition(".")[2] for e in endpoints) == [
        "dynamodb",
        "s3",
        "sns",
        "sqs",
    ]
    functions = stack.client("lambda").list_functions()["Functions"]
    assert len(functions) == 4
    assert {len(f["VpcConfig"]["SubnetIds"]) for f in functions} == {2}
    assert len({subnet for f in functions for subnet in f["VpcConfig"]["SubnetIds"]}) == 2


def the_http_api_asks_for_tokens(stack: Deployed) -> None:
    gateway = stack.client("apigatewayv2")
    (api,) = gateway.get_apis()["Items"]
    routes = gateway.get_routes(ApiId=api["ApiId"])["Items"]
    assert {r["RouteKey"]: r["AuthorizationType"] for r in routes} == {
        "$default": "JWT",
        "OPTIONS /{proxy+}": "NONE",
    }


def a_second_apply_would_change_nothing(stack: Deployed) -> None:
    """... but the descriptions of security groups' rules, which moto forgets."""
    plan = stack.terraform.infra / "again.tfplan"
    stack.terraform.run("service", "plan", f"-out={plan}", *OPTIONS, *VARIABLES)
    shown = json.loads(stack.terraform.run("service", "show", "-json", str(plan)).stdout)
    changes = {
        r["address"]: changed(r["change"])
        for r in shown["resource_changes"]
        if r["change"]["actions"] != ["no-op"] and r["mode"] == "managed"
    }
    assert set(map(frozenset, changes.values())) <= {frozenset({"description"})}, changes
    assert all("aws_vpc_security_group_" in address for address in changes)


def changed(change: dict[str, Any]) -> set[str]:
    """Return the names of the attributes that differ."""
    before, after = change["before"] or {}, change["after"] or {}
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}
