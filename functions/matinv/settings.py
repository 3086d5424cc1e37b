"""Settings, read once from the environment: the only module that touches it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from matinv.cores import granted_threads
from matinv.errors import MatinvError
from matinv.jobs.lanes import (
    LAMBDA_MB,
    LARGE_S,
    MOST_THREADS,
    STANDARD_MB,
    Lane,
    Ticket,
    grid,
    huge,
    large,
    standard,
    threads_of,
)

DAY_S: Final = 86_400

# Names a whole stack, for the command alone (`matinv.cli.commands.env`).
STACK: Final = "MATINV_STACK"

# Names an HTTP API, for the command alone.
API_URL: Final = "MATINV_API_URL"

AS_DEPLOYED: Final = standard("", large(""))
_KNOWN: Final = {lane.name: lane for lane in (standard(""), large(""), huge(""), grid(""))}
_LANES: Final = "MATINV_LANES"
_RESERVED: Final = ("dead", "dlq", "jobs")  # other queues are called so
_LANE_NAME: Final = re.compile("[a-z]+")

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class SettingsError(MatinvError):
    """The environment lacks names or holds values that cannot be used; the message lists all.

    Parameters
    ----------
    message : str
        All that was found.
    hint : str
        The remedy.
    """

    codes = frozenset({"SETTINGS"})
    message_limit = 4000  # names of all lanes

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__("SETTINGS", message, hint)


@dataclass(frozen=True, slots=True)
class Settings:
    """The names of the service's parts, and its limits.

    Parameters
    ----------
    inputs_bucket, results_bucket, jobs_table, dlq_url : str
        ``MATINV_INPUTS_BUCKET`` and so on; required.
    lane : Lane
        The lane of this worker, and those behind it; see `lanes`.
    events_topic_arn : str or None
        ``MATINV_EVENTS_TOPIC_ARN``; empty means none.
    inline_result_bytes : int
        ``MATINV_INLINE_RESULT_BYTES``. Results up to this size travel in the record: a DynamoDB
        write unit is 1 KiB at $0.625 per million, an S3 PUT is $5 per million, so 8 units break
        even.
    retention_days : int
        ``MATINV_RETENTION_DAYS``: after how many days DynamoDB may drop a record (TTL).
    fair_by : str
        ``MATINV_FAIR_BY``: what SQS treats jobs fairly by (`matinv.jobs.fairness`).
    """

    inputs_bucket: str
    results_bucket: str
    jobs_table: str
    lane: Lane
    dlq_url: str
    events_topic_arn: str | None = None
    inline_result_bytes: int = 8 * 1024
    retention_days: int = 30
    fair_by: str = "run"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings.

        Raises
        ------
        SettingsError
            One error that names everything missing or unusable.
        """
        read = _Reader(os.environ if environment is None else environment)
        settings = cls(
            inputs_bucket=read.text("MATINV_INPUTS_BUCKET"),
            results_bucket=read.text("MATINV_RESULTS_BUCKET"),
            jobs_table=read.text("MATINV_JOBS_TABLE"),
            lane=read.lanes(),
            dlq_url=read.text("MATINV_DLQ_URL"),
            events_topic_arn=read.environment.get("MATINV_EVENTS_TOPIC_ARN") or None,
            inline_result_bytes=read.number("MATINV_INLINE_RESULT_BYTES", 8 * 1024),
            retention_days=read.number("MATINV_RETENTION_DAYS", 30),
            fair_by=read.fair_by(),
        )
        read.check()
        return settings

    @property
    def jobs_queue_url(self) -> str:
        """The queue of this worker's lane; of the standard lane, the queue to send jobs to."""
        return self.lane.queue_url

    @property
    def account_id(self) -> str | None:
        """The account that owns the stack, by its jobs queue's URL: ``https://…/<12 digits>/name``.

        None where the URL does not tell.
        """
        owner = self.jobs_queue_url.rpartition("/")[0].rpartition("/")[2]
        return owner if len(owner) == 12 and owner.isascii() and owner.isdigit() else None

    @property
    def stack(self) -> str:
        """The stack's name, which its table's begins with: ``<stack>-jobs``."""
        return self.jobs_table.removesuffix("-jobs")

    def to_environment(self) -> dict[str, str]:
        """Return the ``MATINV_*`` names that make these settings again."""
        pairs = {
            "MATINV_INPUTS_BUCKET": self.inputs_bucket,
            "MATINV_RESULTS_BUCKET": self.results_bucket,
            "MATINV_JOBS_TABLE": self.jobs_table,
            **dict(_pairs(self.lane)),
            "MATINV_DLQ_URL": self.dlq_url,
            "MATINV_EVENTS_TOPIC_ARN": self.events_topic_arn or "",
            "MATINV_INLINE_RESULT_BYTES": str(self.inline_result_bytes),
            "MATINV_RETENTION_DAYS": str(self.retention_days),
            "MATINV_FAIR_BY": self.fair_by,
        }
        return {name: value for name, value in pairs.items() if value}


