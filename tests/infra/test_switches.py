"""The switches of regulated users: nothing escapes the key, the network and the roles' bounds."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from typing import Any

import botocore.session
import costs
import pytest
from terraform_cli import INFRA, State, Verdicts
from test_permissions import granted, role_policies, statements

KEY = "arn:aws:kms:eu-west-1:123456789012:key/own"
WAY_BACK = (INFRA / "RUNBOOK.md").read_text().partition("\n## The way back\n")[2]
# Each `aws ...` of the runbook, with its continued lines.
COMMANDS = [
    " ".join(found.replace("\\\n", " ").split())
    for found in re.findall(r"\baws (?:[^\n`|)]*\\\n)*[^\n`|)]*", WAY_BACK)
]


@pytest.fixture(scope="session")
def regulated(verdicts: Callable[[str, str], Verdicts]) -> State:
    """The stack with all switches on."""
    return verdicts("service", "switches.tftest.hcl").states["everything_regulated"]


# The key: where each kind of thing that stores or sends says what it is encrypted with.
ENCRYPTED: dict[str, Callable[[Any], Any]] = {
    "aws_s3_bucket_server_side_encryption_configuration": lambda v: v["rule"][0][
        "apply_server_side_encryption_by_default"
    ][0]["kms_master_key_id"],
    "aws_sqs_queue": lambda v: v["kms_master_key_id"],
    "aws_sns_topic": lambda v: v["kms_master_key_id"],
    "aws_dynamodb_table": lambda v: v["server_side_encryption"][0]["kms_key_arn"],
    "aws_cloudwatch_log_group": lambda v: v["kms_key_id"],
    "aws_backup_vault": lambda v: v["kms_key_arn"],
}


@pytest.mark.parametrize("kind", ENCRYPTED)
def test_all_that_stores_or_sends_uses_the_stack_s_own_key(regulated: State, kind: str) -> None:
    found = {r.address: ENCRYPTED[kind](r.values) for r in regulated.of_type(kind)}
    assert found
    assert set(found.values()) == {KEY}, found


def test_no_queue_is_encrypted_twice(regulated: State) -> None:
    # SQS refuses a queue with both kinds of keys.
    for queue in regulated.of_type("aws_sqs_queue"):
        assert not queue.values["sqs_managed_sse_enabled"], queue.address


def test_the_key_is_used_by_services_only_for_this_account(regulated: State) -> None:
    policy = statements(regulated["aws_kms_key.own[0]"]["policy"])
    account, *services = policy
    # Without it nobody could ever change the key again.
    assert account["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}
    assert account["Action"] == "kms:*"
    assert {s["Principal"]["Service"] for s in services} == {
        "s3.amazonaws.com",  # notifications to an encrypted queue
        "cloudwatch.amazonaws.com",  # alarms to an encrypted topic
        "budgets.amazonaws.com",
        "sns.amazonaws.com",
        "logs.eu-west-1.amazonaws.com",
    }
    for statement in services:
        assert "123456789012" in json.dumps(statement["Condition"]), statement["Sid"]
        assert {"kms:Decrypt", "kms:GenerateDataKey*"} <= set(statement["Action"])


def test_whoever_uses_the_stack_may_use_the_key(regulated: State) -> None:
    roles = role_policies(regulated)
    del roles["matinv-scheduler"]  # invokes, and reads nothing
    people = {n: regulated[f"aws_iam_policy.{n}"]["policy"] for n in ("client", "operator")}
    for name, policy in (roles | people).items():
        assert granted(policy)["kms:Decrypt"] == granted(policy)["kms:GenerateDataKey"], name
        (statement,) = (s for s in statements(policy) if "kms:Decrypt" in s["Action"])
        assert statement["Resource"] == [KEY], name


# The network.


def test_each_function_is_in_the_network_and_may_join_it(regulated: State) -> None:
    functions = regulated.of_type("aws_lambda_function")
    assert len(functions) == 4
    for function in functions:
        (vpc,) = function.values["vpc_config"]
        assert len(vpc["subnet_ids"]) >= 1
        assert len(vpc["security_group_ids"]) == 1
        policy = role_policies(regulated)[function.values["function_name"]]
        allow, deny = (s for s in statements(policy) if "ec2:CreateNetworkInterface" in s["Action"])
        assert (allow["Effect"], deny["Effect"]) == ("Allow", "Deny")
        # Lambda may, the code in the function may not.
        arn = f"arn:aws:lambda:eu-west-1:123456789012:function:{function.values['function_name']}"
        assert deny["Condition"] == {"ArnEquals": {"lambda:SourceFunctionArn": [arn]}}
        assert allow["Action"] == deny["Action"]


def test_the_network_leads_to_what_functions_call_and_nowhere_else(regulated: State) -> None:
    kinds = {r.type for r in regulated.resources}
    assert not kinds & {"aws_internet_gateway", "aws_nat_gateway", "aws_vpc_peering_connection"}
    endpoints = {
        e.values["service_name"].rpartition(".")[2]: e.values
        for e in regulated.of_type("aws_vpc_endpoint")
    }
    # docker/finish.py keeps these of botocore's services, beside sts, which Lambda has no need of.
    assert endpoints.keys() == {"s3", "dynamodb", "sqs", "sns"}
    for name, endpoint in endpoints.items():
        assert endpoint["vpc_endpoint_type"] == ("Interface" if name[1] in "qn" else "Gateway")
        (only,) = statements(endpoint["policy"])
        assert only["Condition"]["StringEquals"]["aws:ResourceAccount"] == "123456789012"
    groups = regulated.of_type("aws_vpc_security_group_ingress_rule")
    assert [g.values["from_port"] for g in groups] == [443]
    leads = regulated.of_type("aws_vpc_security_group_egress_rule")
    assert len(leads) == 3
    assert all(rule.values["cidr_ipv4"] is None for rule in leads)


# Bounds.


def test_roles_with_all_switches_stay_within_the_boundary(regulated: State, account: State) -> None:
    boundary = granted(account["aws_iam_policy.boundary"]["policy"])
    for role, policy in role_policies(regulated).items():
        assert granted(policy).keys() <= boundary.keys(), role


def test_the_deploy_role_may_make_each_kind_of_thing_that_switches_add(
    regulated: State, account: State
) -> None:
    prefixes = {
        "aws_kms": "kms:CreateKey",
        "aws_vpc": "ec2:CreateVpc",
        "aws_subnet": "ec2:CreateSubnet",
        "aws_route_table": "ec2:CreateRouteTable",
        "aws_security_group": "ec2:CreateSecurityGroup",
        "aws_backup": "backup:CreateBackupPlan",
        "aws_apigatewayv2": "apigateway:POST",
    }
    may = granted(account["aws_iam_policy.switches"]["policy"])
    known = (
        "aws_s3",
        "aws_sqs",
        "aws_sns",
        "aws_dynamodb",
        "aws_lambda",
        "aws_iam",
        "aws_cloudwatch",
    )
    added = {
        r.type for r in regulated.resources if not r.type.startswith((*known, "aws_scheduler"))
    }
    assert added
    for kind in added:
        assert next(a for p, a in prefixes.items() if kind.startswith(p)) in may, kind


def test_the_deploy_role_touches_no_network_and_no_key_of_others(account: State) -> None:
    for statement in statements(account["aws_iam_policy.switches"]["policy"]):
        changing = [
            a
            for a in statement["Action"]
            if a.startswith(("ec2:", "kms:")) and not re.search(r":(Describe|List|Get)", a)
        ]
        if changing and statement["Sid"] != "NameKey":
            assert re.search(r"aws:(Request|Resource)Tag/", json.dumps(statement["Condition"]))


def test_no_policy_is_longer_than_iam_takes(account: State, regulated: State) -> None:
    for state in (account, regulated):
        for policy in state.of_type("aws_iam_policy"):
            assert len(re.sub(r"\s", "", policy.values["policy"])) <= 6144, policy.address


def test_backups_are_made_by_the_role_of_bootstrap(account: State) -> None:
    role = account["aws_iam_role.backup"]
    (trust,) = statements(role["assume_role_policy"])
    assert trust["Principal"] == {"Service": "backup.amazonaws.com"}
    assert trust["Condition"]["StringEquals"]["aws:SourceAccount"] == "123456789012"
    attached = account.of_type("aws_iam_role_policy_attachment")
    assert {a.values["policy_arn"].rpartition("/")[2] for a in attached} >= {
        "AWSBackupServiceRolePolicyForBackup",
        "AWSBackupServiceRolePolicyForRestores",
        "AWSBackupServiceRolePolicyForS3Backup",
        "AWSBackupServiceRolePolicyForS3Restore",
    }


# Prices.


@pytest.mark.deep  # 2 s: each stack is priced
def test_each_switch_has_its_price_in_the_table_of_costs() -> None:
    page = (INFRA / "COST.md").read_text()
    table = page.partition("<!-- generated: switches -->")[2].partition("<!-- end: switches -->")[0]
    for switch in (
        "customer_key",
        "network",
        "standard.pollers",
        "api.provisioned_concurrency",
        "backup",
        "http_api",
        "warm throughput",
    ):
        assert f"`{switch}`" in table or switch in table, switch
    assert costs.page(page, costs.alarm_metrics_of(page)) == page


# The way back: each command of the runbook is one that AWS knows, with what it needs.


def test_the_runbook_restores_records_and_files() -> None:
    called = {" ".join(shlex.split(c)[1:3]) for c in COMMANDS}
    assert called >= {
        "dynamodb restore-table-to-point-in-time",
        "dynamodb restore-table-from-backup",
        "s3api list-object-versions",
        "backup start-restore-job",
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_aws_knows_the_command(command: str) -> None:
    _, service, verb, *rest = shlex.split(command)
    if service == "s3":
        pytest.fail("aws s3 is a program of its own, which no model describes: use s3api")
    if verb == "wait":
        service_model = botocore.session.get_session().get_waiter_model(
            {"s3api": "s3"}.get(service, service)
        )
        assert "".join(p.title() for p in rest[0].split("-")) in service_model.waiter_names
        return
    model = botocore.session.get_session().get_service_model({"s3api": "s3"}.get(service, service))
    operation = model.operation_model(
        next(n for n in model.operation_names if kebab(n) == verb)
    ).input_shape
    assert operation
    options = {kebab(name): shape for name, shape in operation.members.items()}
    given = {word.removeprefix("--no-").removeprefix("--") for word in rest if word[:2] == "--"}
    given -= {"query", "output", "region"}
    unknown = {g for g in given if g not in options and f"no-{g}" not in options}
    assert not unknown, f"{verb} knows no {unknown}"
    required = {kebab(name) for name in operation.required_members}
    assert required <= given, f"{verb} needs {required - given}"


def kebab(name: str) -> str:
    """Write a name as the AWS CLI does."""
    return botocore.xform_name(name, "-")
