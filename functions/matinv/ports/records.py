"""Records by job id, written by compare-and-set on their revision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from matinv.jobs.record import Record, Status
from matinv.ports.runs import RunIndex

Place = tuple[str, str]
"""Where a record stands in a list: its ``updated_at`` and its job id."""


class ClientTable(RunIndex, Protocol):
    """Records, and the index of their runs, as worker and client need them."""

    def get(self, job_ids: Sequence[str]) -> dict[str, Record]:
        """Return the records that exist, read consistently, in as few calls as can be."""
        ...

    def put(self, records: Sequence[Record]) -> list[bool]:
        """Write records, each if the table holds the revision before its own.

        Parameters
        ----------
        records : sequence of Record
            Distinct job ids. ``revision=1`` is written only where no record exists; ``revision=r``
            only over ``r - 1``. Any number; the adapter splits it into as few calls as can be.

        Returns
        -------
        list of bool
            For each record, whether it was written. One that lost never hurts its neighbours.
        """
        ...

    def list(self, status: Status, limit: int, before: Place | None = None) -> Iterator[Record]:
        """Yield at most `limit` records in `status`, the most recently updated first.

        Of several that were updated at the same time, the greatest job id comes first; what is
        not `before` that place is left out.
        """
        ...

    def places(self, status: Status, limit: int, since: str = "") -> Iterator[Place]:
        """Yield where at most `limit` records in `status` stand, the most recently updated first.

        No record is read. What was updated before the time `since` is left out.
        """
        ...


class JobTable(ClientTable, Protocol):
    """All that can be done with the records."""

    def delete(self, job_id: str) -> None:
        """Remove a record; nothing happens if it does not exist."""
        ...
