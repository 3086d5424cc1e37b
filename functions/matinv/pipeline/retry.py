"""When a message comes again: the redelivery delay."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from matinv.errors import Code, ErrorInfo
from matinv.jobs.request import Delivery
from matinv.pipeline.app import App
from matinv.pipeline.outcome import Verdict

# The first redelivery comes after 5 to 10 s, the fifth after 80 to 160 s; SQS allows 12 h.
_DELAY_S: Final = 10
_LONGEST_DELAY_S: Final = 900

# When a batch was stopped, somebody has to fix rights or settings, which takes hours, and no
# message is to be dead by then. It is dead when it would be received once more than allowed: with
# 5 receives after pauses of 900, 1,800, 3,600, 7,200 and 14,400 s, which is 7.75 h; with the 10 of
# the deployed queue, the last four of the longest, after 62.75 h. Jitter takes off at most half,
# and the queue keeps messages for 96 h. Each pause is 900 s longer than all before it together:
# once all is fixed, a job goes on after at most the time that it had waited before and 15
# minutes, with jitter twice that.
_STOPPED_DELAY_S: Final = 900
# SQS hides a message for at most 12 h since it was received, 15 min of which Lambda may have taken.
_LONGEST_STOPPED_DELAY_S: Final = 43_200 - 900

# A message that waits so is in flight, and at 120,000 of these SQS hands out none ("Amazon SQS
# message quotas"), not even one that came after all is fixed. From half of that on each comes back
# within the hour. Ten receives take 8.75 h then, with jitter half; but as long as the queue is
# full, each message also waits for its turn.
_CROWDED: Final = 60_000
_CROWDED_DELAY_S: Final = 3600

# A table that throttles needs less load, and a table on demand half an hour to grow to twice its
# peak ("On-demand capacity mode", DynamoDB Developer Guide): each pause is four times the one
# before, so that the first is short and the ten receives of the deployed queue last 19 to 38 h.
_THROTTLED_GROWTH: Final = 4


def longest_stopped_s(app: App, verdicts: Collection[Verdict]) -> int:
    """Return how long messages may wait of a batch that was stopped; asked for once for all."""
    if Verdict.STOPPED in verdicts and app.queue.in_flight() >= _CROWDED:
        return _CROWDED_DELAY_S
    return _LONGEST_STOPPED_DELAY_S


def delay_s(
    app: App, error: ErrorInfo, verdict: Verdict, delivery: Delivery, stopped_at_most_s: int
) -> int:
    """Return the redelivery delay: doubling, with half of it jitter; none for want of time."""
    if error.code is Code.DEADLINE:
        return 0
    first_s, longest_s, growth = _DELAY_S, _LONGEST_DELAY_S, 2
    if verdict is Verdict.STOPPED:
        first_s, longest_s = _STOPPED_DELAY_S, stopped_at_most_s
    elif error.code is Code.THROTTLED:
        longest_s, growth = _LONGEST_STOPPED_DELAY_S, _THROTTLED_GROWTH
    ceiling = min(longest_s, first_s * growth ** min(delivery.receive_count - 1, 10))
    return int(ceiling * (1 + app.jitter()) / 2)
