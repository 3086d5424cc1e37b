"""Each alarm goes off when it should, as soon as the runbook says; on a quiet day none does.

The metrics come as late as their services publish them: Lambda's own at the end of an invocation
with the time of its start (Lambda guide, "Types of metrics"), those of an inactive queue up to 15
minutes late (SQS guide, "Monitoring Amazon SQS queues using CloudWatch"), logged ones two minutes.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest
from terraform_cli import INFRA, State
from test_alarms import EXPECTED, alarms_of, composite_of

from support.cloudwatch import Alarm, Key, Sample, Samples, key_of, rings_s
from support.cloudwatch import State as AlarmState

BEGIN_S: Final = 1_795_000_000 // 900 * 900
RUNBOOK: Final = (INFRA / "RUNBOOK.md").read_text()
ROW: Final = re.compile(
    r"^\| ([a-z-]+(?:-\*)?) \| (\d+) of (\d+) \| (yes|no) \| (\d+) min \|", re.M
)

LOGGED_S: Final = 120  # until a metric that a function logs can be seen
PUBLISHED_S: Final = 90  # and one that a service publishes
INACTIVE_S: Final = 900  # and the first one of a queue that was inactive
TIMEOUTS_S: Final = {"standard": 120, "large": 900, "api": 60}


@dataclass(frozen=True)
class Promise:
    """What the runbook says of an alarm."""

    of: tuple[int, int]
    pages: bool
    within_s: int


def promises() -> dict[str, Promise]:
    """Read the runbook's table; `errors-*` speaks of each lane's and function's."""
    found = {}
    for name, m, n, pages, minutes in ROW.findall(RUNBOOK):
        found[name] = Promise((int(m), int(n)), pages == "yes", 60 * int(minutes))
    return found


def promise_of(key: str) -> Promise:
    found = promises()
    name = re.sub("-(standard|large|api)$", "-*", key)
    return found.get(key) or found[name]


@dataclass(frozen=True)
class Cause:
    """Values by metric, once a minute for so long, and how late they can be seen."""

    values: Mapping[str, float]
    late_s: float = LOGGED_S
    minutes: int = 1
    first_s: float = 0.0  # how late the first one is


def cause_of(key: str) -> Cause:
    """Return the least that must set an alarm off."""
    role = key.rpartition("-")[2]
    late_s = TIMEOUTS_S.get(role, 0) + PUBLISHED_S
    visible, hidden = "ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible"
    age = "ApproximateAgeOfOldestMessage"
    causes = {
        "dead-letters": Cause({visible: 1, hidden: 0}, PUBLISHED_S, 60, INACTIVE_S),
        "died": Cause({"JobsFailed": 1}),
        "dead-letters-expire": Cause({age: 604_801}, PUBLISHED_S, 30),
        # One timeout is enough in the large lane, where they come hours apart.
        "errors-large": Cause({"Errors": 1, "Invocations": 1}, late_s),
        "errors": Cause({"Errors": 1, "Invocations": 10}, late_s, 2),
        "slow-large": Cause({"Duration": 899_000}, late_s),
        "slow": Cause({"Duration": 1000 * TIMEOUTS_S.get(role, 0)}, late_s, 2),
        "failed-jobs": Cause({"JobsFailed": 1, "JobsSucceeded": 10}, minutes=2),
        "throttles": Cause({"Throttles": 1}, PUBLISHED_S, 2),
        "saturated": Cause({"ConcurrentExecutions": 50}, PUBLISHED_S, 5),
        "backlog": Cause({age: 7201}, PUBLISHED_S, 3),
        "stuck": Cause({visible: 1, hidden: 0}, PUBLISHED_S, 10),
        "in-flight": Cause({hidden: 108_001}, PUBLISHED_S, 3),
        "poller": Cause({"FailedInvokeEventCount": 1}, PUBLISHED_S, 2),
        "retried": Cause({"ReceivedAgain": 1}, minutes=2),
        "memory": Cause({"MemoryUsed": 101}),
        "misconfigured": Cause({"Misconfigured": 1}),
        "residual": Cause({"RESIDUAL": 1}),
        "duplicates": Cause({"Duplicates": 3, "JobsSucceeded": 10}, minutes=3),
        "loss": Cause(
            {"Acknowledged": 10, "TerminalRecords": 8, "Duplicates": 1, "Stale": 0, "Forwarded": 0}
        ),
        "table": Cause({"WriteThrottleEvents": 1}, PUBLISHED_S, 3),
        "account": Cause({"ClaimedAccountConcurrency": 801}, PUBLISHED_S, 5),
        "events-lost": Cause({"EventsLost": 1}, minutes=3),
        "events-undelivered": Cause({"NumberOfNotificationsFailed": 1}, PUBLISHED_S, 3),
        "unheard": Cause({"NumberOfNotificationsFailed": 1}, PUBLISHED_S),
        "undelivered": Cause({"DestinationDeliveryFailures": 1}, PUBLISHED_S),
        "failed-calls": Cause({"AsyncEventsDropped": 1}, PUBLISHED_S),
    }
    return causes.get(key) or causes[re.sub("-(standard|large|api)$", "", key)]


