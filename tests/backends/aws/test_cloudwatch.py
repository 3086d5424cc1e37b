"""CloudWatch: whose alarms are shown, how often it is asked, and faults on the way to it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from matinv import wiring
from matinv.backends.aws.cloudwatch import AWSMonitor
from matinv.errors import Code, Misconfigured
from matinv.jobs.lanes import standard
from matinv.ports.monitor import DEAD, Figures, State
from matinv.settings import Settings
from support.alarms import Composite, make_alarm, measure, topic
from support.faults import Faults, refusal

SERVICE = "cloudwatch"
DENIED = refusal(403, "AccessDenied")


class Clock:
    """Time that only tests move, from now on: moto keeps no metrics of other times."""

    def __init__(self) -> None:
        self.now_s = time.time() // 60 * 60 + 1

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def monitor(client: Any, faults: Faults, sqs: Any, unique: str, clock: Clock) -> AWSMonitor:
    urls = {"standard": f"https://sqs/123456789012/{unique}-jobs"}
    return AWSMonitor(sqs, client, urls, unique, now=clock)


class TestAlarms:
    def test_those_of_a_stack_with_a_longer_name_are_not_shown(
        self, monitor: AWSMonitor, client: Any, unique: str
    ) -> None:
        make_alarm(client, unique, "table", State.OK)
        make_alarm(client, f"{unique}-dev", "table", State.ALARM)
        assert [alarm.name for alarm in monitor.alarms()] == ["table"]

    def test_the_composite_pages_for_those_that_it_names(
        self, monitor: AWSMonitor, client: Any, unique: str
    ) -> None:
        Composite(client, unique).names += ["loud"]
        make_alarm(client, unique, "loud", State.OK)
        make_alarm(client, unique, "quiet", State.OK)
        pages = {alarm.name: alarm.pages for alarm in monitor.alarms()}
        assert pages == {"loud": True, "quiet": False, "unhealthy": True}

    @pytest.mark.parametrize(
        ("text", "parts"),
        [
            ("Only a reason.", ("Only a reason.", "", "")),
            ("A reason. Do: nothing.", ("A reason.", "nothing.", "")),
            ("A reason. Runbook: https://x/#y", ("A reason.", "", "https://x/#y")),
            ("Two\nlines. Do: a Do: b", ("Two\nlines.", "a Do: b", "")),
        ],
    )
    def test_a_description_in_other_words_is_shown_too(
        self, monitor: AWSMonitor, client: Any, unique: str, text: str, parts: tuple[str, str, str]
    ) -> None:
        make_alarm(client, unique, "own", State.OK, AlarmDescription=text)
        (alarm,) = monitor.alarms()
        assert (alarm.why, alarm.do, alarm.runbook) == parts

    def test_many_alarms_are_read_page_by_page(
        self, monitor: AWSMonitor, client: Any, unique: str
    ) -> None:
        names = [f"a{n}" for n in range(3)]
        for name in names:
            make_alarm(client, unique, name, State.OK)
        asked: list[str | None] = []

        def cut(parsed: dict[str, Any], **_: object) -> None:  # moto answers with all at once
            page = len(asked)
            asked.append(None)
            parsed["MetricAlarms"] = parsed["MetricAlarms"][page : page + 1]
            parsed["NextToken"] = str(page) if page < 2 else None

        client.meta.events.register("after-call.cloudwatch.DescribeAlarms", cut)
        assert sorted(alarm.name for alarm in monitor.alarms()) == names

    def test_a_denial_says_what_was_denied(self, monitor: AWSMonitor, faults: Faults) -> None:
        faults.script.append(DENIED)
        with pytest.raises(Misconfigured, match="reading the alarms failed: AccessDenied"):
            monitor.alarms()


class TestFigures:
    def test_are_asked_for_once_a_minute(
        self, monitor: AWSMonitor, faults: Faults, clock: Clock
    ) -> None:
        for _ in range(3):
            monitor.figures(900)
        assert faults.calls == {"GetMetricData": 1}
        clock.now_s += 60
        monitor.figures(900)
        monitor.figures(3600)
        assert faults.calls == {"GetMetricData": 3}

    def test_are_summed_over_the_window(
        self, monitor: AWSMonitor, client: Any, unique: str, clock: Clock
    ) -> None:
        ago = clock.now_s - time.time()
        for minutes in (2, 5, 8, 30):
            measure(client, "Acknowledged", 10, 60 * minutes - ago, service=unique)
        measure(client, "Acknowledged", 1000, 120, service=f"{unique}-dev")
        assert monitor.figures(900) == Figures({}, acknowledged=30, duplicates=0)

    def test_an_age_that_was_measured_long_ago_is_unknown(
        self, monitor: AWSMonitor, client: Any, unique: str, clock: Clock
    ) -> None:
        name = "ApproximateAgeOfOldestMessage"
        measure(client, name, 70.0, 900, QueueName=f"{unique}-jobs")
        assert monitor.figures(3600).oldest_s == {}
        clock.now_s += 60
        measure(client, name, 90.0, 300, QueueName=f"{unique}-jobs")
        measure(client, name, 80.0, 120, QueueName=f"{unique}-jobs")
        assert monitor.figures(3600).oldest_s == {"standard": 80.0}

    def test_a_denial_is_not_remembered(self, monitor: AWSMonitor, faults: Faults) -> None:
        faults.script.append(DENIED)
        with pytest.raises(Misconfigured) as denied:
            monitor.figures(900)
        assert denied.value.code is Code.ACCESS_DENIED
        assert monitor.figures(900) == Figures()


def test_the_stack_is_named_by_its_table(
    at_moto: str, client: Any, queue_urls: tuple[str, str, str], unique: str
) -> None:
    jobs, dead, _ = queue_urls
    monitor = wiring.monitor(Settings("i", "r", f"{unique}-jobs", standard(jobs), dead))
    make_alarm(client, unique, "mine", State.ALARM, AlarmActions=[topic(unique, "alarms")])
    assert [alarm.name for alarm in monitor.alarms()] == ["mine"]
    assert [monitor.depth(queue) is None for queue in ("standard", "large", DEAD)] == [
        False,
        True,
        False,
    ]
