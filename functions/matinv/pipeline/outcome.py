"""How deliveries end: verdicts, outcomes, and the report of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from matinv.errors import Code, ErrorInfo, MatinvError, Misconfigured, Refused, Transient
from matinv.jobs.record import Record
from matinv.jobs.request import Delivery


class Verdict(StrEnum):
    """How a delivery ended."""

    DONE = "done"  # SUCCEEDED or PARTIAL, published
    REFUSED = "refused"  # a permanent error, its copy in the dead-letter queue
    EXPIRED = "expired"  # it had not begun in time: nobody waits for it any more
    RETRY = "retry"  # a transient error: not acknowledged
    STOPPED = "stopped"  # nor this one: no job could go on, whatever its own state
    DUPLICATE = "duplicate"  # ended before, nothing done
    STALE = "stale"  # a newer upload owns the job
    FORWARDED = "forwarded"  # sent on to the large queue

    @classmethod
    def of_transient(cls, error: BaseException) -> Verdict:
        """Return the verdict of an error that brings a message back."""
        return cls.STOPPED if isinstance(error, Misconfigured) else cls.RETRY

    @property
    def acknowledged(self) -> bool:
        """Whether the delivery is not needed any more."""
        return self not in {Verdict.RETRY, Verdict.STOPPED}


class NotOurs(Exception):
    """Not this worker's job after all; it is acknowledged without a result from here."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict)
        self.verdict = verdict


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a delivery: how, why, and its record.

    ``exception`` is set for a bug (INTERNAL): telemetry logs its traceback.
    """

    delivery: Delivery
    verdict: Verdict
    record: Record | None = None
    error: ErrorInfo | None = None
    exception: BaseException | None = None


def stop_of(outcomes: Sequence[Outcome]) -> Misconfigured | None:
    """Return why a batch was stopped, if it was: no job of it could go on."""
    found = next((o.error for o in outcomes if o.verdict is Verdict.STOPPED), None)
    return Misconfigured(Code.ACCESS_DENIED, found.message, found.hint) if found else None


@dataclass(frozen=True, slots=True)
class Unannounced:
    """The jobs whose events no topic has taken, and the exception behind it, if it was a bug."""

    job_ids: Sequence[str] = ()
    exception: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """How a batch ended: its deliveries, an outcome for each, and what subscribers missed.

    ``elsewhere`` has the messages that another process did and reported on: whether each may be
    acknowledged.
    """

    batch: Sequence[Delivery]
    outcomes: Sequence[Outcome]
    unannounced: Unannounced = Unannounced()
    elsewhere: Mapping[str, bool] = field(default_factory=dict)

    @classmethod
    def joined(cls, reports: Sequence[Report]) -> Report:
        """Merge several reports into one."""
        missed = [report.unannounced for report in reports]
        return cls(
            [delivery for report in reports for delivery in report.batch],
            [outcome for report in reports for outcome in report.outcomes],
            Unannounced(
                [job_id for lost in missed for job_id in lost.job_ids],
                next((lost.exception for lost in missed if lost.exception), None),
            ),
            {i: done for report in reports for i, done in report.elsewhere.items()},
        )

    def batch_item_failures(self) -> dict[str, list[dict[str, str]]]:
        """Return Lambda's partial batch response: the messages that must be delivered again.

        A message is acknowledged only if every delivery in it has an outcome that says so: what
        was forgotten comes back.
        """
        settled = {id(o.delivery) for o in self.outcomes if o.verdict.acknowledged}
        failed = dict.fromkeys(d.message_id for d in self.batch if id(d) not in settled)
        failed |= dict.fromkeys(i for i, done in self.elsewhere.items() if not done)
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def failure(error: BaseException) -> tuple[ErrorInfo, BaseException | None]:
    """Return the error to report for an exception, and the exception itself if it is a bug."""
    known = as_matinv_error(error)
    is_bug = known is not error and known.code is Code.INTERNAL
    return known.info, error if is_bug else None


def as_matinv_error(error: BaseException) -> MatinvError:
    """Return an exception as one of ours: a stranger says nothing but its type."""
    if isinstance(error, MatinvError):
        return error
    if isinstance(error, MemoryError):
        return Refused(
            Code.OUT_OF_MEMORY,
            "the worker ran out of memory on this job",
            "give the lane more memory, or split the stack, and send it again",
        )
    return Transient(
        Code.INTERNAL,
        f"unexpected {type(error).__name__}",
        "this is a bug in matinv: see the worker's log for the traceback",
    )
