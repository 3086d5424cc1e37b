"""SQS's standard queue with fair queues, by the rule that AWS publishes, in simulated time.

"Amazon SQS fair queues" (developer guide): a group is a noisy neighbour while its share of the
messages in flight is disproportionately large, and its messages wait while those of others can be
received. A message without a group is a group of its own. AWS gives no number for the share; here
a group is noisy with more than a tenth of the workers, and more than its equal part of them.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

_NOISY_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message: when it is sent, for how long it is worked on, and its group, if it has one."""

    at_s: float
    work_s: float
    group: str = ""
    team: str = ""


def waits(arrivals: Iterable[Arrival], workers: int) -> Iterator[tuple[Arrival, float]]:
    """Yield the messages as workers receive them, each with how long it has waited."""
    coming = deque(sorted(arrivals, key=lambda one: one.at_s))
    # Messages without a group are in one list: none of them is ever noisy.
    queues: dict[str, deque[Arrival]] = {}
    in_flight: Counter[str] = Counter()
    ends: list[tuple[float, str]] = []
    now_s = 0.0

    def turn(group: str) -> tuple[bool, float]:
        """Return what the next group has least of: the oldest of those that are not noisy."""
        equal = workers / len(in_flight.keys() | queues.keys())
        noisy = group != "" and in_flight[group] > max(equal, _NOISY_SHARE * workers)
        return noisy, queues[group][0].at_s

    while coming or queues:
        while coming and coming[0].at_s <= now_s:
            one = coming.popleft()
            queues.setdefault(one.group, deque()).append(one)
        while ends and ends[0][0] <= now_s:
            in_flight[heapq.heappop(ends)[1]] -= 1
        if queues and len(ends) < workers:
            group = min(queues, key=turn)
            one = queues[group].popleft()
            if not queues[group]:
                del queues[group]
            in_flight[group] += 1
            heapq.heappush(ends, (now_s + one.work_s, group))
            yield one, now_s - one.at_s
            continue
        events = [ends[0][0]] if ends and (queues or not coming) else []
        events += [coming[0].at_s] if coming else []
        now_s = max(now_s, min(events))
