"""Which of many jobs somebody means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile

from matinv.jobs.record import Record


@dataclass(frozen=True, slots=True)
class Chosen:
    """Conditions on jobs; all that are given hold for those that are chosen.

    Parameters
    ----------
    tags : mapping
        Tags that a job has, among others.
    prefix : str
        How its id begins.
    since : str
        When it was updated last, at the earliest; as `matinv.jobs.times.timestamp` writes it.
    codes : frozenset of str
        Why it failed.
    """

    tags: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""
    since: str = ""
    codes: frozenset[str] = frozenset()

    def among(self, newest_first: Iterable[Record]) -> Iterator[Record]:
        """Yield those that are chosen; nothing is read beyond `since`."""
        for record in takewhile(lambda one: one.updated_at >= self.since, newest_first):
            if (
                record.job_id.startswith(self.prefix)
                and self.tags.items() <= record.tags.items()
                and (not self.codes or (record.error and record.error.code in self.codes))
            ):
                yield record
