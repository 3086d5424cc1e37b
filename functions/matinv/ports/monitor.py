"""The `Monitor` port: what AWS itself knows of a stack, to be looked at and never written.

Apart from `matinv.ports`, so that no worker loads it. Like those it has two implementations that
pass one contract suite, `matinv.backends.aws.cloudwatch` and `matinv.backends.memory`, and raises
only `Transient`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

DEAD: Final = "dead"
"""The queue where failures go; the others are called by their lanes' names."""


class State(StrEnum):
    """The state of an alarm."""

    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


@dataclass(frozen=True, slots=True)
class Depth:
    """How many messages a queue holds, approximately, as SQS counts.

    Parameters
    ----------
    waiting : int
        To be received.
    working : int
        In flight: received, and neither deleted nor visible again. Messages that a worker handed
        back wait there for their next attempt.
    delayed : int
        Sent with a delay that is not over.
    """

    waiting: int = 0
    working: int = 0
    delayed: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.waiting + self.working + self.delayed


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm of the stack.

    Parameters
    ----------
    name : str
        Without the stack's name before it.
    state : State
        The alarm's state.
    since : str
        Since when, in the form of a record's times.
    why, do, runbook : str
        Its meaning, the remedy, and the page that has both at length; empty where nobody said.
    pages : bool
        Whether it wakes people: by itself, or as part of the composite alarm that does.
    """

    name: str
    state: State
    since: str
    why: str = ""
    do: str = ""
    runbook: str = ""
    pages: bool = False


def by_urgency(alarm: Alarm) -> tuple[bool, bool, str]:
    """Return the sort key of an alarm: those that fire, of these those that page, then by name."""
    fires = alarm.state is State.ALARM
    return not fires, not (fires and alarm.pages), alarm.name


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures that CloudWatch counts; it does so once a minute, and is some minutes behind.

    Parameters
    ----------
    oldest_s : mapping
        By queue, the age of its oldest message in seconds, where that is known. A message that was
        received three times or more is left out.
    acknowledged, duplicates : int or None
        Deliveries within the window that were done with, and those among them whose job had been
        done before. None if nothing was counted: nothing ran, or nothing counts.
    """

    oldest_s: Mapping[str, float] = field(default_factory=dict)
    acknowledged: int | None = None
    duplicates: int | None = None


class Monitor(Protocol):
    """A read-only view of a stack's queues, alarms and metrics."""

    def depth(self, queue: str) -> Depth | None:
        """Return how much is in a queue, None if the stack has no such queue."""
        ...

    def alarms(self) -> Sequence[Alarm]:
        """Return the stack's alarms: those that fire first, then by name."""
        ...

    def figures(self, window_s: float) -> Figures:
        """Return the count of the last seconds, at least 60 of them."""
        ...


@dataclass(frozen=True, slots=True)
class Deployed:
    """How a part of a stack is deployed.

    Parameters
    ----------
    found : str
        The setting that is on, or the fault.
    wrong : bool
        Whether somebody should do something about it.
    """

    found: str
    wrong: bool = False


class Deployment(Protocol):
    """How a stack is deployed, its switches included, as far as reading tells."""

    def checks(self) -> Mapping[str, Callable[[], Deployed]]:
        """Return one check for each part; each may raise `Transient`."""
        ...
