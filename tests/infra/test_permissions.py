"""Who may do what: each role what its function calls, each resource policy with its guards."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from terraform_cli import INFRA, State

Statement = Mapping[str, Any]

LOGS_AND_TRACES = {
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
}
WORKER = {
    "s3:GetObject": {"inputs/*", "results/*"},
    "s3:GetObjectVersion": {"inputs/*", "results/*"},
    "s3:ListBucket": {"inputs", "results"},
    "s3:ListBucketVersions": {"inputs", "results"},
    "s3:PutObject": {"results/*"},
    "s3:AbortMultipartUpload": {"results/*"},
    "dynamodb:GetItem": {"table/matinv-jobs"},
    "dynamodb:BatchGetItem": {"table/matinv-jobs"},
    "dynamodb:PutItem": {"table/matinv-jobs"},
    "dynamodb:PartiQLInsert": {"table/matinv-jobs"},
    "dynamodb:PartiQLUpdate": {"table/matinv-jobs"},
    "sqs:ReceiveMessage": {"matinv-jobs"},
    "sqs:DeleteMessage": {"matinv-jobs"},
    "sqs:ChangeMessageVisibility": {"matinv-jobs"},
    "sqs:GetQueueAttributes": {"matinv-jobs"},
    "sqs:SendMessage": {"matinv-dead", "matinv-large"},
    "sns:Publish": {"matinv-events"},
}
# They know no resources; DescribeAlarms does, but then hides composite alarms.
WATCHING = {
    "cloudwatch:DescribeAlarms",
    "cloudwatch:GetMetricData",
    "cloudwatch:GetDashboard",
    "cloudwatch:ListDashboards",
    "lambda:GetAccountSettings",
    "lambda:GetEventSourceMapping",
    "lambda:ListEventSourceMappings",
}
# Of a mapping: it is known by an id alone, and bound by a condition to the lanes' workers.
BOUND = {"lambda:UpdateEventSourceMapping"}
# What the runbook has people type, and what the command calls (AWS CLI reference; `logs tail`
# filters events).
CALLED = {
    "logs tail": "logs:FilterLogEvents",
    "lambda invoke": "lambda:InvokeFunction",
    "lambda get-function": "lambda:GetFunction",
    "lambda get-account-settings": "lambda:GetAccountSettings",
    "lambda get-event-source-mapping": "lambda:GetEventSourceMapping",
    "lambda update-event-source-mapping": "lambda:UpdateEventSourceMapping",
}
INDEXES = {f"table/matinv-jobs/index/{name}" for name in ("by-status", "by-run")}
OF_OWN_OBJECTS = (
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:PutObject",
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
)
ROLES = {
    "matinv-worker": WORKER,
    "matinv-worker-large": {
        action: {name.replace("matinv-jobs", "matinv-large") for name in names}
        if action.startswith("sqs:")
        else names
        for action, names in WORKER.items()
    }
    | {"sqs:SendMessage": {"matinv-dead"}},
    "matinv-api": {
        "s3:GetObject": {"inputs/*", "results/*"},  # of inputs, for what it is asked to redrive
        "s3:GetObjectVersion": {"inputs/*", "results/*"},
        "s3:ListBucket": {"inputs", "results"},
        "s3:ListBucketVersions": {"inputs", "results"},
        "s3:PutObject": {"inputs/*", "results/*"},  # of inputs, for the URLs that it signs
        "s3:AbortMultipartUpload": {"inputs/*", "results/*"},
        **{action: names for action, names in WORKER.items() if action.startswith("dynamodb:")},
        "dynamodb:Query": INDEXES,
        "sqs:SendMessage": {"matinv-jobs"},
        "sqs:GetQueueAttributes": {"matinv-jobs"},
        "sqs:ReceiveMessage": {"matinv-dead"},
        "sqs:DeleteMessage": {"matinv-dead"},
        "sqs:ChangeMessageVisibility": {"matinv-dead"},
        "sns:Publish": {"matinv-events"},
    },
    "matinv-canary": {
        "s3:ListBucket": {"inputs", "results"},
        "s3:ListBucketVersions": {"inputs", "results"},
        **{key: {"inputs/matinv-canary-*", "results/matinv-canary-*"} for key in OF_OWN_OBJECTS},
        **{action: names for action, names in WORKER.items() if action.startswith("dynamodb:")},
        "dynamodb:DeleteItem": {"table/matinv-jobs"},
        "sqs:SendMessage": {"matinv-jobs"},
        "sqs:GetQueueAttributes": {"matinv-jobs"},
    },
    "matinv-scheduler": {"lambda:InvokeFunction": {"matinv-canary"}},
}


def as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def statements(policy: str) -> list[Statement]:
    found: list[Statement] = json.loads(policy)["Statement"]
    return found


def granted(policy: str) -> dict[str, set[str]]:
    """Return by action the last parts of the ARNs that it is allowed on."""
    found: dict[str, set[str]] = {}
    for statement in statements(policy):
        for action in as_list(statement["Action"]):
            names = {arn.rpartition(":")[2] for arn in as_list(statement["Resource"])}
            found.setdefault(action, set()).update(names)
    return found


def role_policies(stack: State) -> dict[str, str]:
    roles = {
        r.address.rpartition(".aws_iam_role.")[0]: r.values["name"]
        for r in stack.of_type("aws_iam_role")
    }
    return {
        roles[p.address.rpartition(".aws_iam_role_policy.")[0]]: p.values["policy"]
        for p in stack.of_type("aws_iam_role_policy")
    }


def documents(state: State) -> Iterator[tuple[str, Statement]]:
    """Yield every statement of every policy of a state, with the address of the policy."""
    for resource in state.resources:
        for field in ("policy", "assume_role_policy"):
            if isinstance(text := resource.values.get(field), str) and '"Statement"' in text:
                for statement in statements(text):
                    yield resource.address, statement


@pytest.mark.parametrize("role", ROLES)
def test_role_may_do_just_what_its_function_does(stack: State, role: str) -> None:
    found = granted(role_policies(stack)[role])
    extra = {} if role == "matinv-scheduler" else {a: found.pop(a) for a in LOGS_AND_TRACES}
    assert found == ROLES[role]
    assert all(names in ({"*"}, {"log-group:mock:*"}) or names for names in extra.values())


def test_canary_touches_no_records_but_its_own(stack: State) -> None:
    policy = statements(role_policies(stack)["matinv-canary"])
    (records,) = (s for s in policy if "dynamodb:PutItem" in s["Action"])
    own = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["matinv-canary-*"]}}
    assert records["Condition"] == own


def test_every_role_is_tested(stack: State) -> None:
    assert role_policies(stack).keys() == ROLES.keys()


def test_nobody_may_everything(stack: State) -> None:
    for address, statement in documents(stack):
        if statement["Effect"] == "Deny":
            continue
        actions = as_list(statement["Action"])
        assert not [a for a in actions if "*" in a], address
        if "Resource" in statement and as_list(statement["Resource"]) == ["*"]:
            own = WATCHING if address == "aws_iam_policy.operator" else set()
            own |= (
                BOUND if "lambda:FunctionArn" in json.dumps(statement.get("Condition")) else set()
            )
            assert set(actions) <= LOGS_AND_TRACES | own, address
        assert statement.get("Principal") != "*", address


def test_services_are_let_in_only_from_this_account(stack: State) -> None:
    for address, statement in documents(stack):
        service = (
            statement.get("Principal", {}) if isinstance(statement.get("Principal"), dict) else {}
        )
        if "Service" not in service or service["Service"] == "lambda.amazonaws.com":
            continue  # Lambda names no source when it takes a role
        assert statement["Condition"]["StringEquals"]["aws:SourceAccount"] == "123456789012", (
            address
        )


def test_s3_may_send_to_the_jobs_queue_for_one_bucket(stack: State) -> None:
    policies = {
        p.values["queue_url"].rpartition("/")[2]: statements(p.values["policy"])
        for p in stack.of_type("aws_sqs_queue_policy")
    }
    assert policies.keys() == {"matinv-jobs", "matinv-large", "matinv-dead"}
    assert [s["Sid"] for s in policies["matinv-large"]] == ["TlsOnly"]
    assert [s["Sid"] for s in policies["matinv-dead"]] == ["TlsOnly"]
    (s3,) = (s for s in policies["matinv-jobs"] if s["Effect"] == "Allow")
    assert s3["Principal"] == {"Service": "s3.amazonaws.com"}
    assert s3["Action"] == "sqs:SendMessage"
    assert s3["Condition"] == {
        "ArnEquals": {"aws:SourceArn": "arn:aws:s3:::inputs"},
        "StringEquals": {"aws:SourceAccount": "123456789012"},
    }


def test_nothing_is_reached_without_tls(stack: State) -> None:
    types = {"aws_s3_bucket_policy": 2, "aws_sqs_queue_policy": 3, "aws_sns_topic_policy": 3}
    for type_, count in types.items():
        policies = stack.of_type(type_)
        assert len(policies) == count
        for policy in policies:
            denied = [s for s in statements(policy.values["policy"]) if s["Effect"] == "Deny"]
            assert {"Bool": {"aws:SecureTransport": "false"}} in [s["Condition"] for s in denied]


def test_buckets_are_private_versioned_encrypted_and_tidy(stack: State) -> None:
    for type_ in (
        "aws_s3_bucket_public_access_block",
        "aws_s3_bucket_versioning",
        "aws_s3_bucket_server_side_encryption_configuration",
        "aws_s3_bucket_lifecycle_configuration",
        "aws_s3_bucket_ownership_controls",
    ):
        assert len(stack.of_type(type_)) == 2, type_
    for block in stack.of_type("aws_s3_bucket_public_access_block"):
        names = (
            "block_public_acls",
            "block_public_policy",
            "ignore_public_acls",
            "restrict_public_buckets",
        )
        assert all(block.values[name] for name in names)
    for lifecycle in stack.of_type("aws_s3_bucket_lifecycle_configuration"):
        rules = {rule["id"]: rule for rule in lifecycle.values["rule"]}
        assert rules.keys() == {"unfinished-uploads", "old-versions", "expire"}
        assert all(rule["status"] == "Enabled" for rule in rules.values())
        (unfinished,) = rules["unfinished-uploads"]["abort_incomplete_multipart_upload"]
        assert unfinished["days_after_initiation"] == 1


def test_client_may_submit_and_read_and_nothing_else(stack: State) -> None:
    found = granted(stack["aws_iam_policy.client"]["policy"])
    assert found["sqs:SendMessage"] == {"matinv-jobs"}
    assert found["s3:PutObject"] == {"inputs/*"}
    assert found["dynamodb:Query"] == INDEXES
    assert found["lambda:InvokeFunction"] == {"live"}
    assert found.keys() >= {"lambda:InvokeFunctionUrl"}
    assert found["sns:Subscribe"] == {"matinv-events"}
    assert not {a for a in found if "Delete" in a or "Receive" in a or "Scan" in a}


def test_operator_may_look_into_the_dead_letters(stack: State) -> None:
    found = granted(stack["aws_iam_policy.operator"]["policy"])
    assert found["sqs:ReceiveMessage"] == {"matinv-dead"}
    assert found["sqs:SendMessage"] == {"matinv-large"}
    assert not {a for a in found if "Scan" in a}


def test_operator_may_run_each_command_of_the_runbook(stack: State) -> None:
    alarms = (INFRA / "RUNBOOK.md").read_text().partition("\n## The way back\n")[0]
    commands = set(
        re.findall(r"\baws ([a-z]+ [a-z-]+)", alarms + (INFRA / "README.md").read_text())
    )
    assert commands == CALLED.keys()
    allowed = [
        granted(stack[f"aws_iam_policy.{name}"]["policy"]) for name in ("client", "operator")
    ]
    assert {CALLED[command] for command in commands} <= {
        action for may in allowed for action in may
    }


def test_operator_may_read_what_doctor_says_of_the_switches(stack: State) -> None:
    found = granted(stack["aws_iam_policy.operator"]["policy"])
    storage = {"table/matinv-jobs", "inputs", "results"}
    assert found["dynamodb:DescribeTable"] == found["s3:GetEncryptionConfiguration"] == storage
    assert found["dynamodb:DescribeContinuousBackups"] == storage
    assert found.keys() >= {
        "sqs:GetQueueAttributes",
        "lambda:ListEventSourceMappings",
        "lambda:GetFunction",
        "lambda:GetProvisionedConcurrencyConfig",
    }


def test_operator_may_press_the_redrive_button_of_the_sqs_console(stack: State) -> None:
    found = granted(stack["aws_iam_policy.operator"]["policy"])
    for action in ("StartMessageMoveTask", "ListMessageMoveTasks", "CancelMessageMoveTask"):
        assert found[f"sqs:{action}"] == {"matinv-dead"}
    # StartMessageMoveTask receives and deletes there, and sends to the queue that it moves to.
    assert found["sqs:ReceiveMessage"] == found["sqs:DeleteMessage"] == {"matinv-dead"}


def test_operator_may_watch_the_health_of_the_stack(stack: State) -> None:
    found = granted(stack["aws_iam_policy.operator"]["policy"])
    assert found["sqs:GetQueueAttributes"] == {"matinv-dead", "matinv-jobs", "matinv-large"}
    assert all(found[action] == {"*"} for action in WATCHING)


def test_roles_stay_within_the_boundary_that_bootstrap_makes(
    full_stack: State, account: State
) -> None:
    boundary = granted(account["aws_iam_policy.boundary"]["policy"])
    for role, policy in role_policies(full_stack).items():
        assert granted(policy).keys() <= boundary.keys(), role
    for role in full_stack.of_type("aws_iam_role"):
        assert role.values["permissions_boundary"].endswith(":policy/matinv-boundary")


def test_deploy_role_may_make_each_kind_of_thing_that_a_stack_has(
    full_stack: State, account: State
) -> None:
    services = {
        action.partition(":")[0] for action in granted(account["aws_iam_policy.deploy"]["policy"])
    }
    prefixes = {
        "aws_s3_bucket": "s3",
        "aws_sqs_queue": "sqs",
        "aws_sns_topic": "sns",
        "aws_dynamodb_table": "dynamodb",
        "aws_lambda": "lambda",
        "aws_iam": "iam",
        "aws_cloudwatch_log": "logs",
        "aws_cloudwatch": "cloudwatch",
        "aws_scheduler": "scheduler",
        "aws_budgets": "budgets",
    }
    for resource in full_stack.resources:
        service = next(s for prefix, s in prefixes.items() if resource.type.startswith(prefix))
        assert service in services, resource.address