def samples_of(alarm: Alarm, cause: Cause, offset_s: float) -> Iterator[Sample]:
    """Yield what a cause publishes that begins so many seconds after a full minute."""
    watched: dict[str, Key] = {key[1]: key for key in alarm.watched()}
    assert cause.values.keys() <= watched.keys()
    for minute in range(cause.minutes):
        at_s = BEGIN_S + 60 * minute + offset_s
        seen_s = max(at_s + cause.late_s, BEGIN_S + cause.first_s)
        for name, value in cause.values.items():
            yield Sample(watched[name], at_s, value, seen_s)


@pytest.mark.parametrize("extra_periods", [0, 2], ids=["looks at N", "looks further"])
@pytest.mark.parametrize("offset_s", [0, 59], ids=["early", "late in the minute"])
@pytest.mark.parametrize("key", sorted(EXPECTED.keys() - {"canary"}))
def test_alarm_goes_off_as_soon_as_the_runbook_says(
    stack: State, key: str, offset_s: float, extra_periods: int
) -> None:
    alarm = Alarm(alarms_of(stack)[key], extra_periods)
    cause = cause_of(key)
    # It begins after its cause, and the promise counts from the moment at which it is complete.
    complete_s = BEGIN_S + 60 * (cause.minutes if cause.minutes < 30 else 1)
    rang_s = rings_s(
        alarm, Samples(samples_of(alarm, cause, offset_s)), BEGIN_S - 600, BEGIN_S + 7200
    )
    assert rang_s, "it never goes off"
    assert rang_s - complete_s <= promise_of(key).within_s


@pytest.mark.parametrize("key", sorted(EXPECTED))
def test_the_runbook_says_what_terraform_makes(stack: State, key: str) -> None:
    alarm = alarms_of(stack)[key]
    said = promise_of(key)
    if not key.startswith(("errors-", "slow-")):  # by the lane's timeout: see below
        assert said.of == (alarm["datapoints_to_alarm"], alarm["evaluation_periods"])
    paging = f'ALARM("{alarm["alarm_name"]}")' in composite_of(stack)["alarm_rule"].split(" OR ")
    assert said.pages == paging


def test_the_runbook_speaks_of_no_alarm_that_is_not_there() -> None:
    names = {re.sub("-(standard|large|api)$", "-*", key) for key in EXPECTED} | set(EXPECTED)
    assert promises().keys() <= names


def beats(alarm: Alarm, begin_s: int, end_s: int) -> list[Sample]:
    """Return the canary's beats, every five minutes."""
    (key,) = alarm.watched()
    return [Sample(key, at_s, 1, at_s + LOGGED_S) for at_s in range(begin_s, end_s, 300)]


def test_canary_pages_after_its_last_beat_and_goes_on_until_it_beats_again(stack: State) -> None:
    alarm = Alarm(alarms_of(stack)["canary"])
    dies_s, again_s = BEGIN_S + 3600 + 420, BEGIN_S + 6 * 3600
    published = Samples(
        [*beats(alarm, BEGIN_S, dies_s), *beats(alarm, again_s, BEGIN_S + 8 * 3600)]
    )
    state, states = AlarmState.OK, {}
    for now_s in range(BEGIN_S + 3600, BEGIN_S + 8 * 3600, 60):
        state = alarm.state(published, now_s, state)
        states[now_s] = state
    ringing = [now_s for now_s, state in states.items() if state is AlarmState.ALARM]
    assert dies_s < ringing[0] <= dies_s + promise_of("canary").within_s
    assert {states[now_s] for now_s in range(ringing[0], again_s, 60)} == {AlarmState.ALARM}
    assert states[again_s + 2700] is AlarmState.OK


def test_a_first_deploy_does_not_page(stack: State) -> None:
    """The first beat comes five minutes after the alarms: until then there is nothing to see."""
    first_s = BEGIN_S + 300
    paging = [a for key, a in alarms_of(stack).items() if EXPECTED[key].pages]
    canary = Alarm(alarms_of(stack)["canary"])
    published = Samples(beats(canary, first_s, BEGIN_S + 7200))
    for values in paging:
        alarm = Alarm(values)
        state = AlarmState.INSUFFICIENT_DATA
        for now_s in range(BEGIN_S, BEGIN_S + 7200, 60):
            state = alarm.state(published, now_s, state)
            assert state is not AlarmState.ALARM, values["alarm_name"]
        if values["alarm_name"].endswith("-canary"):
            assert state is AlarmState.OK


