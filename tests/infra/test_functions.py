"""Functions and table against what the package expects: names of settings, keys, indices."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from terraform_cli import INFRA, State

from matinv.backends.aws.dynamodb import TTL_ATTRIBUTE, table_schema
from matinv.formats.codecs import ENDINGS
from matinv.jobs.lanes import large, standard, threads_of
from matinv.settings import AS_DEPLOYED, Settings

QUEUES = "https://sqs.eu-west-1.amazonaws.com/123456789012"
STANDARD = Settings(
    inputs_bucket="inputs",
    results_bucket="results",
    jobs_table="matinv-jobs",
    lane=standard(f"{QUEUES}/matinv-jobs", large(f"{QUEUES}/matinv-large")),
    dlq_url=f"{QUEUES}/matinv-dead",
    events_topic_arn="arn:aws:sns:eu-west-1:123456789012:matinv-events",
)
ENVIRONMENTS = {
    "worker": STANDARD.to_environment(),
    # The lane's own queue, and none to forward to.
    "worker-large": STANDARD.to_environment() | {"MATINV_JOBS_QUEUE_URL": f"{QUEUES}/matinv-large"},
    "api": STANDARD.to_environment(),
    "canary": STANDARD.to_environment(),
}
for _name in ("worker-large", "api", "canary"):
    del ENVIRONMENTS[_name]["MATINV_LARGE_QUEUE_URL"]

HANDLERS = {
    "worker": "matinv.handlers.worker.handler",
    "worker-large": "matinv.handlers.worker.handler",
    "api": "matinv.handlers.api.handler",
    "canary": "matinv.handlers.canary.handler",
}


def function(stack: State, name: str) -> Mapping[str, Any]:
    return next(
        f.values
        for f in stack.of_type("aws_lambda_function")
        if f.values["function_name"] == f"matinv-{name}"
    )


def environment(stack: State, name: str) -> dict[str, str]:
    return dict(function(stack, name)["environment"][0]["variables"])


def test_there_are_four_functions(stack: State) -> None:
    names = {f.values["function_name"] for f in stack.of_type("aws_lambda_function")}
    assert names == {f"matinv-{name}" for name in HANDLERS}


@pytest.mark.parametrize("name", HANDLERS)
def test_environment_is_that_of_the_settings_and_no_more(stack: State, name: str) -> None:
    found = environment(stack, name)
    own = {k: v for k, v in found.items() if k.startswith("MATINV_")}
    assert own == ENVIRONMENTS[name]
    assert found.keys() - own.keys() == {
        "POWERTOOLS_SERVICE_NAME",
        "POWERTOOLS_METRICS_NAMESPACE",
        "POWERTOOLS_LOG_LEVEL",
        "OPENBLAS_NUM_THREADS",
        "OMP_NUM_THREADS",
    }


@pytest.mark.parametrize("name", HANDLERS)
def test_environment_makes_settings(stack: State, name: str) -> None:
    settings = Settings.from_environment(environment(stack, name))
    assert settings.to_environment() == ENVIRONMENTS[name]


def test_outputs_make_the_settings_of_a_client(stack: State) -> None:
    environment = stack.outputs["environment"]
    assert Settings.from_environment(environment) == STANDARD
    assert environment.keys() - STANDARD.to_environment().keys() == {"AWS_REGION"}


@pytest.mark.parametrize("name", HANDLERS)
def test_threads_are_the_vcpus(stack: State, name: str) -> None:
    vcpus = str(threads_of(function(stack, name)["memory_size"]))
    found = environment(stack, name)
    assert (found["OPENBLAS_NUM_THREADS"], found["OMP_NUM_THREADS"]) == (vcpus, vcpus)


@pytest.mark.parametrize("name", HANDLERS)
def test_function_runs_the_one_image(stack: State, name: str) -> None:
    values = function(stack, name)
    assert values["package_type"] == "Image"
    assert values["image_config"][0]["command"] == [HANDLERS[name]]
    assert values["architectures"] == ["arm64"]
    assert values["tracing_config"][0]["mode"] == "Active"
    assert values["logging_config"][0]["log_format"] == "JSON"
    assert values["logging_config"][0]["log_group"] == f"/aws/lambda/matinv-{name}"


@pytest.mark.parametrize("name", HANDLERS)
def test_logs_do_not_live_for_ever(stack: State, name: str) -> None:
    (group,) = (
        g.values
        for g in stack.of_type("aws_cloudwatch_log_group")
        if g.values["name"] == f"/aws/lambda/matinv-{name}"
    )
    assert group["retention_in_days"] == 30


def test_lanes(stack: State) -> None:
    mappings = {
        m.values["event_source_arn"].rpartition(":")[2]: m.values
        for m in stack.of_type("aws_lambda_event_source_mapping")
    }
    assert mappings.keys() == {"matinv-jobs", "matinv-large"}
    found = {
        queue: (
            m["function_name"].rpartition(":")[2],
            m["batch_size"],
            m["maximum_batching_window_in_seconds"],
            m["scaling_config"][0]["maximum_concurrency"],
        )
        for queue, m in mappings.items()
    }
    assert found == {
        "matinv-jobs": ("matinv-worker", 100, 1, 50),
        "matinv-large": ("matinv-worker-large", 1, 0, 5),
    }
    for mapping in mappings.values():
        assert mapping["function_response_types"] == ["ReportBatchItemFailures"]
    assert (function(stack, "worker")["memory_size"], function(stack, "worker")["timeout"]) == (
        1769,
        120,
    )
    assert (
        function(stack, "worker-large")["memory_size"],
        function(stack, "worker-large")["timeout"],
    ) == (10240, 900)


def test_visibility_is_six_timeouts_and_the_window(stack: State) -> None:
    queues = {q.values["name"]: q.values for q in stack.of_type("aws_sqs_queue")}
    assert queues["matinv-jobs"]["visibility_timeout_seconds"] == 6 * 120 + 1
    assert queues["matinv-large"]["visibility_timeout_seconds"] == 6 * 900


def test_no_queue_without_dead_letters_and_encryption(stack: State) -> None:
    for queue in stack.of_type("aws_sqs_queue"):
        values = queue.values
        assert values["sqs_managed_sse_enabled"]
        assert values["max_message_size"] == 256 * 1024
        if values["name"] == "matinv-dead":
            continue
        redrive = json.loads(values["redrive_policy"])
        assert redrive["deadLetterTargetArn"].endswith(":matinv-dead")
        assert redrive["maxReceiveCount"] == 10


def test_table_is_the_one_that_the_package_creates(stack: State) -> None:
    schema = table_schema("matinv-jobs")
    table = stack["aws_dynamodb_table.jobs"]
    assert table["name"] == schema["TableName"]
    assert table["billing_mode"] == schema["BillingMode"]
    assert [{"AttributeName": table["hash_key"], "KeyType": "HASH"}] == schema["KeySchema"]
    assert {a["name"]: a["type"] for a in table["attribute"]} == {
        a["AttributeName"]: a["AttributeType"] for a in schema["AttributeDefinitions"]
    }
    indexes = {index["name"]: index for index in table["global_secondary_index"]}
    assert indexes.keys() == {index["IndexName"] for index in schema["GlobalSecondaryIndexes"]}
    for index in schema["GlobalSecondaryIndexes"]:
        keys = {key["KeyType"]: key["AttributeName"] for key in index["KeySchema"]}
        projection = index["Projection"]
        found = indexes[index["IndexName"]]
        assert (found["hash_key"], found["range_key"]) == (keys["HASH"], keys["RANGE"])
        assert found["projection_type"] == projection["ProjectionType"]
        others = set(found["non_key_attributes"] or ())
        assert others == set(projection.get("NonKeyAttributes", ()))
    assert table["ttl"][0]["attribute_name"] == TTL_ATTRIBUTE


@pytest.mark.parametrize("service", ["matinv", "matinv-test"])
def test_metrics_carry_the_name_that_the_alarms_watch(service: str) -> None:
    """Two stacks in one account must not fire each other's alarms."""
    code = (
        "from matinv import telemetry as t\n"
        "t.metrics().add_metric('BatchSize', 'Count', 1)\n"
        "t.metrics().flush_metrics()\n"
    )
    named = {"POWERTOOLS_SERVICE_NAME": service, "POWERTOOLS_METRICS_NAMESPACE": "matinv"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **named},
        capture_output=True,
        text=True,
        check=True,
    )
    written = json.loads(done.stdout)
    assert written["service"] == service
    assert written["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "matinv"
    assert written["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]


def test_lanes_of_the_estimate_are_those_of_the_stack(stack: State) -> None:
    workers = {
        "standard": function(stack, "worker"),
        "large": function(stack, "worker-large"),
    }
    for name, worker in workers.items():
        (lane,) = (lane for lane in AS_DEPLOYED if lane.name == name)
        assert lane.memory_mb == worker["memory_size"]
        assert lane.timeout_s == worker["timeout"]


def test_files_of_each_format_are_announced_in_small_letters_and_capitals(stack: State) -> None:
    (notification,) = stack.of_type("aws_s3_bucket_notification")
    suffixes = {queue["filter_suffix"] for queue in notification.values["queue"]}
    assert suffixes == {*ENDINGS, *(ending.upper() for ending in ENDINGS)}


@pytest.mark.parametrize("place", ["main.tf", "tests/wires.tftest.hcl"])
def test_the_endings_that_terraform_names_are_those_of_the_table_of_codecs(place: str) -> None:
    lines = (INFRA / "service" / place).read_text().splitlines()
    (named,) = (line for line in lines if '".npy"' in line)
    assert {ending.lower() for ending in re.findall(r'"(\.\w+)"', named)} == set(ENDINGS)


# Lambda guide, "Lambda quotas": new accounts have reduced concurrency and memory quotas. The
# answer to CreateFunction names 3,008 MB.
def test_a_new_account_can_make_all_of_a_stack_without_the_large_lane(new_account: State) -> None:
    functions = [f.values for f in new_account.of_type("aws_lambda_function")]
    assert {f["function_name"] for f in functions} == {
        "matinv-worker",
        "matinv-api",
        "matinv-canary",
    }
    assert max(f["memory_size"] for f in functions) <= 3008
    (mapping,) = new_account.of_type("aws_lambda_event_source_mapping")
    assert mapping.values["scaling_config"][0]["maximum_concurrency"] < 10
    named = [r for r in new_account.resources if "large" in json.dumps(dict(r.values))]
    assert named == []


def test_a_worker_without_a_lane_behind_it_forwards_nothing(new_account: State) -> None:
    lane = Settings.from_environment(environment(new_account, "worker")).lane
    assert lane.next is None
    with pytest.raises(StopIteration):
        function(new_account, "worker-large")


# botocore, Lambda's Invoke: an asynchronous payload has up to 1 MB; SQS's CreateQueue: a message
# has up to MaximumMessageSize, and Lambda adds the answer to the payload.
def test_a_failed_asynchronous_call_goes_where_any_size_fits(stack: State) -> None:
    configs = [
        c.values
        for c in stack.of_type("aws_lambda_function_event_invoke_config")
        if c.values["destination_config"]
    ]
    assert len(configs) == 2
    for config in configs:
        (target,) = config["destination_config"][0]["on_failure"]
        assert target["destination"] == "arn:aws:s3:::results"
