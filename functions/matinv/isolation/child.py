"""The child as the worker sees it: a process that does suspects, and may die of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from matinv.errors import MatinvError
from matinv.jobs import intake
from matinv.pipeline import Deadline
from matinv.telemetry import LambdaContext


class Died(Exception):
    """A child ended while it had a message in hand.

    Parameters
    ----------
    error : MatinvError
        The error of the job in work.
    job : int or None
        Which one of the message's jobs that was; None if the body was still being read.
    """

    def __init__(self, error: MatinvError, job: int | None) -> None:
        super().__init__(str(error))
        self.error = error
        self.job = job


class Child(Protocol):
    """A process that does suspects, one at a time."""

    def attempt(self, record: intake.Record, deadline: Deadline) -> bool:
        """Do the jobs of a message and return whether it may be acknowledged.

        Parameters
        ----------
        record : mapping
            The message as Lambda handed it over.
        deadline : Deadline
            The message's own.

        Raises
        ------
        Died
            The child is gone.
        Misconfigured
            The message was handed back, because no job can go on.
        """
        ...

    def stop(self) -> None:
        """End the child."""
        ...


Start = Callable[[LambdaContext], Child]
"""Starts a child. Raises `Transient` if it does not come up."""
