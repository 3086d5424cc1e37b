"""`Monitor` on SQS and CloudWatch."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from matinv.backends.aws.errors import translated
from matinv.jobs.times import timestamp
from matinv.ports.monitor import Alarm, Depth, Figures, State, by_urgency

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_sqs import SQSClient

# As infra/service names them; tests/infra compares.
METRICS_NAMESPACE: Final = "matinv"
ALARMS_TOPIC: Final = "alarms"
PAGES_TOPIC: Final = "pages"

_PERIOD_S: Final = 60  # of all metrics
_STALE_S: Final = 600  # an age that was measured longer ago says nothing of now

_RULE: Final = re.compile(r'ALARM\("([^"]+)"\)')
_DESCRIPTION: Final = re.compile(r"(.*?)(?: Do: (.*?))?(?: Runbook: (\S+))?", re.DOTALL)


class AWSMonitor:
    """A stack's queues, alarms and metrics, read from SQS and CloudWatch.

    Parameters
    ----------
    sqs, cloudwatch : SQSClient, CloudWatchClient
        From `matinv.backends.aws.clients.client`.
    queue_urls : mapping
        URLs of the queues that there are, by lane, and `matinv.ports.monitor.DEAD`.
    stack : str
        The stack's name: prefix of its alarms, and the metrics' dimension ``service``.
    now : callable
        Seconds since the epoch.
    """

    def __init__(
        self,
        sqs: SQSClient,
        cloudwatch: CloudWatchClient,
        queue_urls: Mapping[str, str],
        stack: str,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._sqs = sqs
        self._cloudwatch = cloudwatch
        self._queue_urls = queue_urls
        self._stack = stack
        self._now = now
        self._asked: tuple[tuple[int, float], Figures] | None = None

    def depth(self, queue: str) -> Depth | None:
        """Return how much is in a queue."""
        if queue not in self._queue_urls:
            return None
        with translated(f"reading how much is in the queue {queue}"):
            answer = self._sqs.get_queue_attributes(
                QueueUrl=self._queue_urls[queue],
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesNotVisible",
                    "ApproximateNumberOfMessagesDelayed",
                ],
            )
        found: Mapping[Any, str] = answer["Attributes"]
        return Depth(
            int(found["ApproximateNumberOfMessages"]),
            int(found["ApproximateNumberOfMessagesNotVisible"]),
            int(found["ApproximateNumberOfMessagesDelayed"]),
        )

    def alarms(self) -> Sequence[Alarm]:
        """Return the alarms that report to the stack's own topic.

        A name alone does not tell: ``matinv-dev-table`` may be of the stack ``matinv-dev``.
        """
        found: list[Mapping[str, Any]] = []
        with translated("reading the alarms"):
            pages = self._cloudwatch.get_paginator("describe_alarms").paginate(
                AlarmNamePrefix=f"{self._stack}-", AlarmTypes=["MetricAlarm", "CompositeAlarm"]
            )
            for page in pages:
                found += [*page.get("MetricAlarms", ()), *page.get("CompositeAlarms", ())]
        own = [alarm for alarm in found if self._reports_to(alarm, ALARMS_TOPIC)]
        paging: set[str] = set()
        for alarm in own:
            if self._reports_to(alarm, PAGES_TOPIC):  # it does, and those that it is made of
                paging |= {alarm["AlarmName"], *_RULE.findall(alarm.get("AlarmRule") or "")}
        alarms = []
        for alarm in own:
            described = _DESCRIPTION.fullmatch(alarm.get("AlarmDescription") or "")
            why, do, runbook = described.groups("") if described else ("", "", "")
            since = alarm.get("StateTransitionedTimestamp") or alarm["StateUpdatedTimestamp"]
            alarms.append(
                Alarm(
                    alarm["AlarmName"].removeprefix(f"{self._stack}-"),
                    State(alarm["StateValue"]),
                    timestamp(_seconds(since)),
                    why,
                    do,
                    runbook,
                    pages=alarm["AlarmName"] in paging,
                )
            )
        return sorted(alarms, key=by_urgency)

    def _reports_to(self, alarm: Mapping[str, Any], topic: str) -> bool:
        return any(arn.endswith(f":{self._stack}-{topic}") for arn in alarm["AlarmActions"])

    def figures(self, window_s: float) -> Figures:
        """Return a metric's count; asked for once a minute.

        A metric changes no more often, and each one that is asked for costs a thousandth of a cent
        (https://aws.amazon.com/cloudwatch/pricing/).
        """
        now_s = self._now()
        key = (int(now_s // _PERIOD_S), window_s)
        if self._asked is None or self._asked[0] != key:
            self._asked = (key, self._ask(now_s, window_s))
        return self._asked[1]

    def _ask(self, now_s: float, window_s: float) -> Figures:
        service = ("service", self._stack)
        metrics = {
            "acknowledged": _metric(METRICS_NAMESPACE, "Acknowledged", service, "Sum"),
            "duplicates": _metric(METRICS_NAMESPACE, "Duplicates", service, "Sum"),
        }
        for queue, url in self._queue_urls.items():
            name = ("QueueName", url.rpartition("/")[2])
            metrics[f"oldest_{queue}"] = _metric(
                "AWS/SQS", "ApproximateAgeOfOldestMessage", name, "Maximum"
            )
        since_s = now_s - max(window_s, _PERIOD_S)
        values: dict[str, list[tuple[float, float]]] = {id_: [] for id_ in metrics}
        with translated("reading metrics"):
            pages = self._cloudwatch.get_paginator("get_metric_data").paginate(
                MetricDataQueries=[
                    {"Id": id_, "MetricStat": metric} for id_, metric in metrics.items()
                ],
                StartTime=datetime.fromtimestamp(since_s // _PERIOD_S * _PERIOD_S, UTC),
                EndTime=datetime.fromtimestamp(now_s, UTC),
            )
            for page in pages:
                for result in page["MetricDataResults"]:
                    times = map(_seconds, result["Timestamps"])
                    values[result["Id"]] += zip(times, result["Values"], strict=True)
        latest = {q: max(values[f"oldest_{q}"], default=(0.0, 0.0)) for q in self._queue_urls}
        counted = bool(values["acknowledged"] or values["duplicates"])
        return Figures(
            {queue: age_s for queue, (at_s, age_s) in latest.items() if at_s >= now_s - _STALE_S},
            _sum(values["acknowledged"]) if counted else None,
            _sum(values["duplicates"]) if counted else None,
        )


def _metric(namespace: str, name: str, dimension: tuple[str, str], statistic: str) -> Any:
    metric = {
        "Namespace": namespace,
        "MetricName": name,
        "Dimensions": [{"Name": dimension[0], "Value": dimension[1]}],
    }
    return {"Metric": metric, "Period": _PERIOD_S, "Stat": statistic}


def _sum(values: Sequence[tuple[float, float]]) -> int:
    return round(sum(value for _, value in values))


def _seconds(time_: Any) -> float:
    """Return a time of an answer: seconds or ISO 8601, as the protocol has it, and as text."""
    text = str(time_)
    try:
        return float(text)
    except ValueError:
        return datetime.fromisoformat(text).timestamp()
