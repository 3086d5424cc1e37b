"""Isolation: messages that may end their worker are done in a child process, one at a time."""

from matinv.isolation.child import Child, Died
from matinv.isolation.suspects import SUSPECT_FROM, process

__all__ = ["SUSPECT_FROM", "Child", "Died", "process"]
