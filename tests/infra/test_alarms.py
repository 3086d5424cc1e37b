"""The alarms against the table that was agreed on, the metrics that exist, and the runbook."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

import pytest
from published import BY_INDEX, OWN, PUBLISHED
from terraform_cli import INFRA, REPOSITORY, Resource, State

from matinv.backends.aws.cloudwatch import AWSMonitor

RUNBOOK = (INFRA / "RUNBOOK.md").read_text()
PLAIN: Final = "aws_cloudwatch_metric_alarm"


@dataclass(frozen=True)
class Expected:
    """One row: metrics with their statistic, comparison with threshold, m of n periods."""

    metrics: frozenset[tuple[str, str]]
    test: str
    of: tuple[int, int]
    period_s: int = 60
    missing: str = "notBreaching"
    pages: bool = False


def row(metrics: str, test: str, of: tuple[int, int], **more: Any) -> Expected:
    """Read ``Sum Errors, Sum Invocations``."""
    pairs = (metric.split() for metric in metrics.split(", "))
    return Expected(frozenset((stat, name) for stat, name in pairs), test, of, **more)


# Points come as late as an invocation takes: m of ceil(timeout / 60 s) + 5.
OF_LATE = {"standard": (2, 7), "large": (1, 20), "api": (2, 6)}
FOR_EACH_LANE = {
    "stuck": row(
        "Maximum ApproximateNumberOfMessagesVisible, Maximum ApproximateNumberOfMessagesNotVisible",
        "> 0",
        (10, 12),
        pages=True,
    ),
    "in-flight": row("Maximum ApproximateNumberOfMessagesNotVisible", "> 108000", (3, 5)),
    "poller": row("Sum FailedInvokeEventCount, Sum DroppedEventCount", "> 0", (2, 4)),
}
OPERATIONS = ("GetItem", "BatchGetItem", "PutItem", "BatchExecuteStatement", "Query")
EXPECTED = {
    "dead-letters": row(
        "Maximum ApproximateNumberOfMessagesVisible, Maximum ApproximateNumberOfMessagesNotVisible",
        "> 0",
        (1, 3),
    ),
    "died": row("Sum JobsFailed", "> 0", (1, 5), pages=True),
    **{
        f"errors-{f}": row("Sum Errors, Sum Invocations", "> 1", of, pages=True)
        for f, of in OF_LATE.items()
    },
    **{f"throttles-{f}": row("Sum Throttles", ">= 1", (2, 4)) for f in OF_LATE},
    "failed-jobs": row("Sum JobsFailed, Sum JobsSucceeded", "> 5", (2, 4), pages=True),
    "slow-standard": row("p99 Duration", "> 99600", OF_LATE["standard"]),  # 83 % of 120 s
    "slow-large": row("p99 Duration", "> 747000", OF_LATE["large"]),  # of 900 s
    "slow-api": row("p99 Duration", "> 49800", OF_LATE["api"]),  # of 60 s
    "saturated-standard": row("Maximum ConcurrentExecutions", "> 40", (5, 7)),  # 80 % of 50
    "saturated-large": row("Maximum ConcurrentExecutions", "> 4", (5, 7)),  # of 5
    "backlog-standard": row("Maximum ApproximateAgeOfOldestMessage", "> 900", (3, 5), pages=True),
    "backlog-large": row("Maximum ApproximateAgeOfOldestMessage", "> 7200", (3, 5), pages=True),
    **{f"{key}-{lane}": e for lane in ("standard", "large") for key, e in FOR_EACH_LANE.items()},
    "retried": row("Sum ReceivedAgain", "> 0", (2, 4)),
    "memory": row("Maximum MemoryUsed", "> 100", (1, 5)),
    "misconfigured": row("Sum Misconfigured", "> 0", (1, 5), pages=True),
    "residual": row("Sum RESIDUAL", "> 0", (1, 5), pages=True),
    "duplicates": row("Sum Duplicates, Sum JobsSucceeded, Sum JobsRefused", "> 20", (3, 5)),
    "loss": row(
        "Sum Acknowledged, Sum TerminalRecords, Sum Duplicates, Sum Stale, Sum Forwarded",
        "> 0",
        (1, 5),
        pages=True,
    ),
    "table": row(
        "Sum ReadThrottleEvents, Sum WriteThrottleEvents, Sum SystemErrors", "> 0", (3, 5)
    ),
    "canary": row("Sum Heartbeat", "> 0", (2, 3), period_s=900, missing="ignore", pages=True),
    "account": row("Maximum ClaimedAccountConcurrency", "> 800", (5, 7)),  # 80 % of 1,000
    # Not in the table of eighteen, but asked for, or needed so that nothing accepted is lost.
    "dead-letters-expire": row(
        "Maximum ApproximateAgeOfOldestMessage", "> 604800", (1, 3)
    ),  # 7 days
    "events-lost": row("Sum EventsLost", "> 0", (3, 5)),
    "failed-calls-api": row("Sum AsyncEventsDropped", "> 0", (1, 5)),
    "undelivered-api": row("Sum DestinationDeliveryFailures", "> 0", (1, 5), pages=True),
    "unheard": row("Sum NumberOfNotificationsFailed", "> 0", (1, 5), pages=True),
    "events-undelivered": row("Sum NumberOfNotificationsFailed", "> 0", (3, 5)),
}
SIGNS = {
    "GreaterThanThreshold": ">",
    "GreaterThanOrEqualToThreshold": ">=",
    "LessThanThreshold": "<",
}


@dataclass(frozen=True)
class Metric:
    """A metric that an alarm or a dashboard shows."""

    namespace: str
    name: str
    stat: str
    dimensions: Mapping[str, str]

    def exists(self) -> bool:
        """Whether a service publishes it, with just these dimensions."""
        name = (self.namespace, self.name)
        return frozenset(self.dimensions) in {PUBLISHED.get(name), BY_INDEX.get(name)}


def metrics_of(alarm: Mapping[str, Any]) -> list[Metric]:
    if alarm["metric_name"]:
        stat = alarm["statistic"] or alarm["extended_statistic"]
        return [Metric(alarm["namespace"], alarm["metric_name"], stat, alarm["dimensions"] or {})]
    queries = (query["metric"] for query in alarm["metric_query"] or [])
    return [
        Metric(m[0]["namespace"], m[0]["metric_name"], m[0]["stat"], m[0]["dimensions"] or {})
        for m in queries
        if m
    ]


def alarms_of(stack: State, name: str = "matinv") -> dict[str, Mapping[str, Any]]:
    return {r.values["alarm_name"].removeprefix(f"{name}-"): r.values for r in stack.of_type(PLAIN)}


def composite_of(stack: State) -> Mapping[str, Any]:
    (alarm,) = stack.of_type("aws_cloudwatch_composite_alarm")
    return alarm.values


def test_there_are_just_the_expected_alarms(stack: State) -> None:
    assert alarms_of(stack).keys() == EXPECTED.keys()


@pytest.mark.parametrize("key", EXPECTED)
def test_alarm_is_as_agreed(stack: State, key: str) -> None:
    alarm, expected = alarms_of(stack)[key], EXPECTED[key]
    sign = SIGNS[alarm["comparison_operator"]]
    periods = {q["metric"][0]["period"] for q in alarm["metric_query"] or [] if q["metric"]}
    found = Expected(
        frozenset((m.stat, m.name) for m in metrics_of(alarm)),
        f"{sign} {alarm['threshold']:.0f}",
        (alarm["datapoints_to_alarm"], alarm["evaluation_periods"]),
        *(periods or {alarm["period"]}),
        alarm["treat_missing_data"],
        f'ALARM("{alarm["alarm_name"]}")' in composite_of(stack)["alarm_rule"].split(" OR "),
    )
    assert found == expected


@pytest.mark.parametrize("key", EXPECTED)
def test_alarm_watches_metrics_that_exist(stack: State, key: str) -> None:
    metrics = metrics_of(alarms_of(stack)[key])
    assert metrics
    assert [m for m in metrics if not m.exists()] == []


@pytest.mark.parametrize("key", EXPECTED)
def test_alarm_uses_each_of_its_metrics(stack: State, key: str) -> None:
    alarm = alarms_of(stack)[key]
    queries = {q["id"]: q for q in alarm["metric_query"] or []}
    expressions = [q["expression"] for q in queries.values() if q["expression"]]
    if not queries:
        return
    assert len(expressions) == 1
    assert [q["id"] for q in queries.values() if q["return_data"]] == ["judged"]
    names = set(re.findall(r"\b[a-z]\w*", expressions[0]))
    assert "METRICS()" in expressions[0] or names == queries.keys() - {"judged"}
    assert len(queries) - 1 <= 10  # CloudWatch's limit for an alarm


@pytest.mark.parametrize("key", EXPECTED)
def test_alarm_says_why_and_what_to_do(stack: State, key: str) -> None:
    alarm = alarms_of(stack)[key]
    description = alarm["alarm_description"]
    assert len(description) <= 1024  # CloudWatch's limit
    why, _, rest = description.partition(" Do: ")
    do, _, where = rest.partition(" Runbook: infra/RUNBOOK.md#")
    assert why.endswith(".")
    assert do.endswith(".")
    assert f'<a id="{where}"></a>' in RUNBOOK
    assert alarm["alarm_actions"] == ["arn:aws:sns:eu-west-1:123456789012:matinv-alarms"]


def test_latency_is_never_an_average(stack: State) -> None:
    stats = {m.stat for alarm in alarms_of(stack).values() for m in metrics_of(alarm)}
    assert stats <= {"Sum", "Maximum", "p99"}
    for alarm in alarms_of(stack).values():
        if alarm["extended_statistic"]:
            assert alarm["evaluate_low_sample_count_percentiles"] == "evaluate"


def test_only_the_composite_pages(stack: State) -> None:
    pages = "arn:aws:sns:eu-west-1:123456789012:matinv-pages"
    assert pages in composite_of(stack)["alarm_actions"]
    assert not [a for a in alarms_of(stack).values() if pages in a["alarm_actions"]]


def test_the_monitor_knows_all_alarms_and_which_of_them_page(stack: State) -> None:
    def answer(values: Mapping[str, Any]) -> dict[str, Any]:
        names = ("AlarmName", "AlarmDescription", "AlarmActions", "AlarmRule")
        found = {n: values.get(re.sub("(?<=.)([A-Z])", r"_\1", n).lower()) for n in names}
        return found | {"StateValue": "OK", "StateUpdatedTimestamp": "0.0"}

    page = {
        "MetricAlarms": [answer(alarm) for alarm in alarms_of(stack).values()],
        "CompositeAlarms": [answer(composite_of(stack))],
    }
    pages = SimpleNamespace(paginate=lambda **_: [page])
    cloudwatch: Any = SimpleNamespace(get_paginator=lambda _: pages)
    found = AWSMonitor(cloudwatch, cloudwatch, {}, "matinv").alarms()
    paging = {key: expected.pages for key, expected in EXPECTED.items()}
    assert {alarm.name: alarm.pages for alarm in found} == paging | {"unhealthy": True}
    assert all(alarm.why and alarm.do and "#alarm-" in alarm.runbook for alarm in found)


def test_the_monitor_asks_for_metrics_that_alarms_watch(stack: State) -> None:
    asked: list[dict[str, Any]] = []

    def paginate(**call: Any) -> list[Any]:
        asked.extend(query["MetricStat"] for query in call["MetricDataQueries"])
        return []

    pages = SimpleNamespace(paginate=paginate)
    cloudwatch: Any = SimpleNamespace(get_paginator=lambda _: pages)
    AWSMonitor(cloudwatch, cloudwatch, {"standard": ".../matinv-jobs"}, "matinv").figures(900)
    watched = [m for alarm in alarms_of(stack).values() for m in metrics_of(alarm)]
    for query in asked:
        metric = query["Metric"]
        dimensions = {d["Name"]: d["Value"] for d in metric["Dimensions"]}
        found = Metric(metric["Namespace"], metric["MetricName"], query["Stat"], dimensions)
        assert found in watched
    assert len(asked) == 3


def test_table_alarm_looks_at_each_operation_that_is_used(stack: State) -> None:
    metrics = metrics_of(alarms_of(stack)["table"])
    assert {m.dimensions.get("Operation") for m in metrics} == {None, *OPERATIONS}
    (table,) = stack.of_type("aws_dynamodb_table")
    indexes = {index["name"] for index in table.values["global_secondary_index"]}
    assert {m.dimensions.get("GlobalSecondaryIndexName") for m in metrics} == {None, *indexes}


# Lambda guide, "Types of metrics for Lambda functions": the timestamp of a metric is that of the
# invocation's start, and it is sent at its end.
def test_alarms_on_invocations_look_back_further_than_the_longest_of_them(stack: State) -> None:
    timeouts_s = {
        f.values["function_name"]: f.values["timeout"] for f in stack.of_type("aws_lambda_function")
    }
    looked_at = 0
    for alarm in alarms_of(stack).values():
        for metric in metrics_of(alarm):
            if metric.name in {"Errors", "Invocations", "Duration"}:
                looked_at += 1
                back_s = 60 * alarm["evaluation_periods"]
                assert back_s >= timeouts_s[metric.dimensions["FunctionName"]] + 300
    assert looked_at == 9


# CloudWatch guide, "Using metric math", FILL: the newest point is always the fill value. And every
# metric comes a minute or two late.
def test_no_alarm_needs_the_newest_points(stack: State) -> None:
    for alarm in alarms_of(stack).values():
        spare = alarm["evaluation_periods"] - alarm["datapoints_to_alarm"]
        late = 1 if alarm["period"] == 900 or "beats" in str(alarm["metric_query"]) else 2
        assert spare >= late, alarm["alarm_name"]


def test_no_log_level_filters_the_lines_that_carry_metrics(full_stack: State) -> None:
    for function in full_stack.of_type("aws_lambda_function"):
        assert function.values["logging_config"][0]["application_log_level"] in {"DEBUG", "INFO"}


def test_every_queue_is_watched(stack: State) -> None:
    watched = {
        m.dimensions["QueueName"]
        for alarm in alarms_of(stack).values()
        for m in metrics_of(alarm)
        if m.namespace == "AWS/SQS"
    }
    assert watched == {queue.values["name"] for queue in stack.of_type("aws_sqs_queue")}


def test_mapping_metrics_are_switched_on(stack: State) -> None:
    for mapping in stack.of_type("aws_lambda_event_source_mapping"):
        assert mapping.values["metrics_config"][0]["metrics"] == ["EventCount"]


def test_own_metrics_are_those_that_the_functions_write() -> None:
    package = REPOSITORY / "functions" / "matinv"
    sources = [package / "telemetry.py", *(package / "handlers").glob("*.py")]
    nodes = [node for source in sources for node in ast.walk(ast.parse(source.read_text()))]
    written = {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    written |= {n.arg for n in nodes if isinstance(n, ast.keyword) and n.arg}
    assert written >= OWN


def test_names_of_another_stack_are_its_own(full_stack: State) -> None:
    for alarm in alarms_of(full_stack, "matinv-test").values():
        for metric in metrics_of(alarm):
            assert metric.dimensions.get("service", "matinv-test") == "matinv-test"
            assert metric.dimensions.get("QueueName", "matinv-test-").startswith("matinv-test-")
            assert metric.dimensions.get("FunctionName", "matinv-test-").startswith("matinv-test-")


def test_optional_alarm_and_budget(full_stack: State) -> None:
    (anomaly,) = (
        a for k, a in alarms_of(full_stack, "matinv-test").items() if k.startswith("anomaly")
    )
    assert all(metric.exists() for metric in metrics_of(anomaly))
    assert anomaly["threshold_metric_id"] == "band"
    assert '<a id="alarm-anomaly"></a>' in RUNBOOK
    (budget,) = full_stack.of_type("aws_budgets_budget")
    assert budget.values["limit_amount"] == "50"
    assert budget.values["cost_filter"][0]["values"] == ["user:stack$matinv-test"]


def test_subscribers_hear_what_they_asked_for(full_stack: State) -> None:
    found = {
        (s.values["topic_arn"].rpartition("-")[2], s.values["protocol"], s.values["endpoint"])
        for s in full_stack.of_type("aws_sns_topic_subscription")
    }
    assert found == {
        ("alarms", "email", "team@example.com"),
        ("pages", "https", "https://pager.example.com/in"),
    }


def shown(dashboard: Resource) -> Iterator[Metric]:
    """Yield the metrics of a dashboard's widgets."""
    for widget in json.loads(dashboard.values["dashboard_body"])["widgets"]:
        for entry in widget["properties"].get("metrics", []):
            namespace, name, *rest = (part for part in entry if isinstance(part, str))
            yield Metric(namespace, name, "", dict(zip(rest[::2], rest[1::2], strict=True)))


def test_dashboards_show_metrics_that_exist(stack: State) -> None:
    dashboards = stack.of_type("aws_cloudwatch_dashboard")
    assert {d.values["dashboard_name"] for d in dashboards} == {"matinv-jobs", "matinv-machinery"}
    for dashboard in dashboards:
        metrics = list(shown(dashboard))
        assert metrics
        assert [m for m in metrics if not m.exists()] == []


def test_widgets_do_not_overlap(stack: State) -> None:
    for dashboard in stack.of_type("aws_cloudwatch_dashboard"):
        taken: set[tuple[int, int]] = set()
        for w in json.loads(dashboard.values["dashboard_body"])["widgets"]:
            cells = {
                (x, y)
                for x in range(w["x"], w["x"] + w["width"])
                for y in range(w["y"], w["y"] + w["height"])
            }
            assert not cells & taken
            assert max(x for x, _ in cells) < 24
            taken |= cells
