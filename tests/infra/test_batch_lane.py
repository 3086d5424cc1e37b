"""The lanes on AWS Batch: rights, environment, alarms and prices, on Fargate and on EC2."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from published import PUBLISHED
from terraform_cli import INFRA, State, Verdicts
from test_alarms import alarms_of, metrics_of
from test_permissions import WORKER, granted, statements

from matinv.jobs.lanes import Ticket, grid, huge, large
from matinv.settings import Settings

QUEUES = "https://sqs.eu-west-1.amazonaws.com/123456789012"
JOB_QUEUE = "arn:aws:batch:eu-west-1:123456789012:job-queue/matinv-huge"
ASKING = {
    "job-queue/matinv-huge",
    "job-definition/matinv-huge",
    "*",  # its revisions: job-definition/matinv-huge:*
}
BATCH = "module.huge[0]"
GRID = "module.grid[0]"


@pytest.fixture(scope="session")
def runs(verdicts: Callable[[str, str], Verdicts]) -> Mapping[str, State]:
    return verdicts("service", "huge.tftest.hcl").states


@pytest.fixture(scope="session")
def fargate(runs: Mapping[str, State]) -> State:
    return runs["fargate"]


@pytest.fixture(scope="session")
def ec2(runs: Mapping[str, State]) -> State:
    return runs["machines_of_ec2"]


@pytest.fixture(scope="session")
def many(runs: Mapping[str, State]) -> State:
    """The stack with the lane `grid` behind `huge`."""
    return runs["many_processes"]


@pytest.fixture(scope="session")
def many_machines(verdicts: Callable[[str, str], Verdicts]) -> State:
    """The lane `grid` alone, on eight machines for each job."""
    return verdicts("service", "grid.tftest.hcl").states["ranks_on_eight_machines"]


def container(state: State, module: str = BATCH) -> dict[str, Any]:
    made = state[f"{module}.aws_batch_job_definition.this"]["container_properties"]
    found: dict[str, Any] = json.loads(made)
    return found


def environment(state: State, module: str = BATCH) -> dict[str, str]:
    return {pair["name"]: pair["value"] for pair in container(state, module)["environment"]}


def own_policy(state: State, name: str, module: str = BATCH) -> str:
    return str(state[f'{module}.aws_iam_role_policy.this["{name}"]']["policy"])


def of_function(state: State, module: str) -> dict[str, set[str]]:
    return granted(state[f"{module}.aws_iam_role_policy.this"]["policy"])


# Settings: what the functions are given makes the lanes of the package.


def test_the_poller_is_the_lane_and_the_last_one(fargate: State) -> None:
    lane = Settings.from_environment(environment(fargate)).lane
    assert lane == huge(f"{QUEUES}/matinv-huge")
    assert environment(fargate)["POWERTOOLS_SERVICE_NAME"] == "matinv"


def test_the_poller_of_ec2_has_what_its_machine_has(ec2: State) -> None:
    lane = Settings.from_environment(environment(ec2)).lane
    assert (lane.name, lane.memory_mb, lane.threads) == ("huge", 500_000, 64)


@pytest.mark.parametrize("module", ["standard.module.worker", "large[0].module.worker", "canary"])
def test_each_function_before_it_knows_it_and_its_ticket(fargate: State, module: str) -> None:
    function = fargate[f"module.{module}.aws_lambda_function.this"]
    lanes = Settings.from_environment(function["environment"][0]["variables"]).lane
    *_, last = lanes
    assert (last.name, last.queue_url) == ("huge", f"{QUEUES}/matinv-huge")
    assert (last.memory_mb, last.threads, last.timeout_s) == (122_880, 16, 41_400)
    assert last.ticket == Ticket(JOB_QUEUE, "matinv-huge")


def test_clients_know_all_lanes(fargate: State, ec2: State) -> None:
    found = Settings.from_environment(fargate.outputs["environment"]).lane
    assert [lane.name for lane in found] == ["standard", "large", "huge"]
    assert found.next
    assert found.next.memory_mb == large("").memory_mb
    found = Settings.from_environment(ec2.outputs["environment"]).lane
    assert [lane.name for lane in found] == ["standard", "huge"]


def test_huge_sends_on_to_grid_which_is_the_last_one(many: State) -> None:
    deployed = grid(f"{QUEUES}/matinv-grid")
    assert Settings.from_environment(environment(many, GRID)).lane == deployed
    ticket = Ticket(JOB_QUEUE.replace("huge", "grid"), "matinv-grid")
    behind = replace(deployed, ticket=ticket)
    assert Settings.from_environment(environment(many)).lane == huge(
        f"{QUEUES}/matinv-huge", behind
    )
    for module in ("large[0].module.worker", "canary"):
        function = many[f"module.{module}.aws_lambda_function.this"]
        *_, last = Settings.from_environment(function["environment"][0]["variables"]).lane
        assert last == behind
    *_, last = Settings.from_environment(many.outputs["environment"]).lane
    assert last == behind


# Rights.


def test_the_poller_may_do_just_what_a_worker_does(fargate: State) -> None:
    """Of the log nothing: that is sent by what starts it."""
    expected = {
        action: {name.replace("matinv-jobs", "matinv-huge") for name in names}
        if action.startswith("sqs:")
        else names
        for action, names in WORKER.items()
    } | {"sqs:SendMessage": {"matinv-dead"}}
    assert granted(own_policy(fargate, "work")) == expected


def test_what_starts_it_may_pull_one_image_and_log(fargate: State) -> None:
    assert granted(own_policy(fargate, "start")) == {
        "ecr:BatchGetImage": {"repository/matinv"},
        "ecr:GetDownloadUrlForLayer": {"repository/matinv"},
        "ecr:BatchCheckLayerAvailability": {"repository/matinv"},
        "ecr:GetAuthorizationToken": {"*"},
        "logs:CreateLogStream": {"*"},  # of the lane's group: arn:…:log-group:mock:*
        "logs:PutLogEvents": {"*"},
    }


def test_the_last_worker_of_lambda_asks_for_machines_and_no_other(
    fargate: State, ec2: State
) -> None:
    standard = of_function(fargate, "module.standard.module.worker")
    assert "batch:SubmitJob" not in standard
    assert standard["sqs:SendMessage"] == {"matinv-dead", "matinv-large"}
    last = of_function(fargate, "module.large[0].module.worker")
    assert last["batch:SubmitJob"] == ASKING
    assert last["sqs:SendMessage"] == {"matinv-dead", "matinv-huge"}
    alone = of_function(ec2, "module.standard.module.worker")
    assert alone["batch:SubmitJob"] == ASKING
    assert alone["sqs:SendMessage"] == {"matinv-dead", "matinv-huge"}


def test_the_canary_sees_what_is_missing_and_asks_for_it(fargate: State) -> None:
    may = of_function(fargate, "module.canary")
    assert may["batch:SubmitJob"] == ASKING
    assert may["batch:ListJobs"] == {"*"}
    assert may["sqs:GetQueueAttributes"] == {"matinv-jobs", "matinv-huge"}


def test_machines_of_grid_are_asked_for_by_the_poller_before_it_and_by_the_canary(
    many: State,
) -> None:
    asking = {name.replace("huge", "grid") for name in ASKING}
    before = granted(own_policy(many, "work"))
    assert before["batch:SubmitJob"] == asking
    assert before["sqs:SendMessage"] == {"matinv-dead", "matinv-grid"}
    # As all workers: AWS Lambda's last one knows huge alone, grid's poller none.
    assert of_function(many, "module.large[0].module.worker")["batch:SubmitJob"] == ASKING
    own = granted(own_policy(many, "work", GRID))
    assert "batch:SubmitJob" not in own
    assert own["sqs:SendMessage"] == {"matinv-dead"}
    assert own["sqs:ReceiveMessage"] == {"matinv-grid"}
    may = of_function(many, "module.canary")
    assert may["batch:SubmitJob"] == ASKING | asking
    assert may["sqs:GetQueueAttributes"] == {"matinv-jobs", "matinv-huge", "matinv-grid"}
    operator = granted(many["aws_iam_policy.operator"]["policy"])
    assert operator["sqs:GetQueueAttributes"] >= {"matinv-huge", "matinv-grid"}


# IAM guide, "IAM JSON policy elements: Sid": unique within a policy.
def test_no_policy_has_a_sid_twice(many: State, account: State) -> None:
    policies = [
        *many.of_type("aws_iam_role_policy"),
        *(p for state in (many, account) for p in state.of_type("aws_iam_policy")),
    ]
    for policy in policies:
        sids = [s["Sid"] for s in statements(policy.values["policy"])]
        assert len(sids) == len(set(sids)), policy.address


def test_roles_of_the_lane_are_taken_by_ecs_alone(fargate: State, ec2: State) -> None:
    for name in ("work", "start"):
        role = fargate[f'{BATCH}.aws_iam_role.this["{name}"]']
        (trust,) = statements(role["assume_role_policy"])
        assert trust["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
        assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}
        assert role["permissions_boundary"].endswith(":policy/matinv-boundary")
    assert fargate.of_type("aws_iam_instance_profile") == []
    assert not [r for r in fargate.of_type("aws_iam_role") if "machine" in r.address]
    machine = ec2[f"{BATCH}.aws_iam_role.machine[0]"]
    (trust,) = statements(machine["assume_role_policy"])
    assert trust["Principal"] == {"Service": "ec2.amazonaws.com"}


def test_nothing_calls_a_machine(fargate: State, ec2: State) -> None:
    assert fargate.of_type("aws_vpc_security_group_ingress_rule") == []
    (way_out,) = fargate.of_type("aws_vpc_security_group_egress_rule")
    assert (way_out.values["from_port"], way_out.values["to_port"]) == (443, 443)
    kinds = {e.values["vpc_endpoint_type"] for e in fargate.of_type("aws_vpc_endpoint")}
    assert kinds == {"Gateway"}
    assert fargate.of_type("aws_nat_gateway") == []
    # Given subnets, the lane makes none.
    assert [r.address for r in ec2.of_type("aws_internet_gateway")] == []


def test_roles_stay_within_the_boundary(
    fargate: State, ec2: State, many: State, account: State
) -> None:
    boundary = granted(account["aws_iam_policy.boundary"]["policy"]).keys()
    for state in (fargate, ec2, many):
        for policy in state.of_type("aws_iam_role_policy"):
            assert granted(policy.values["policy"]).keys() <= boundary, policy.address


def test_the_deploy_role_may_make_what_the_lane_adds(
    fargate: State,
    ec2: State,
    many_machines: State,
    runs: Mapping[str, State],
    account: State,
) -> None:
    policies = ("deploy", "switches", "batch")
    may = {a for p in policies for a in granted(account[f"aws_iam_policy.{p}"]["policy"])}
    makes = {
        "aws_batch_compute_environment": "batch:CreateComputeEnvironment",
        "aws_batch_job_queue": "batch:CreateJobQueue",
        "aws_batch_job_definition": "batch:RegisterJobDefinition",
        "aws_iam_instance_profile": "iam:CreateInstanceProfile",
        "aws_internet_gateway": "ec2:CreateInternetGateway",
        "aws_route": "ec2:CreateRoute",
        "aws_vpc": "ec2:CreateVpc",
        "aws_subnet": "ec2:CreateSubnet",
        "aws_route_table": "ec2:CreateRouteTable",
        "aws_route_table_association": "ec2:AssociateRouteTable",
        "aws_vpc_endpoint": "ec2:CreateVpcEndpoint",
        "aws_security_group": "ec2:CreateSecurityGroup",
        "aws_vpc_security_group_egress_rule": "ec2:AuthorizeSecurityGroupEgress",
        "aws_vpc_security_group_ingress_rule": "ec2:AuthorizeSecurityGroupIngress",
        "aws_placement_group": "ec2:CreatePlacementGroup",
    }
    without = {r.type for r in runs["off_unless_asked"].resources}
    added = {r.type for s in (fargate, ec2, many_machines) for r in s.resources} - without
    assert added == makes.keys()
    assert {makes[kind] for kind in added} <= may
    passed = [
        s
        for s in statements(account["aws_iam_policy.batch"]["policy"])
        if s["Action"] == ["iam:PassRole"]
    ]
    names = {arn.rpartition("/")[2] for s in passed for arn in s["Resource"]}
    roles = ("work", "start", "machine")
    assert {f"matinv-{lane}-{role}" for lane in ("huge", "grid") for role in roles} <= names


def test_the_deploy_role_touches_no_machines_of_others(account: State) -> None:
    for statement in statements(account["aws_iam_policy.batch"]["policy"]):
        changing = [a for a in statement["Action"] if not re.search(r":(Describe|List|Get)", a)]
        named = all(re.search("[/-]matinv-", r) for r in statement["Resource"])
        if changing and not named:
            condition = json.dumps(statement["Condition"])
            assert re.search(r"aws:(Request|Resource)Tag/|iam:AWSServiceName", condition)


def test_no_policy_is_longer_than_iam_takes(account: State, ec2: State, many: State) -> None:
    for state in (account, ec2, many):
        for policy in state.of_type("aws_iam_policy"):
            assert len(re.sub(r"\s", "", policy.values["policy"])) <= 6144, policy.address


# Alarms.


def test_the_lane_has_its_alarms_and_their_metrics_exist(
    fargate: State, runs: Mapping[str, State]
) -> None:
    more = alarms_of(fargate).keys() - alarms_of(runs["off_unless_asked"]).keys()
    assert more == {"backlog-huge", "stuck-huge", "in-flight-huge"}
    for name in more:
        for metric in metrics_of(alarms_of(fargate)[name]):
            assert PUBLISHED[metric.namespace, metric.name] == frozenset(metric.dimensions)
            assert set(metric.dimensions.values()) == {"matinv-huge"}
    stuck = alarms_of(fargate)["stuck-huge"]
    assert (stuck["datapoints_to_alarm"], stuck["evaluation_periods"]) == (30, 32)
    assert "no machine comes" in stuck["alarm_description"]
    (composite,) = fargate.of_type("aws_cloudwatch_composite_alarm")
    for name in ("backlog-huge", "stuck-huge"):
        assert f'ALARM("matinv-{name}")' in composite.values["alarm_rule"]


def test_the_lane_of_many_processes_has_the_same_alarms(many: State, fargate: State) -> None:
    more = alarms_of(many).keys() - alarms_of(fargate).keys()
    assert more == {"backlog-grid", "stuck-grid", "in-flight-grid"}
    for name in more:
        own, before = alarms_of(many)[name], alarms_of(many)[name.replace("grid", "huge")]
        for metric in metrics_of(own):
            assert set(metric.dimensions.values()) == {"matinv-grid"}
        for same in ("alarm_description", "threshold", "datapoints_to_alarm", "evaluation_periods"):
            assert own[same] == before[same]
    (composite,) = many.of_type("aws_cloudwatch_composite_alarm")
    for name in ("backlog-grid", "stuck-grid"):
        assert f'ALARM("matinv-{name}")' in composite.values["alarm_rule"]


def test_the_dashboard_shows_the_queue_of_each_lane(fargate: State, many: State) -> None:
    for state, queues in ((fargate, ["matinv-huge"]), (many, ["matinv-huge", "matinv-grid"])):
        bodies = [d.values["dashboard_body"] for d in state.of_type("aws_cloudwatch_dashboard")]
        (machinery,) = (json.loads(body) for body in bodies if "PolledEventCount" in body)
        shown = {w["properties"]["title"]: json.dumps(w) for w in machinery["widgets"]}
        for queue in queues:
            assert queue in shown["Messages waiting, in flight, dead"]
            assert queue in shown["Age of the oldest message (s)"]
        assert "null" not in shown["Pollers"]


@pytest.mark.parametrize("lane", ["huge", "grid"])
def test_each_alarm_has_its_place_in_the_runbook(lane: str) -> None:
    runbook = (INFRA / "RUNBOOK.md").read_text()
    section = runbook.split("### stuck\n")[1].split("\n### ")[0]
    assert f"`{lane}`" in section
    assert f"/aws/batch/…-{lane}" in section
