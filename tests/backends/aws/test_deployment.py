"""How a stack is deployed, from answers that AWS's own service models have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.stub import Stubber

from matinv.backends.aws import clients
from matinv.backends.aws.deployment import AWSDeployment
from matinv.errors import Misconfigured
from matinv.ports.monitor import Deployed

KEY = "arn:aws:kms:eu-west-1:123456789012:key/0f4d"
ARN = "arn:aws:sqs:eu-west-1:123456789012:matinv-jobs"
UUID = "4c1f0e52-7b1a-4f0e-9d53-0f6f5a1c2b3d"
WORKER = "arn:aws:lambda:eu-west-1:123456789012:function:matinv-worker"


class Canned:
    """Clients that answer what they are given, in the shape of their service's model."""

    def __init__(self) -> None:
        self.stubs: dict[str, Stubber] = {}

    def client(self, service: str) -> Any:
        return self.stub(service).client

    def stub(self, service: str) -> Stubber:
        if service not in self.stubs:
            made: Any = clients.client(service)
            assert made.meta  # made now
            self.stubs[service] = Stubber(made._made)
            self.stubs[service].activate()
        return self.stubs[service]

    def queue(self, **attributes: str) -> None:
        self.stub("sqs").add_response("get_queue_attributes", {"Attributes": attributes})

    def api(self) -> None:
        answer = {"Configuration": {"FunctionName": "matinv-api", "State": "Active"}}
        self.stub("lambda").add_response("get_function", answer, {"FunctionName": "matinv-api"})

    def mapping(self, state: str = "Enabled", **fields: Any) -> None:
        found = {"UUID": UUID, "State": state, "FunctionArn": WORKER, **fields}
        answer = {"EventSourceMappings": [found]}
        self.stub("lambda").add_response(
            "list_event_source_mappings", answer, {"EventSourceArn": ARN}
        )

    def function(self, **fields: Any) -> None:
        answer = {"Configuration": {"FunctionName": "matinv-worker", "State": "Active", **fields}}
        self.stub("lambda").add_response("get_function", answer, {"FunctionName": WORKER})


@pytest.fixture
def canned() -> Iterator[Canned]:
    made = Canned()
    yield made
    for stub in made.stubs.values():
        stub.assert_no_pending_responses()


def found(canned: Canned, part: str) -> Deployed:
    deployment = AWSDeployment(
        canned.client,
        "matinv",
        "matinv-jobs",
        {"inputs": "in", "results": "out"},
        {"standard": "https://sqs/jobs", "dead": "https://sqs/dead"},
        ("standard",),
    )
    return deployment.checks()[part]()


