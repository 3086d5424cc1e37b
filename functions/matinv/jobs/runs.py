"""Runs: jobs under one name, to be shown, waited for, fetched and cancelled together.

A run is a label, like a tag, and no part of a job's question: the same matrix with the same
options under another run is a duplicate, and its record keeps the run that it has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final
from unicodedata import normalize

from matinv.errors import Code, Refused
from matinv.jobs.ids import is_plain_name
from matinv.jobs.record import Record, Status
from matinv.jobs.times import seconds_of

# With a shard's number a part of a DynamoDB key, and in each entry of the index.
RUN_BYTES: Final = 128

RUN_RULE: Final = (
    f"1 to {RUN_BYTES} bytes of printable text in Unicode's normal form C, without '..', '//' "
    "or a part '.', no '/' or blank at either end"
)

# How old the news of a run may be: a worker writes it once in that time, not with each job.
NOTED_S: Final = 900

RunPlace = tuple[Status, str, str]
"""Where a job stands in its run: its status, its ``updated_at`` and its id."""

# A job's way. Tables hold the numbers: new ones go to the end.
STATUSES: Final = tuple(Status)
_ORDER: Final = {status: number for number, status in enumerate(STATUSES)}


@dataclass(frozen=True, slots=True)
class RunEntry:
    """One job of a run, as the index shows it without its record.

    Parameters
    ----------
    job_id, status, created_at, updated_at
        As in its record.
    error_code : str or None
        Why it failed, if it did.
    warning : str or None
        The first warning of its result, if that has any.
    """

    job_id: str
    status: Status
    created_at: str
    updated_at: str
    error_code: str | None = None
    warning: str | None = None

    @property
    def place(self) -> RunPlace:
        """Its place in its run."""
        return self.status, self.updated_at, self.job_id


@dataclass(frozen=True, slots=True)
class RunSummary:
    """How a run goes.

    Parameters
    ----------
    run : str
        Its name.
    counts : mapping of Status to int
        Its jobs by status; those that there are none of are left out.
    failures : mapping of str to int
        Its failed jobs by error code.
    first, last : str
        When its first record was made, and when one changed last; empty without jobs.
    warnings : mapping of str to int
        Its results by warning.
    open_since : str
        When the oldest of its open jobs changed last; empty if none is open.
    ended_since : int
        Those that have ended since then.
    """

    run: str
    counts: Mapping[Status, int]
    failures: Mapping[str, int]
    first: str = ""
    last: str = ""
    warnings: Mapping[str, int] = field(default_factory=dict)
    open_since: str = ""
    ended_since: int = 0

    @property
    def total(self) -> int:
        """All its jobs."""
        return sum(self.counts.values())

    @property
    def ended(self) -> int:
        """Those that have ended."""
        return sum(count for status, count in self.counts.items() if status.terminal)

    @property
    def still_open(self) -> int:
        """Those that have not."""
        return self.total - self.ended

    def rate_per_s(self, now_s: float) -> float | None:
        """Return how many of its jobs end each second; None if none is open or moves.

        It counts since the oldest open job was sent: not since the first of all, which may have
        ended days ago, before others were sent again.
        """
        took_s = now_s - seconds_of(self.open_since) if self.open_since else 0.0
        return self.ended_since / took_s if self.ended_since and took_s > 0 else None


@dataclass(frozen=True, slots=True)
class RecentRun:
    """A run that jobs were done for, and when, to within `NOTED_S`."""

    run: str
    updated_at: str


def checked_run(given: str) -> str:
    """Return the name that somebody gives a run, in normal form C.

    Raises
    ------
    Refused
        BAD_MESSAGE.
    """
    run = normalize("NFC", given)
    if is_plain_name(run, RUN_BYTES):
        return run
    raise Refused(
        Code.BAD_MESSAGE,
        "this is not a valid name of a run",
        'choose another, or leave "run" out',
        observed=given,
        limit=RUN_RULE,
    )


def run_of(job_id: str, named: str = "") -> str:
    """Return the run of a job: the one that it names, else the first folder of its id.

    So a job belongs to the same run whether it comes as a message or as a dropped file. A folder
    whose name is no run's makes none, and neither does an id without a folder.

    Examples
    --------
    >>> run_of("fem/7/a"), run_of("fem/7/a", "fem/7"), run_of("a")
    ('fem', 'fem/7', '')
    """
    folder, slash, _ = job_id.partition("/")
    return named or (folder if slash and is_plain_name(folder, RUN_BYTES) else "")


def run_order(place: RunPlace) -> tuple[int, str, str]:
    """Return the sort key of an entry: a job's way through the statuses, then time, then id.

    A reader of a run in this order, while its jobs go on, may see one twice, but misses none that
    goes forward.
    """
    status, updated_at, job_id = place
    return _ORDER[status], updated_at, job_id


def entry_of(record: Record) -> RunEntry:
    """Return the entry of a job."""
    code = record.error.code if record.error else None
    warning = next(iter(record.warnings), None)
    times = record.created_at, record.updated_at
    return RunEntry(record.job_id, record.status, *times, code, warning)


def entry_document(entry: RunEntry) -> dict[str, str]:
    """Return an entry as the API writes it; what it does not have is left out."""
    return {name: str(value) for name, value in asdict(entry).items() if value is not None}


def summary_document(summary: RunSummary) -> dict[str, Any]:
    """Return a summary as the API and the command write it, with its sums."""
    counts = {str(status): count for status, count in summary.counts.items()}
    sums = {"total": summary.total, "ended": summary.ended}
    return asdict(summary) | {"counts": counts} | sums


def summary_of(run: str, entries: Iterable[RunEntry]) -> RunSummary:
    """Count the jobs of a run, whose entries come in their order (`run_order`)."""
    latest: dict[str, RunEntry] = {}
    for entry in entries:  # one that is seen twice has gone on meanwhile: its later state counts
        latest[entry.job_id] = entry
    counts, failures, warnings = Counter[Status](), Counter[str](), Counter[str]()
    for entry in latest.values():
        counts[entry.status] += 1
        if entry.status is Status.FAILED and entry.error_code:
            failures[str(entry.error_code)] += 1
        if entry.warning:
            warnings[entry.warning] += 1
    known = latest.values()
    open_since = min((one.updated_at for one in known if not one.status.terminal), default="")
    return RunSummary(
        run,
        {status: counts[status] for status in STATUSES if counts[status]},
        dict(failures),
        min((one.created_at for one in known), default=""),
        max((one.updated_at for one in known), default=""),
        dict(warnings),
        open_since,
        sum(one.status.terminal and one.updated_at >= open_since for one in known)
        if open_since
        else 0,
    )
