"""Logs and metrics of an invocation, written after the work: the service itself knows of neither.

One JSON line for each job that failed, one for each hundred that did not, one for all that were
handed back because the service's own table or bucket is denied; metrics in CloudWatch's
embedded metric format. Job ids and numbers about matrices appear, matrix values never do. Tracing
is Lambda's own: it needs no code.
"""

from __future__ import annotations

import functools
import json
import os
import resource
import sys
import time
import traceback
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, TypedDict

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from matinv.errors import USER_ERRORS
from matinv.jobs.lanes import IDLE_BYTES, STANDARD_MB
from matinv.jobs.record import Record, Status
from matinv.pipeline import Outcome, Report, Verdict

_IDS_PER_LINE: Final = 100
_TIMES: Final = {
    "queued_ms": "QueuedTime",
    "load_ms": "LoadTime",
    "invert_ms": "InvertTime",
    "publish_ms": "PublishTime",
}

# EMF takes so many values of a metric in one line.
_VALUES_PER_LINE: Final = 100

_IDLE_WORKER_MB: Final = 67  # what a worker holds before its first job (`matinv.jobs.lanes`)

# From the third receive on, CloudWatch leaves a message out of its age-of-oldest metric.
_RETRIED_FROM: Final = 3


class _Values(TypedDict):
    """A metric as Powertools keeps it until it is written."""

    Unit: str
    Value: Sequence[float]


class LambdaContext(Protocol):
    """The used part of Lambda's context object."""

    aws_request_id: str
    memory_limit_in_mb: int | str

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds that are left."""
        ...


@dataclass(slots=True)
class Context:
    """A `LambdaContext` for places where no Lambda gives one.

    Parameters
    ----------
    timeout_s : float
        Time that the invocation has, from now on.
    memory_limit_in_mb : int or str
        Memory of the machine.
    aws_request_id : str
        The id that all log lines of the invocation have in common.
    """

    timeout_s: float
    memory_limit_in_mb: int | str = STANDARD_MB
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    _began_s: float = field(default_factory=time.monotonic)

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds that are left, 0 at least."""
        return max(0, int(1000 * (self.timeout_s - (time.monotonic() - self._began_s))))


@functools.cache
def logger() -> Logger:
    """Return the process's logger; ``POWERTOOLS_LOG_LEVEL`` sets its level."""
    return Logger(service=metrics().service, use_rfc3339=True)


@functools.cache
def metrics() -> Metrics:
    """Return the process's metrics.

    Namespace and dimension ``service`` are ``matinv``, unless ``POWERTOOLS_METRICS_NAMESPACE`` and
    ``POWERTOOLS_SERVICE_NAME`` say otherwise: an argument would overrule them.
    """
    named = Metrics()
    return Metrics(service=named.service or "matinv", namespace=named.namespace or "matinv")


def publish(report: Report, context: LambdaContext) -> None:
    """Log and count the outcomes of a batch."""
    log = logger()
    log.append_keys(function_request_id=context.aws_request_id)
    stopped = [o for o in report.outcomes if o.verdict is Verdict.STOPPED]
    if stopped and (why := stopped[0].error):  # once: the jobs have nothing to do with it
        log.error(
            why.message,
            hint=why.hint,
            error_code=why.code,
            handed_back=len(stopped),
            job_ids=[o.delivery.job_id for o in stopped[:_IDS_PER_LINE]],
        )
    for outcome in report.outcomes:
        if outcome.error and outcome.verdict is not Verdict.STOPPED:
            write = log.error if outcome.exception else log.warning
            write(
                outcome.error.message,
                job_id=outcome.delivery.job_id,
                message_id=outcome.delivery.message_id,
                receive_count=outcome.delivery.receive_count,
                error_code=outcome.error.code,
                verdict=outcome.verdict,
                **_bug(outcome.exception),
            )
    done = [o.delivery.job_id for o in report.outcomes if not o.error]
    for begin in range(0, len(done), _IDS_PER_LINE):
        log.info("jobs done", job_ids=done[begin : begin + _IDS_PER_LINE])
    missed = report.unannounced
    if missed.job_ids:
        log.warning(
            "the events of these jobs were not published: see the topic, and the worker's role",
            job_ids=missed.job_ids[:_IDS_PER_LINE],
            **_bug(missed.exception),
        )
    _count(metrics(), report, int(context.memory_limit_in_mb))
    metrics().flush_metrics()


def beat(seconds: Mapping[str, float], context: LambdaContext) -> None:
    """Log and count that the canary was right; `seconds` tells how long each of its jobs took."""
    log = logger()
    log.append_keys(function_request_id=context.aws_request_id)
    log.info("heartbeat", job_ids=list(seconds))
    metrics().add_metric("Heartbeat", MetricUnit.Count, 1)
    for job_s in seconds.values():
        metrics().add_metric("CanaryTime", MetricUnit.Milliseconds, round(1000 * job_s, 3))
    metrics().flush_metrics()


def requested(
    facts: Mapping[str, Any], exception: BaseException | None, context: LambdaContext
) -> None:
    """Log a request of the HTTP API, and where the bug was that it met, if it met one."""
    log = logger()
    log.append_keys(function_request_id=context.aws_request_id)
    write = log.error if exception else log.info
    write("request", **facts, **_bug(exception))