def encrypted(canned: Canned, queue: str, table: str, bucket: str) -> None:
    for _ in range(2):
        canned.queue(**({"KmsMasterKeyId": queue} if queue else {}))
    sse = {"SSEDescription": {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": table}}
    canned.stub("dynamodb").add_response("describe_table", {"Table": sse if table else {}})
    rule: Mapping[str, str] = (
        {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": bucket}
        if bucket
        else {"SSEAlgorithm": "AES256"}
    )
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": rule}]}
    for _ in range(2):
        canned.stub("s3").add_response(
            "get_bucket_encryption", {"ServerSideEncryptionConfiguration": rules}
        )


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (("", "", ""), "everything with keys of AWS"),
        ((KEY, KEY, KEY), "everything with the key 0f4d"),
    ],
)
def test_all_that_stores_has_one_key(canned: Canned, keys: tuple[str, str, str], said: str) -> None:
    encrypted(canned, *keys)
    assert found(canned, "keys") == Deployed(said)


def test_a_bucket_that_was_left_out_is_found(canned: Canned) -> None:
    encrypted(canned, KEY, KEY, "")
    said = found(canned, "keys")
    assert said.wrong
    assert "the inputs bucket, the results bucket with keys of AWS" in said.found
    assert "the standard queue, the dead queue, the table with the key 0f4d" in said.found


def test_of_the_embedded_aws_nothing_is_wrong(
    moto_url: str,
    table_name: str,
    buckets: tuple[str, str],
    queue_urls: tuple[str, str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A laptop has neither keys nor functions: that is no fault."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    deployment = AWSDeployment(
        clients.client,
        "matinv",
        table_name,
        dict(zip(("inputs", "results"), buckets, strict=True)),
        {"standard": queue_urls[0], "dead": queue_urls[1]},
        ("standard",),
    )
    said = {name: check() for name, check in deployment.checks().items()}
    assert said.keys() == {"keys", "restore", "lane standard", "api"}
    assert not [one for one in said.values() if one.wrong]


def test_a_lane_says_its_pollers_and_its_network(canned: Canned) -> None:
    canned.queue(QueueArn=ARN)
    canned.mapping(ProvisionedPollerConfig={"MinimumPollers": 2, "MaximumPollers": 20})
    canned.function(VpcConfig={"SubnetIds": ["a", "b"], "SecurityGroupIds": ["c"]})
    said = "matinv-worker takes its messages, 2 to 20 pollers, in a network of 2 subnets"
    assert found(canned, "lane standard") == Deployed(said)


@pytest.mark.parametrize(
    ("mapping", "function", "said"),
    [
        ("Disabled", {}, "aws lambda update-event-source-mapping --uuid " + UUID + " --enabled"),
        ("Enabled", {"State": "Failed", "StateReason": "the image is gone"}, "the image is gone"),
        (
            "Enabled",
            {"LastUpdateStatus": "Failed", "LastUpdateStatusReason": "no such subnet"},
            "no such subnet",
        ),
    ],
)
def test_a_lane_that_takes_no_messages_says_why(
    canned: Canned, mapping: str, function: dict[str, str], said: str
) -> None:
    canned.queue(QueueArn=ARN)
    canned.mapping(mapping)
    canned.function(**function)
    lane = found(canned, "lane standard")
    assert lane.wrong
    assert said in lane.found


def test_a_lane_without_a_function_is_served_by_another_machine(canned: Canned) -> None:
    canned.queue(QueueArn=ARN)
    canned.stub("lambda").add_response("list_event_source_mappings", {"EventSourceMappings": []})
    assert not found(canned, "lane standard").wrong


@pytest.mark.parametrize(
    ("status", "ready", "wrong"),
    [("READY", 2, False), ("IN_PROGRESS", 0, False), ("FAILED", 0, True)],
)
def test_the_api_says_how_many_instances_are_kept_ready(
    canned: Canned, status: str, ready: int, wrong: bool
) -> None:
    answer = {
        "RequestedProvisionedConcurrentExecutions": 2,
        "AvailableProvisionedConcurrentExecutions": ready,
        "Status": status,
    }
    asked = {"FunctionName": "matinv-api", "Qualifier": "live"}
    canned.api()
    canned.stub("lambda").add_response("get_provisioned_concurrency_config", answer, asked)
    api = found(canned, "api")
    assert api.wrong is wrong
    assert wrong or api.found == f"{ready} of 2 instances are kept ready"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("ProvisionedConcurrencyConfigNotFoundException", "no instances are kept ready"),
        ("ResourceNotFoundException", "there is no function matinv-api"),
    ],
)
def test_an_api_of_which_nothing_is_kept_ready_is_none_that_fails(
    canned: Canned, code: str, said: str
) -> None:
    canned.api()
    canned.stub("lambda").add_client_error("get_provisioned_concurrency_config", code)
    assert found(canned, "api") == Deployed(said)


def test_who_may_not_look_is_told_so(canned: Canned) -> None:
    canned.stub("lambda").add_client_error(
        "get_function", "AccessDeniedException", http_status_code=403
    )
    with pytest.raises(Misconfigured, match="looking at the api"):
        found(canned, "api")
