"""CloudWatch's alarms by its documents: M of N, missing data, metric math, points that come late.

Source: CloudWatch User Guide, "Using Amazon CloudWatch alarms": "Evaluating an alarm" (evaluation
range), "Configuring how CloudWatch alarms treat missing data" and its tables; "Using metric math"
(FILL; a missing point is 0 in arithmetic; a division by 0 has no point).

How far an alarm looks back beyond its N periods is not documented but by example, five periods
where N is three. The least that is certain is N: with `extra_periods` 0 an alarm sees the least.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import Any, Final

Dimensions = frozenset[tuple[str, str]]
Key = tuple[str, str, Dimensions]


class State(StrEnum):
    """The states of an alarm."""

    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


@dataclass(frozen=True, slots=True)
class Sample:
    """A value as it was published: when it is of, and when it can be seen."""

    key: Key
    at_s: float
    value: float
    seen_s: float


def key_of(namespace: str, name: str, dimensions: Mapping[str, str] | None) -> Key:
    """Return what tells a metric from all others."""
    return namespace, name, frozenset((dimensions or {}).items())


class Samples:
    """All that was published, by metric and minute."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._minutes: dict[Key, dict[int, list[Sample]]] = defaultdict(lambda: defaultdict(list))
        for sample in samples:
            self._minutes[sample.key][int(sample.at_s // 60)].append(sample)

    def point(self, key: Key, stat: str, begin_s: int, period_s: int, now_s: float) -> float | None:
        """Return a statistic of a period, of what can be seen by now."""
        minutes = self._minutes.get(key, {})
        values = [
            sample.value
            for minute in range(begin_s // 60, (begin_s + period_s) // 60)
            for sample in minutes.get(minute, ())
            if sample.seen_s <= now_s
        ]
        if not values:
            return None
        if stat == "Sum":
            return sum(values)
        if stat == "Maximum":
            return max(values)
        assert stat.startswith("p")
        rank = ceil(float(stat[1:]) / 100 * len(values))
        return sorted(values)[max(rank, 1) - 1]


_COMPARES: Final = {
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
}
_FUNCTIONS: Final[Mapping[str, Any]] = {
    "ABS": abs,
    "FILL": lambda filled, _zero: filled,
    "IF": lambda condition, then, other: then if condition else other,
    "SUM": sum,
}


def _or(value: float | None, other: float) -> float:
    return other if value is None else value


@dataclass(frozen=True)
class Alarm:
    """A metric alarm, of the values that Terraform gives it."""

    values: Mapping[str, Any]
    extra_periods: int = 0

    @property
    def period_s(self) -> int:
        """Length of a period."""
        queries = self.values["metric_query"] or []
        periods = {q["metric"][0]["period"] for q in queries if q["metric"]}
        return int(self.values["period"] or periods.pop())

    def watched(self) -> list[Key]:
        """Return the metrics that it watches."""
        return [key for _, key, _ in self._metrics()]

    def _metrics(self) -> list[tuple[str, Key, str]]:
        v = self.values
        if v["metric_name"]:
            stat = v["statistic"] or v["extended_statistic"]
            return [("m", key_of(v["namespace"], v["metric_name"], v["dimensions"]), stat)]
        metrics = [(q["id"], q["metric"][0]) for q in v["metric_query"] if q["metric"]]
        return [
            (i, key_of(m["namespace"], m["metric_name"], m["dimensions"]), m["stat"])
            for i, m in metrics
        ]

    def _points(
        self, samples: Samples, begins_s: Sequence[int], now_s: float
    ) -> list[float | None]:
        """Return the point of each period, None where there is none."""
        metrics = self._metrics()
        series = {
            name: [samples.point(key, stat, b, self.period_s, now_s) for b in begins_s]
            for name, key, stat in metrics
        }
        text = next(
            (q["expression"] for q in self.values["metric_query"] or [] if q["expression"]), None
        )
        if text is None:
            ((_, points),) = series.items()
            return points
        # FILL fills what is missing where there is something in the range at all; all of ours fill
        # with 0, which is what a missing point is in arithmetic.
        filled = "FILL(" in text and any(x is not None for xs in series.values() for x in xs)
        code = re.sub(r"\bAND\b", "and", re.sub(r"\bOR\b", "or", text))
        code = re.sub(r"RUNNING_SUM\(FILL\((\w+), 0\)\)", r"\1_so_far", code)
        found: list[float | None] = []
        for position in range(len(begins_s)):
            here = {name: xs[position] for name, xs in series.items()}
            if not filled and all(x is None for x in here.values()):
                found.append(None)
                continue
            names = {name: _or(x, 0.0) for name, x in here.items()}
            so_far = {
                f"{name}_so_far": sum(_or(x, 0.0) for x in xs[position:])  # the newest is first
                for name, xs in series.items()
            }
            scope = {
                **_FUNCTIONS,
                **names,
                **so_far,
                "METRICS": lambda names=names: list(names.values()),
            }
            try:
                found.append(float(eval(code, {"__builtins__": {}}, scope)))
            except ZeroDivisionError:
                found.append(None)
        return found

    def state(self, samples: Samples, now_s: float, before: State) -> State:
        """Return the state that an evaluation at a time gives the alarm."""
        n, m = self.values["evaluation_periods"], self.values["datapoints_to_alarm"]
        last_s = int(now_s // self.period_s) * self.period_s - self.period_s  # complete by now
        wanted = n + self.extra_periods
        begins_s = [last_s - self.period_s * back for back in range(wanted)]  # the newest first
        points = [p for p in self._points(samples, begins_s, now_s) if p is not None]
        breaches = _COMPARES[self.values["comparison_operator"]]
        breaching = [breaches(point, self.values["threshold"]) for point in points[:n]]
        missing, treated = n - len(breaching), self.values["treat_missing_data"]
        if not points:
            return {
                "notBreaching": State.OK,
                "breaching": State.ALARM,
                "ignore": before,
                "missing": State.INSUFFICIENT_DATA,
            }[treated]
        if treated == "breaching":
            breaching += [True] * missing
        if sum(breaching) >= m:
            return State.ALARM
        if treated in {"ignore", "missing"} and all(breaching):
            return before if treated == "ignore" else State.ALARM
        return State.OK


def rings_s(
    alarm: Alarm, samples: Samples, begin_s: int, end_s: int, phase_s: int = 30
) -> float | None:
    """Return when an alarm goes off that is evaluated once a minute, or None if it never does."""
    state = State.OK
    for now_s in range(begin_s + phase_s, end_s, 60):
        state = alarm.state(samples, now_s, state)
        if state is State.ALARM:
            return float(now_s)
    return None
