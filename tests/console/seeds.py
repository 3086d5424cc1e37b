"""Records that nobody worked for."""

from __future__ import annotations

from matinv.errors import Code, ErrorInfo
from matinv.jobs.record import InputInfo, Record, Status
from matinv.jobs.times import timestamp
from matinv.linalg.certificate import Certificate, Checked, Side
from matinv.ports.monitor import Alarm, State

_GOOD = Certificate(1e-4, 0.1, Side.RIGHT, 11.9, "general", "getrf+getri", Checked.FULL, False)
_BAD = ErrorInfo(Code.SINGULAR, "the matrix is singular", 'try "method": "pinv"')


FIRING = Alarm(
    "dead-letters",
    State.ALARM,
    "2026-01-01T00:00:00.000Z",
    "a job needs a person",
    "read the reasons, then redrive",
    "infra/RUNBOOK.md#dead-letters",
    pages=True,
)
QUIET = Alarm("errors", State.OK, "2026-01-01T00:00:00.000Z", "the worker crashes")


def record(number: int, status: Status = Status.SUCCEEDED, revision: int = 1) -> Record:
    """Return a record; its number orders it in time."""
    time = timestamp(1_700_000_000 + number)
    n = 4 + number % 60
    return Record(
        f"job-{number:05}",
        status,
        InputInfo("message", f"sha256:{number}", None, 8 * n * n, (n, n), "float64"),
        time,
        time,
        2_000_000_000,
        revision=revision,
        error=_BAD if status is Status.FAILED else None,
        certificate=_GOOD if status is Status.SUCCEEDED else None,
        timings_ms={"queued_ms": 20.0, "invert_ms": 0.1 * n} if status.terminal else {},
        tags={"team": ("fem", "cfd", "ml")[number % 3]},
    )
