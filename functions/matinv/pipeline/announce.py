"""Announce: tell subscribers of records that were written, beside the work and never in its way.

The record is the truth and the event a courtesy: a worker that dies in between tells nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass, field
from typing import Final

from matinv.jobs.lanes import MARGIN_S
from matinv.jobs.record import Record
from matinv.pipeline.app import App, Deadline
from matinv.pipeline.attempt import result_or_error
from matinv.pipeline.outcome import Outcome, Unannounced, Verdict

# How long a topic that does not answer may keep an invocation whose work is done.
_PATIENCE_S: Final = 5.0

# Of these verdicts the record was written here; others only show what they found.
_OURS: Final = frozenset(
    {Verdict.DONE, Verdict.REFUSED, Verdict.EXPIRED, Verdict.RETRY, Verdict.STOPPED}
)


@dataclass(slots=True)
class Announcer:
    """Publishes records from a thread of its own, which starts with the first of them.

    Parameters
    ----------
    app : App
        Has the topic, if there is one.
    deadline : Deadline
        Of the invocation.
    """

    app: App
    deadline: Deadline
    _pool: Executor = field(init=False)
    _sent: dict[Future[list[bool] | Exception], Sequence[Record]] = field(
        init=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        self._pool = self.app.pool(1, "matinv-events")

    def announce(self, records: Sequence[Record]) -> None:
        """Let subscribers know of records that were just written; returns at once."""
        if self.app.events and records:
            self._sent[self._pool.submit(result_or_error, self.app.events.publish, records)] = (
                records
            )

    def close(self) -> Unannounced:
        """Wait for events on their way, a little and not into the deadline; return what is lost."""
        left_s = self.deadline.remaining_s() - MARGIN_S / 2
        done, _ = wait(self._sent, timeout=max(0.0, min(_PATIENCE_S, left_s)))
        self._pool.shutdown(wait=False, cancel_futures=True)
        lost: list[Record] = []
        bug: Exception | None = None
        for future, records in self._sent.items():
            match future.result() if future in done else None:
                case list() as taken:
                    lost += [r for r, ok in zip(records, taken, strict=True) if not ok]
                case answer:
                    lost += records
                    bug = answer or bug
        return Unannounced([record.job_id for record in lost], bug)


def news(outcomes: Sequence[Outcome]) -> list[Record]:
    """Return the terminal records that these outcomes wrote."""
    records = [outcome.record for outcome in outcomes if outcome.verdict in _OURS]
    return [record for record in records if record and record.status.terminal]