class _Reader:
    """Reads an environment and collects its faults."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self._problems: list[str] = []

    def text(self, name: str) -> str:
        value = self.environment.get(name, "")
        if not value:
            self._problems.append(f"{name} is not set")
        return value

    def number(self, name: str, default: int) -> int:
        value = self.environment.get(name) or str(default)
        if not (value.isascii() and value.isdigit()) or int(value) == 0:
            self._problems.append(f"{name} must be a whole number above 0")
            return default
        return int(value)

    def fair_by(self) -> str:
        value = self.environment.get("MATINV_FAIR_BY") or "run"
        if not re.fullmatch("run|none|tag:.+", value):
            self._problems.append("MATINV_FAIR_BY must be run, tag:NAME or none")
        return value

    def lanes(self) -> Lane:
        """Return the lane of this worker with those behind it; see `lanes`."""
        names = self.environment.get(_LANES, "").split()
        taken = [*names, *_RESERVED]
        if len({*taken}) < len(taken) or not all(map(_LANE_NAME.fullmatch, names)):
            self._problems.append(f"{_LANES} must be different names of lower-case letters")
            names = []
        own, *further = names or _KNOWN
        lane = None
        for name in reversed(further):
            url = f"MATINV_{name.upper()}_QUEUE_URL"
            if names or self.environment.get(url):  # a stack may lack those that nobody named
                lane = self._lane(name, self.text(url), f"MATINV_{name.upper()}", lane)
        return self._lane(own, self.text("MATINV_JOBS_QUEUE_URL"), "MATINV", lane)

    def _lane(self, name: str, url: str, prefix: str, following: Lane | None) -> Lane:
        like = _KNOWN.get(name, Lane(name, "", 0, 0, LARGE_S))
        memory_mb = like.memory_mb
        if prefix == "MATINV":
            memory_mb = self.number("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory_mb or STANDARD_MB)
        elif not memory_mb:
            self.text(f"{prefix}_MEMORY_MB")
        memory_mb = self.number(f"{prefix}_MEMORY_MB", memory_mb or STANDARD_MB)
        default = _threads(like, memory_mb)
        if not default:
            self.text(f"{prefix}_THREADS")
        threads = self.number(f"{prefix}_THREADS", default or 1)
        ranks = self.number(f"{prefix}_RANKS", like.ranks or 1)
        return Lane(
            name,
            url,
            memory_mb,
            threads if ranks > 1 else min(threads, MOST_THREADS),
            self.number(f"{prefix}_TIMEOUT_S", int(like.timeout_s)),
            following,
            self._ticket(f"{prefix}_BATCH_QUEUE", f"{prefix}_BATCH_DEFINITION"),
            ranks if ranks > 1 else 0,
        )

    def _ticket(self, queue: str, definition: str) -> Ticket | None:
        if self.environment.get(queue) or self.environment.get(definition):
            return Ticket(self.text(queue), self.text(definition))
        return None

    def check(self) -> None:
        """Raise `SettingsError` if anything was wrong."""
        if self._problems:
            hint = "start a stack with `matinv local up`, or name a deployed one: matinv --stack"
            raise SettingsError("; ".join(self._problems), hint)


def lanes(environment: Mapping[str, str] | None = None) -> Lane:
    """Return the lanes that the environment names, or else those that infra/service deploys.

    ``MATINV_LANES`` names them, the smallest first; by default ``standard``, and of ``large``,
    ``huge`` and ``grid`` those whose queue is set. The first is this worker's own, with the queue
    ``MATINV_JOBS_QUEUE_URL``; the queue of a lane ``huge`` behind it is ``MATINV_HUGE_QUEUE_URL``.
    ``MATINV_MEMORY_MB``, ``MATINV_THREADS``, ``MATINV_TIMEOUT_S`` and ``MATINV_HUGE_MEMORY_MB`` and
    so on are what they have. Standard and large lane have what they are deployed with, unless
    Lambda's ``AWS_LAMBDA_FUNCTION_MEMORY_SIZE`` says otherwise of this worker; threads follow from
    memory by Lambda's ratio up to its largest function. The sizes of ``huge`` and ``grid`` are
    known as well, ``medium`` would have to say its own.
    ``MATINV_HUGE_BATCH_QUEUE`` and ``MATINV_HUGE_BATCH_DEFINITION`` are its `Ticket`, and
    ``MATINV_GRID_RANKS`` processes share one matrix. One process has at most 64 threads.

    Raises
    ------
    SettingsError
        One error that names everything missing or unusable.
    """
    read = _Reader(os.environ if environment is None else environment)
    if not read.environment.get("MATINV_JOBS_QUEUE_URL"):
        return AS_DEPLOYED
    lane = read.lanes()
    read.check()
    return lane


def _threads(like: Lane | None, memory_mb: int) -> int:
    """Return the threads of a lane that says nothing of them, 0 if nobody can tell."""
    if like and like.memory_mb > LAMBDA_MB:
        return like.threads
    return threads_of(memory_mb) if memory_mb <= LAMBDA_MB else 0


def _pairs(first: Lane) -> Iterator[tuple[str, str]]:
    """Yield the names that make these lanes again."""
    own_name, *further = [lane.name for lane in first]
    if own_name != "standard" or further not in ([], ["large"]):
        yield _LANES, " ".join([own_name, *further])
    for lane in first:
        prefix = "MATINV" if lane is first else f"MATINV_{lane.name.upper()}"
        yield f"{prefix}_JOBS_QUEUE_URL" if lane is first else f"{prefix}_QUEUE_URL", lane.queue_url
        like = _KNOWN.get(lane.name)
        if not like or lane.memory_mb != like.memory_mb:
            yield f"{prefix}_MEMORY_MB", str(lane.memory_mb)
        if lane.threads != _threads(like, lane.memory_mb):
            yield f"{prefix}_THREADS", str(lane.threads)
        if lane.timeout_s != (like.timeout_s if like else LARGE_S):
            yield f"{prefix}_TIMEOUT_S", str(int(lane.timeout_s))
        if lane.ranks != (like.ranks if like else 0):
            yield f"{prefix}_RANKS", str(lane.ranks or 1)
        if lane.ticket:
            yield f"{prefix}_BATCH_QUEUE", lane.ticket.queue
            yield f"{prefix}_BATCH_DEFINITION", lane.ticket.definition


def of_api(url: str) -> Settings:
    """Return the settings of who speaks with an HTTP API: it alone knows the names of its parts.

    Raises
    ------
    SettingsError
        If `url` is none, or would carry signed requests unencrypted over a network.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)):
        msg = "the API's URL must begin with https://, or http:// on this machine"
        raise SettingsError(msg)
    return Settings("", "", "", AS_DEPLOYED, "")


def names_set() -> set[str]:
    """Return the ``MATINV_*`` names of this process's environment that belong to some stack."""
    return {name for name in os.environ if name.startswith("MATINV_")} - {STACK, API_URL}


def environment() -> dict[str, str]:
    """Return this process's environment, for a child to inherit."""
    return dict(os.environ)


def limit_threads(threads: int) -> None:
    """Let BLAS, which reads it when it is loaded, use so many threads, and no more than cores.

    Variables that the environment has already stay as they are.
    """
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, str(granted_threads(threads)))


def adopt(environment: Mapping[str, str]) -> None:
    """Make these variables this process's own, and forget the names of any other stack."""
    for name in names_set():
        del os.environ[name]
    os.environ.update(environment)
