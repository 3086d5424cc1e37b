"""Where it is measured: how much effort, and a stack that starts when a row first needs one."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from bench.measure import Effort
from matinv.local.stack import OVERRULED, Stack
from matinv.settings import adopt

_FULL: Final = Effort(rounds=3, seconds=3)
_QUICK: Final = Effort(rounds=3, seconds=0.2)
_QUICK_N: Final = 1024  # the largest matrix of a quick run


@dataclass
class Lab:
    """What the rows share.

    Parameters
    ----------
    quick : bool
        Whether to end soon: fewer rounds, fewer jobs, no large matrices.
    resources : ExitStack
        What is closed in the end.
    """

    quick: bool
    resources: ExitStack = field(repr=False)

    @property
    def effort(self) -> Effort:
        """How often to repeat what takes less than a second."""
        return _QUICK if self.quick else _FULL

    def sizes(self, *orders: int) -> list[int]:
        """Return the orders of matrices, in a quick run those that take milliseconds."""
        return [n for n in orders if n <= _QUICK_N or not self.quick]

    def pick(self, full: int, quick: int) -> int:
        """Return how many, for this effort."""
        return quick if self.quick else full

    @cached_property
    def stack(self) -> Stack:
        """A stack in a process of its own; from here on this process's environment is its."""
        stack = self.resources.enter_context(Stack.start())
        for name in OVERRULED:
            os.environ.pop(name, None)
        adopt(stack.environment())
        return stack