def quiet_minute(lots: random.Random, minute: int) -> dict[str, float]:
    """Return what a stack publishes that works, some of whose matrices are singular."""
    good, bad = float(lots.randrange(10)), float(lots.random() < 0.01)
    again = float(good > 5 and lots.random() < 0.1)
    beat = {"Heartbeat": 1.0} if minute % 5 == 0 else {}
    return beat | {
        "JobsSucceeded": good,
        "JobsRefused": bad,
        "Duplicates": again,
        "TerminalRecords": good + bad,
        "Acknowledged": good + bad + again,
        "MemoryUsed": 60 + 39 * lots.random(),
        "ApproximateNumberOfMessagesVisible": float(lots.randrange(5)),
        "ApproximateNumberOfMessagesNotVisible": float(lots.randrange(1, 5)),
        "ApproximateAgeOfOldestMessage": 60 * lots.random(),
        "Invocations": 1 + good,
        "Duration": 20_000 * lots.random(),
        "ConcurrentExecutions": 1.0,
        "ClaimedAccountConcurrency": 50 + good,
        **dict.fromkeys(("Stale", "Forwarded", "ReceivedAgain", "Errors", "Throttles"), 0.0),
        **dict.fromkeys(("FailedInvokeEventCount", "DroppedEventCount"), 0.0),
    }


def quiet_day(alarms: Mapping[str, Any]) -> Iterator[Sample]:
    """Yield a day of such minutes, without dead letters: each is one alarm, by design."""
    lots = random.Random(1)
    watched = sorted(
        {key for values in alarms.values() for key in Alarm(values).watched()}, key=str
    )
    for minute in range(1440):
        at_s = BEGIN_S + 60 * minute
        values = quiet_minute(lots, minute)
        for key in watched:
            namespace, name, dimensions = key
            if name not in values or ("QueueName", "matinv-dead") in dimensions:
                continue
            late_s = 59 + LOGGED_S if namespace == "matinv" else PUBLISHED_S
            offset_s = 30 if namespace == "matinv" else 0  # of one document: of one minute
            yield Sample(key, at_s + offset_s, values[name], at_s + late_s)


@pytest.mark.parametrize("extra_periods", [0, 2])
def test_a_quiet_day_sets_no_alarm_off(stack: State, extra_periods: int) -> None:
    alarms = alarms_of(stack)
    published = Samples(quiet_day(alarms))
    rang = {
        key: rings_s(Alarm(values, extra_periods), published, BEGIN_S + 3600, BEGIN_S + 86_400)
        for key, values in alarms.items()
    }
    assert {key: at_s for key, at_s in rang.items() if at_s} == {}


# CloudWatch guide, "Configuring how CloudWatch alarms treat missing data": both of its tables, of
# five points where N is three. M, the points, and the state for each treatment.
TABLES: Final = """
3 0-X-X OK     OK    OK    OK
3 0---- OK     OK    OK    OK
3 ----- INSUFFICIENT_DATA before ALARM OK
3 0XX-X ALARM  ALARM ALARM ALARM
3 --X-- ALARM  before ALARM OK
2 0-X-X ALARM  ALARM ALARM ALARM
2 00X0X ALARM  ALARM ALARM ALARM
2 0-X-- OK     OK    ALARM OK
2 ----0 OK     OK    ALARM OK
2 ---X- ALARM  before ALARM OK
"""


@pytest.mark.parametrize("row", TABLES.split("\n")[1:-1])
def test_the_evaluator_follows_the_tables_of_the_guide(row: str) -> None:
    m, text, *expected = row.split()
    key, before = key_of("n", "m", {}), AlarmState.INSUFFICIENT_DATA
    published = Samples(
        Sample(key, BEGIN_S + 60 * i, float(c == "X"), 0.0) for i, c in enumerate(text) if c != "-"
    )
    plain = {"metric_name": "m", "namespace": "n", "dimensions": {}, "statistic": "Sum"}
    plain |= {"extended_statistic": None, "metric_query": [], "period": 60, "threshold": 0}
    plain |= {"evaluation_periods": 3, "comparison_operator": "GreaterThanThreshold"}
    for treated, state in zip(
        ("missing", "ignore", "breaching", "notBreaching"), expected, strict=True
    ):
        values = plain | {"datapoints_to_alarm": int(m), "treat_missing_data": treated}
        found = Alarm(values, extra_periods=2).state(published, BEGIN_S + 300, before)
        assert found is (before if state == "before" else AlarmState(state)), treated
