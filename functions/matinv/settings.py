"""Settings, read once from the environment: the only module that touches it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

DAY_S: Final = 86_400

# Names a whole stack, for the command alone (`matinv.cli.commands.env`).
STACK: Final = "MATINV_STACK"

# Names an HTTP API, for the command alone.
API_URL: Final = "MATINV_API_URL"

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class SettingsError(Exception):
    """The environment lacks names or holds values that cannot be used; the message lists all."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the service's parts are, and its limits.

    Parameters
    ----------
    inputs_bucket, results_bucket, jobs_table, jobs_queue_url, dlq_url : str
        ``MATINV_INPUTS_BUCKET`` and so on; required.
    large_queue_url, events_topic_arn : str or None
        ``MATINV_LARGE_QUEUE_URL``, ``MATINV_EVENTS_TOPIC_ARN``; empty means none.
    inline_result_bytes : int
        ``MATINV_INLINE_RESULT_BYTES``. Results up to this size travel in the record: a DynamoDB
        write unit is 1 KiB at $0.625 per million, an S3 PUT is $5 per million, so 8 units break
        even.
    retention_days : int
        ``MATINV_RETENTION_DAYS``: after how many days DynamoDB may drop a record (TTL).
    memory_bytes : int
        Memory of this worker: Lambda's ``AWS_LAMBDA_FUNCTION_MEMORY_SIZE`` in MiB. Elsewhere the
        standard lane's 1,769 MB, one vCPU, so that a laptop admits what the cloud admits.
    """

    inputs_bucket: str
    results_bucket: str
    jobs_table: str
    jobs_queue_url: str
    dlq_url: str
    large_queue_url: str | None = None
    events_topic_arn: str | None = None
    inline_result_bytes: int = 8 * 1024
    retention_days: int = 30
    memory_bytes: int = 1769 * 2**20

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings.

        Raises
        ------
        SettingsError
            One error that names everything missing or unusable.
        """
        env = os.environ if environment is None else environment
        problems: list[str] = []

        def text(name: str) -> str:
            value = env.get(name, "")
            if not value:
                problems.append(f"{name} is not set")
            return value

        def number(name: str, default: int, unit: int = 1) -> int:
            value = env.get(name) or str(default)
            if not (value.isascii() and value.isdigit()) or int(value) == 0:
                problems.append(f"{name} must be a whole number above 0")
                return default
            return int(value) * unit

        settings = cls(
            inputs_bucket=text("MATINV_INPUTS_BUCKET"),
            results_bucket=text("MATINV_RESULTS_BUCKET"),
            jobs_table=text("MATINV_JOBS_TABLE"),
            jobs_queue_url=text("MATINV_JOBS_QUEUE_URL"),
            dlq_url=text("MATINV_DLQ_URL"),
            large_queue_url=env.get("MATINV_LARGE_QUEUE_URL") or None,
            events_topic_arn=env.get("MATINV_EVENTS_TOPIC_ARN") or None,
            inline_result_bytes=number("MATINV_INLINE_RESULT_BYTES", 8 * 1024),
            retention_days=number("MATINV_RETENTION_DAYS", 30),
            memory_bytes=number("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 1769, 2**20),
        )
        if problems:
            hint = "start a stack with `matinv local up`, or name a deployed one: matinv --stack"
            msg = f"{'; '.join(problems)} ({hint})"
            raise SettingsError(msg)
        return settings

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
            "MATINV_JOBS_QUEUE_URL": self.jobs_queue_url,
            "MATINV_DLQ_URL": self.dlq_url,
            "MATINV_LARGE_QUEUE_URL": self.large_queue_url or "",
            "MATINV_EVENTS_TOPIC_ARN": self.events_topic_arn or "",
            "MATINV_INLINE_RESULT_BYTES": str(self.inline_result_bytes),
            "MATINV_RETENTION_DAYS": str(self.retention_days),
        }
        return {name: value for name, value in pairs.items() if value}


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
    return Settings("", "", "", "", "")


def names_set() -> set[str]:
    """Return the ``MATINV_*`` names of this process's environment that belong to some stack."""
    return {name for name in os.environ if name.startswith("MATINV_")} - {STACK, API_URL}


def environment() -> dict[str, str]:
    """Return this process's environment, for a child to inherit."""
    return dict(os.environ)


def adopt(environment: Mapping[str, str]) -> None:
    """Make these variables this process's own, and forget the names of any other stack."""
    for name in names_set():
        del os.environ[name]
    os.environ.update(environment)