def _bug(error: BaseException | None) -> dict[str, Any]:
    """Return the fields that say where an exception, and those behind it, came from.

    Their texts are left out: ``could not convert string to float: '73.125'`` quotes a matrix.
    """
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.insert(0, error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    frames = ["".join(traceback.format_tb(e.__traceback__)) + type(e).__name__ for e in chain]
    if not frames:
        return {}
    return {"exception": "\n".join(frames), "exception_name": type(chain[-1]).__name__}


def _count(sink: Metrics, report: Report, memory_limit_mb: int) -> None:
    counts = Counter(
        BatchSize=len({d.message_id for d in report.batch}),
        ReceivedAgain=sum(d.receive_count >= _RETRIED_FROM for d in report.batch),
    )
    if report.unannounced.job_ids:
        counts["EventsLost"] = len(report.unannounced.job_ids)
    if any(outcome.verdict is Verdict.STOPPED for outcome in report.outcomes):
        counts["Misconfigured"] = 1
    done = []
    for outcome in report.outcomes:
        counts.update(_names(outcome))
        if outcome.verdict is Verdict.DONE and outcome.record:
            done.append(outcome.record)
    for begin in range(0, len(done), _VALUES_PER_LINE):
        # Not by `add_metric`: it takes 8 us for each value, and there are 4 of a job.
        values = _measured(done[begin : begin + _VALUES_PER_LINE])
        line = json.dumps(sink.serialize_metric_set(metrics=dict(values)), separators=(",", ":"))
        print(line)  # noqa: T201 - CloudWatch reads metrics from there
    for name, count in counts.items():
        sink.add_metric(name, MetricUnit.Count, count)
    admitted_mb = memory_limit_mb - (IDLE_BYTES >> 20) + _IDLE_WORKER_MB
    sink.add_metric("MemoryUsed", MetricUnit.Percent, 100 * used_memory_mb() / admitted_mb)


def _names(outcome: Outcome) -> Iterator[str]:
    """Yield the counters of a delivery; the code of its error is one of them.

    Of the acknowledged, every one is accounted for: ``Acknowledged = TerminalRecords + Duplicates
    + Stale + Forwarded``, or something was lost.
    """
    yield _COUNTERS[outcome.verdict]
    status = outcome.record.status if outcome.record else None
    if outcome.verdict.acknowledged:
        yield "Acknowledged"
    if outcome.verdict in {Verdict.REFUSED, Verdict.EXPIRED} or (
        outcome.verdict is Verdict.DONE and status in {Status.SUCCEEDED, Status.PARTIAL}
    ):
        yield "TerminalRecords"
    if status is Status.PARTIAL:
        yield "JobsPartial"
    if outcome.error:
        yield outcome.error.code
        if outcome.verdict is Verdict.REFUSED and outcome.error.code in USER_ERRORS:
            yield "UserErrors"
        elif outcome.verdict is Verdict.REFUSED or status is Status.FAILED:
            yield "JobsFailed"


_COUNTERS: Final = {
    Verdict.DONE: "JobsSucceeded",
    Verdict.REFUSED: "JobsRefused",
    Verdict.EXPIRED: "JobsExpired",
    Verdict.RETRY: "JobsRetried",
    Verdict.STOPPED: "JobsRetried",
    Verdict.DUPLICATE: "Duplicates",
    Verdict.STALE: "Stale",
    Verdict.FORWARDED: "Forwarded",
}


def used_memory_mb(proc: Path = Path("/proc")) -> float:
    """Return the most memory that this process and its children held since the last call, in MiB.

    The kernel's high-water mark is of a process's whole life, so that one large job would be seen
    in every later batch of the same worker: where it can be, it is set back (proc(5),
    "/proc/pid/clear_refs"). Elsewhere it is of the whole life, without the children.
    """
    own = proc / "self"
    try:
        children = (own / "task" / str(os.getpid()) / "children").read_text().split()
        peak_kib = 0
        for process in [own, *(proc / child for child in children)]:
            status = (process / "status").read_text()
            peak_kib += int(status.partition("VmHWM:")[2].split()[0])
            (process / "clear_refs").write_text("5")
    except (OSError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (2**20 if sys.platform == "darwin" else 2**10)  # macOS: bytes; Linux: KiB
    return peak_kib / 1024


def _measured(records: Sequence[Record]) -> dict[str, _Values]:
    """Return the metrics of jobs that were done, a value for each that has one."""
    sizes = [record.input.size_bytes for record in records if record.input.size_bytes]
    orders = [record.input.shape[-1] for record in records if record.input.shape]
    found = {
        "InputSize": _Values(Unit=MetricUnit.Bytes.value, Value=sizes),
        "Order": _Values(Unit=MetricUnit.Count.value, Value=orders),
    }
    for time_, name in _TIMES.items():
        times = [record.timings_ms[time_] for record in records if time_ in record.timings_ms]
        found[name] = _Values(Unit=MetricUnit.Milliseconds.value, Value=times)
    return {name: values for name, values in found.items() if values["Value"]}
