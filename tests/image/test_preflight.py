"""`scripts/preflight` on canned answers, checked by botocore against the services' models."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote

import boto3
import pytest
from botocore.stub import Stubber

SCRIPT = Path(__file__).parents[2] / "scripts" / "_preflight"
SUBJECT = "repo:lab/matinv:environment:production"
WITH_IDS = "repo:lab@1/matinv@2:environment:production"
TOPICS = [f"arn:aws:sns:eu-west-1:123456789012:matinv-{name}" for name in ("alarms", "pages")]


@pytest.fixture(scope="module")
def preflight() -> Iterator[ModuleType]:
    loader = SourceFileLoader("preflight_script", str(SCRIPT))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    sys.modules[loader.name] = module
    loader.exec_module(module)
    yield module
    del sys.modules[loader.name]


class Account:
    """An account in order, whose answers a test changes."""

    def __init__(self) -> None:
        self.concurrency = 1000
        self.subjects: Any = [SUBJECT, WITH_IDS]
        self.scan_type = "BASIC"
        self.subscribers = {topic: ["arn:aws:sns:eu-west-1:123456789012:t:1"] for topic in TOPICS}
        self.topics = TOPICS
        self.alarm: str | None = "OK"
        self.denied: set[str] = set()

    def ask(self, service: str) -> Any:
        client = boto3.client(service, region_name="eu-west-1")
        stubber = Stubber(client)
        for operation, answer in getattr(self, f"_{service}")():
            if service in self.denied:
                stubber.add_client_error(operation, "AccessDenied", "no", 403)
                break
            stubber.add_response(operation, answer)
        stubber.activate()
        return client

    def _lambda(self) -> list[Any]:
        limit = {"ConcurrentExecutions": self.concurrency}
        return [("get_account_settings", {"AccountLimit": limit})]

    def _iam(self) -> list[Any]:
        sub = {"token.actions.githubusercontent.com:sub": self.subjects}
        document = {"Statement": [{"Condition": {"StringEquals": sub}}]}
        role = {
            "Path": "/",
            "RoleName": "matinv-github-deploy",
            "RoleId": "AROA0123456789ABCDEF",
            "Arn": "arn:aws:iam::123456789012:role/matinv-github-deploy",
            "CreateDate": 0,
            "AssumeRolePolicyDocument": quote(json.dumps(document)),  # as IAM answers
        }
        return [("get_role", {"Role": role})]

    def _ecr(self) -> list[Any]:
        found = {"scanType": self.scan_type, "rules": []}
        return [("get_registry_scanning_configuration", {"scanningConfiguration": found})]

    def _sns(self) -> list[Any]:
        topics = [{"TopicArn": arn} for arn in self.topics]
        lists = [
            {
                "Subscriptions": [
                    {"SubscriptionArn": arn, "Protocol": "email", "Endpoint": "a@example.com"}
                    for arn in self.subscribers[topic]
                ]
            }
            for topic in self.topics
        ]
        return [("list_topics", {"Topics": topics})] + [
            ("list_subscriptions_by_topic", one) for one in lists
        ]

    def _cloudwatch(self) -> list[Any]:
        alarms = [{"AlarmName": "matinv-canary", "StateValue": self.alarm}] if self.alarm else []
        return [("describe_alarms", {"MetricAlarms": alarms})]


@pytest.fixture
def account(no_real_aws: None) -> Account:
    return Account()


def judged(preflight: ModuleType, account: Account) -> list[tuple[str, str]]:
    found = preflight.findings(account.ask, "matinv", 55)
    return [(str(finding.level), f"{finding.text} {finding.do}") for finding in found]


def worst(found: list[tuple[str, str]], level: str) -> list[str]:
    return [text for one, text in found if one == level]


def test_an_account_in_order_has_nothing_to_look_at(
    preflight: ModuleType, account: Account
) -> None:
    assert {level for level, _ in judged(preflight, account)} == {"ok"}


def test_a_new_account_is_told_before_the_apply_stops(
    preflight: ModuleType, account: Account
) -> None:
    account.concurrency = 10
    found = judged(preflight, account)
    assert "L-B99A9384" in worst(found, "FAIL")[0]
    assert "large = null" in worst(found, "check")[0]


def test_a_trust_in_the_old_form_alone_is_told(preflight: ModuleType, account: Account) -> None:
    account.subjects = SUBJECT
    (text,) = worst(judged(preflight, account), "check")
    assert "github_ids" in text


def test_a_subscriber_that_has_not_confirmed_fails(preflight: ModuleType, account: Account) -> None:
    account.subscribers[TOPICS[1]] = ["PendingConfirmation"]
    (text,) = worst(judged(preflight, account), "FAIL")
    assert "a@example.com has not confirmed matinv-pages" in text


def test_alarms_that_nobody_hears_fail(preflight: ModuleType, account: Account) -> None:
    account.subscribers[TOPICS[0]] = []
    (text,) = worst(judged(preflight, account), "FAIL")
    assert "infra/environments/matinv.tfvars" in text


@pytest.mark.parametrize("state", ["INSUFFICIENT_DATA", "ALARM"])
def test_a_canary_that_does_not_beat_fails(
    preflight: ModuleType, account: Account, state: str
) -> None:
    account.alarm = state
    assert len(worst(judged(preflight, account), "FAIL")) == 1


def test_before_the_first_deploy_there_is_no_stack_to_fail(
    preflight: ModuleType, account: Account
) -> None:
    account.topics, account.alarm = [], None
    found = judged(preflight, account)
    assert worst(found, "FAIL") == []
    assert sum("not deployed" in text for text in worst(found, "check")) == 3


def test_enhanced_scans_are_told(preflight: ModuleType, account: Account) -> None:
    account.scan_type = "ENHANCED"
    assert "Inspector" in worst(judged(preflight, account), "check")[0]


@pytest.mark.parametrize("service", ["lambda", "iam", "ecr", "sns", "cloudwatch"])
def test_what_may_not_be_asked_is_told_and_the_rest_is_judged(
    preflight: ModuleType, account: Account, service: str
) -> None:
    account.denied = {service}
    found = judged(preflight, account)
    assert "AccessDenied" in worst(found, "check")[0]
    assert len({level for level, _ in found}) == 2
