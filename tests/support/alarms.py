"""Alarms and metrics at the embedded CloudWatch, as infra/modules/monitoring makes them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from matinv.ports.monitor import State
from matinv.testing.contracts.monitor import DO, RUNBOOK, WHY

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

DESCRIPTION = f"{WHY} Do: {DO} Runbook: {RUNBOOK}"


def topic(stack: str, name: str) -> str:
    return f"arn:aws:sns:us-east-1:123456789012:{stack}-{name}"


def make_alarm(
    cloudwatch: CloudWatchClient, stack: str, name: str, state: State, **changes: Any
) -> None:
    """Make an alarm and put it into a state."""
    values: dict[str, Any] = {
        "AlarmDescription": DESCRIPTION,
        "ComparisonOperator": "GreaterThanThreshold",
        "EvaluationPeriods": 1,
        "Threshold": 0.0,
        "Namespace": "matinv",
        "MetricName": "JobsFailed",
        "Period": 60,
        "Statistic": "Sum",
        "AlarmActions": [topic(stack, "alarms")],
    }
    cloudwatch.put_metric_alarm(AlarmName=f"{stack}-{name}", **values | changes)
    cloudwatch.set_alarm_state(
        AlarmName=f"{stack}-{name}", StateValue=state.value, StateReason="for tests"
    )


class Composite:
    """The alarm that pages for others, in the answers that a client gets.

    moto has no PutCompositeAlarm, and so never answers with one.
    """

    def __init__(self, cloudwatch: CloudWatchClient, stack: str) -> None:
        self.names: list[str] = []
        self.state = State.OK
        self._stack = stack
        cloudwatch.meta.events.register("after-call.cloudwatch.DescribeAlarms", self._add)

    def _add(self, parsed: dict[str, Any], **_: object) -> None:
        if not self.names:
            return
        alarm = {
            "AlarmName": f"{self._stack}-unhealthy",
            "AlarmDescription": DESCRIPTION,
            "AlarmRule": " OR ".join(f'ALARM("{self._stack}-{name}")' for name in self.names),
            "AlarmActions": [topic(self._stack, "pages"), topic(self._stack, "alarms")],
            "StateValue": self.state.value,
            "StateUpdatedTimestamp": "1795681097.538",
        }
        parsed["CompositeAlarms"] = [alarm]


def measure(
    cloudwatch: CloudWatchClient, name: str, value: float, ago_s: float = 90.0, **dimensions: str
) -> None:
    """Report a value: one of a queue's if `dimensions` say so, else one of the service's own."""
    cloudwatch.put_metric_data(
        Namespace="AWS/SQS" if "QueueName" in dimensions else "matinv",
        MetricData=[
            {
                "MetricName": name,
                "Dimensions": [{"Name": k, "Value": v} for k, v in dimensions.items()],
                "Timestamp": time.time() - ago_s,
                "Value": value,
            }
        ],
    )
