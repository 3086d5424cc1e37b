"""What workflows call, by themselves and through the provider, against what their roles may do.

Each table goes from a script, or from a kind of resource, to the actions behind its calls, and to
whether IAM knows a resource of them.

Source: Service Authorization Reference; the provider's calls as its own issues and code name them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import pytest
from terraform_cli import Verdicts

# Actions that know no resource: a statement must say "*".
ANYWHERE = "*"
IMAGES = "arn:aws:ecr:eu-west-1:123456789012:repository/matinv"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:matinv-alarms"
ROLE = "arn:aws:iam::123456789012:role/matinv-worker"
POLICY = "arn:aws:iam::123456789012:policy/matinv-client"
ALARM = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:matinv-died"

CALLS: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "push": {
        "scripts/publish": {
            "ecr:GetAuthorizationToken": ANYWHERE,
            "ecr:DescribeImages": IMAGES,
            "ecr:BatchCheckLayerAvailability": IMAGES,
            "ecr:InitiateLayerUpload": IMAGES,
            "ecr:UploadLayerPart": IMAGES,
            "ecr:CompleteLayerUpload": IMAGES,
            "ecr:PutImage": IMAGES,
            "ecr:BatchGetImage": IMAGES,
        },
    },
    "scan": {
        "scripts/rescan": {
            "ecr:DescribeImages": IMAGES,
            "ecr:StartImageScan": IMAGES,
            "ecr:DescribeImageScanFindings": IMAGES,
        },
    },
    "deploy": {
        "aws_sns_topic": {
            "sns:CreateTopic": TOPIC,
            "sns:GetTopicAttributes": TOPIC,
            "sns:SetTopicAttributes": TOPIC,
            "sns:ListTagsForResource": TOPIC,
            "sns:DeleteTopic": TOPIC,
        },
        "aws_sns_topic_subscription": {
            "sns:Subscribe": TOPIC,
            "sns:GetSubscriptionAttributes": ANYWHERE,
            "sns:SetSubscriptionAttributes": ANYWHERE,
            "sns:Unsubscribe": ANYWHERE,
        },
        "aws_lambda_event_source_mapping": {
            "lambda:CreateEventSourceMapping": ANYWHERE,
            "lambda:GetEventSourceMapping": ANYWHERE,
            "lambda:UpdateEventSourceMapping": ANYWHERE,
            "lambda:DeleteEventSourceMapping": ANYWHERE,
            "lambda:TagResource": "arn:aws:lambda:eu-west-1:123456789012:event-source-mapping:1",
        },
        "aws_cloudwatch_metric_alarm": {
            "cloudwatch:PutMetricAlarm": ALARM,
            "cloudwatch:DescribeAlarms": ANYWHERE,
            "cloudwatch:DeleteAlarms": ALARM,
            "cloudwatch:TagResource": ALARM,
            "cloudwatch:ListTagsForResource": ALARM,
        },
        "aws_cloudwatch_composite_alarm": {
            "cloudwatch:PutCompositeAlarm": ANYWHERE,
            "cloudwatch:DeleteAlarms": ALARM,
        },
        "aws_cloudwatch_log_group": {"logs:DescribeLogGroups": ANYWHERE},
        "aws_iam_role": {
            "iam:CreateRole": ROLE,
            "iam:GetRole": ROLE,
            "iam:UpdateRole": ROLE,
            "iam:UpdateRoleDescription": ROLE,
            "iam:UpdateAssumeRolePolicy": ROLE,
            "iam:PutRolePermissionsBoundary": ROLE,
            "iam:ListInstanceProfilesForRole": ROLE,
            "iam:DeleteRole": ROLE,
            "iam:PassRole": ROLE,
        },
        "aws_iam_policy": {
            "iam:CreatePolicy": POLICY,
            "iam:GetPolicy": POLICY,
            "iam:GetPolicyVersion": POLICY,
            "iam:ListPolicyVersions": POLICY,
            "iam:DeletePolicy": POLICY,
        },
        "aws_budgets_budget": {
            "budgets:ViewBudget": "arn:aws:budgets::123456789012:budget/matinv-monthly",
            "billing:GetBillingViewData": ANYWHERE,
        },
        "aws_lambda_function": {
            "ecr:GetRepositoryPolicy": IMAGES,
            "ecr:BatchGetImage": IMAGES,
            "ecr:GetDownloadUrlForLayer": IMAGES,
        },
    },
}


@pytest.fixture(scope="session")
def roles(verdicts: Callable[[str, str], Verdicts]) -> Mapping[str, list[Mapping[str, Any]]]:
    """The statements of each role of a workflow."""
    state = verdicts("bootstrap", "bootstrap.tftest.hcl").states[
        "only_one_branch_pushes_and_one_environment_deploys"
    ]
    images = state["aws_ecr_repository.images"]["arn"]  # the mocked provider's
    documents = {
        "push": [state['aws_iam_role_policy.github["push"]']["policy"]],
        "scan": [state['aws_iam_role_policy.github["scan"]']["policy"]],
        "deploy": [state[f"aws_iam_policy.{name}"]["policy"] for name in ("deploy", "switches")],
    }
    return {
        role: [
            one for text in texts for one in json.loads(text.replace(images, IMAGES))["Statement"]
        ]
        for role, texts in documents.items()
    }


def allows(statement: Mapping[str, Any], action: str, resource: str) -> bool:
    """Whether a statement lets through a call of a resource, or one that names none."""
    named = any(fnmatchcase(action, pattern) for pattern in statement["Action"])
    if resource == ANYWHERE:
        return named and "*" in statement["Resource"]
    return named and any(fnmatchcase(resource, pattern) for pattern in statement["Resource"])


@pytest.mark.parametrize(
    ("role", "by"), [(role, by) for role, callers in CALLS.items() for by in callers]
)
def test_each_role_may_make_each_call_of_its_scripts_and_of_the_provider(
    roles: Mapping[str, list[Mapping[str, Any]]], role: str, by: str
) -> None:
    denied = {
        action
        for action, resource in CALLS[role][by].items()
        if not any(allows(statement, action, resource) for statement in roles[role])
    }
    assert not denied


def test_a_deploy_rewrites_no_policy_that_people_have(
    roles: Mapping[str, list[Mapping[str, Any]]],
) -> None:
    rewriting = ("iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion")
    for action in (*rewriting, "iam:AttachUserPolicy", "iam:PutUserPolicy"):
        found = [s for s in roles["deploy"] if any(fnmatchcase(action, a) for a in s["Action"])]
        assert not found, action


def test_who_pushes_does_not_deploy_and_who_scans_changes_nothing(
    roles: Mapping[str, list[Mapping[str, Any]]],
) -> None:
    may = {role: {a for s in roles[role] for a in s["Action"]} for role in roles}
    assert {a.partition(":")[0] for a in may["push"] | may["scan"]} == {"ecr"}
    assert not {a for a in may["scan"] if "Put" in a or "Upload" in a or "Delete" in a}
