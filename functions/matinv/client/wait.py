"""Waiting for jobs by polling: few calls, growing pauses, jitter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from matinv.client.errors import NotFound, TimedOut
from matinv.jobs.record import Record, Status
from matinv.ports.runs import RunIndex

# A small job ends within about 0.2 s, so the first polls are quick; an hour of waiting for one
# job then costs about 720 reads of 0.5 units, less than a ten-thousandth of a dollar.
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_GROWTH: Final = 1.5

# Between two rounds of a run, at least. Its index follows the records within this, as a rule:
# DynamoDB copies a change within a fraction of a second (Developer Guide, "Using Global Secondary
# Indexes").
_SETTLED_S: Final = 0.5

# A message from another producer has no record until a worker took it. An id that nothing is
# known of for this long is taken for a typing error.
GRACE_S: Final = 30.0

OnChange = Callable[[Record], None]


class Mode(StrEnum):
    """When waiting for several jobs is over."""

    ALL = "all"
    ANY = "any"


@dataclass(slots=True)
class Watch:
    """Jobs that are waited for, round by round.

    Parameters
    ----------
    job_ids : tuple of str
        Distinct ids.
    mode : Mode
        Whether all have to end, or any.
    timeout_s : float or None
        How long to wait at most; None for as long as it takes.
    on_change : callable or None
        Called with a record whenever a job was first seen or its status changed.
    """

    job_ids: tuple[str, ...]
    mode: Mode
    timeout_s: float | None
    on_change: OnChange | None = None
    records: dict[str, Record] = field(default_factory=dict)

    def pending(self) -> tuple[str, ...]:
        """Return the jobs that have not ended, in the order asked for."""
        return tuple(
            job_id
            for job_id in self.job_ids
            if job_id not in self.records or not self.records[job_id].status.terminal
        )

    def update(self, found: Mapping[str, Record]) -> None:
        """Note the records of a round."""
        for job_id, record in found.items():
            before = self.records.get(job_id)
            self.records[job_id] = record
            if self.on_change and (before is None or before.status is not record.status):
                self.on_change(record)

    def over(self) -> bool:
        """Whether the wait is over."""
        pending = len(self.pending())
        return not pending or (self.mode is Mode.ANY and pending < len(self.job_ids))

    def give_up(self, waited_s: float) -> None:
        """Raise if waiting longer makes no sense.

        Raises
        ------
        NotFound
            If nothing is known of any pending job, and that for a while, or to the end.
        TimedOut
            If the time is over.
        """
        pending = self.pending()
        late = self.timeout_s is not None and waited_s >= self.timeout_s
        if not self.records.keys() & set(pending) and (late or waited_s >= GRACE_S):
            raise NotFound(pending, self.records)
        if late:
            raise TimedOut(pending, self.records, self.timeout_s or 0.0)


def watch(
    watched: Watch,
    poll: Callable[[tuple[str, ...]], Mapping[str, Record]],
    now: Callable[[], float],
    sleep: Callable[[float], None],
    jitter: Callable[[], float],
) -> dict[str, Record]:
    """Poll until the watch is over and return the records of all jobs that are known.

    Parameters
    ----------
    watched : Watch
        The jobs to wait for.
    poll : callable
        Returns the records of some jobs, those that exist, in as few calls as can be.
    now, sleep, jitter : callable
        The clock in seconds, a pause of so many seconds, a random number in [0, 1).

    Raises
    ------
    NotFound, TimedOut
        See `Watch.give_up`.
    """
    for _ in rounds(watched, poll, now, sleep, jitter):
        if watched.over():
            break
    return watched.records


def rounds(
    watched: Watch,
    poll: Callable[[tuple[str, ...]], Mapping[str, Record]],
    now: Callable[[], float],
    sleep: Callable[[float], None],
    jitter: Callable[[], float],
) -> Iterator[None]:
    """Poll the jobs that have not ended, round by round, until all have; parameters as `watch`."""
    start_s = now()
    pause_s = _FIRST_PAUSE_S
    while True:
        watched.update(poll(watched.pending()))
        yield
        if not watched.pending():
            return
        waited_s = now() - start_s
        watched.give_up(waited_s)
        left_s = float("inf") if watched.timeout_s is None else watched.timeout_s - waited_s
        sleep(min(pause_s * (0.5 + jitter()), left_s))
        pause_s = min(pause_s * _GROWTH, _LONGEST_PAUSE_S)


def watch_run(  # noqa: PLR0913 - three are the clock
    index: RunIndex,
    run: str,
    timeout_s: float | None,
    *,
    now: Callable[[], float],
    sleep: Callable[[float], None],
    jitter: Callable[[], float],
    progress: Callable[[int], None] | None = None,
) -> bool:
    """Poll until each job of a run has ended; return whether all did within the time.

    A round asks the run's index for one job that has not ended, whatever the number of its jobs;
    with `progress` it counts them. Pauses are a fifth of the time that was waited, 5 s at most: the
    end is seen that much late. The index may be a moment late, too: two rounds in a row must find
    none that is open. A run that has no job for `GRACE_S` is over as well.

    Parameters
    ----------
    index : RunIndex
        The runs.
    run : str
        The run's name.
    timeout_s : float or None
        How long to wait at most; None for as long as it takes.
    now, sleep, jitter : callable
        As for `watch`.
    progress : callable, optional
        Called with how many jobs have ended.
    """
    begin_s, longest_s, quiet = now(), _LONGEST_PAUSE_S, 0
    while True:
        if progress:
            summary = index.run_summary(run)
            progress(summary.ended)
            known, is_open = summary.total > 0, summary.still_open > 0
            longest_s = _LONGEST_PAUSE_S + summary.total / 10_000  # counting reads them all
        else:
            firsts = (next(index.run_entries(run, status, limit=1), None) for status in Status)
            first = next((entry for entry in firsts if entry), None)
            known, is_open = first is not None, bool(first and not first.status.terminal)
        waited_s = now() - begin_s
        quiet = 0 if is_open else quiet + 1
        if quiet > 1 and (known or waited_s >= GRACE_S):
            return True
        if timeout_s is not None and waited_s >= timeout_s:
            return False
        left_s = float("inf") if timeout_s is None else timeout_s - waited_s
        over = known and not is_open
        pause_s = _SETTLED_S if over else min(max(_SETTLED_S, waited_s / 5), longest_s)
        sleep(min(pause_s * (0.5 + jitter()), left_s))
