"""Machines for lanes where none runs all the time."""

from __future__ import annotations

from typing import Protocol

from matinv.jobs.lanes import Lane


class Capacity(Protocol):
    """Machines of the lanes that have a `matinv.jobs.lanes.Ticket`."""

    def request(self, lane: Lane) -> None:
        """Ask for one machine more, which polls the lane's queue and ends when that is empty.

        Nothing but the lane's name goes with the ticket: a surplus one finds no message and ends.

        Raises
        ------
        Transient
            THROTTLED, STORAGE or ACCESS_DENIED: there is no ticket, as far as anybody knows.
        """
        ...

    def alive(self, lane: Lane) -> bool:
        """Return whether a machine of the lane runs, or one is on its way.

        Raises
        ------
        Transient
            If nobody can tell.
        """
        ...
