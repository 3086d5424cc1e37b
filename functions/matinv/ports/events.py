"""The topic that hears of jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from matinv.jobs.record import Record


class JobEvents(Protocol):
    """The topic that hears of every job that ends."""

    def publish(self, records: Sequence[Record]) -> list[bool]:
        """Tell subscribers of records; for each, whether the topic has taken it. Never raises."""
        ...
