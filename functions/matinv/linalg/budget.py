"""How much time and memory an inversion may spend beyond the plain way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of effort for a matrix for which the plain way cannot vouch.

    Parameters
    ----------
    remaining_s : callable
        Seconds that are left.
    memory_bytes : int
        Memory beyond the matrix and its inverse.
    begin : callable
        Takes the seconds of each step that may begin: whoever ends what takes too long must know.
    """

    remaining_s: Callable[[], float]
    memory_bytes: int
    begin: Callable[[float], object] = float  # which does nothing

    def allows(self, seconds: float, memory_bytes: float = 0) -> bool:
        """Whether a step of so many seconds and bytes may begin."""
        allowed = memory_bytes <= self.memory_bytes and seconds <= self.remaining_s()
        if allowed:
            self.begin(seconds)
        return allowed


# Of a call that says nothing: what somebody waits for at a prompt, on a machine of today.
_DEFAULT_S: Final = 60.0
_DEFAULT_BYTES: Final = 2 * 2**30


def default_budget() -> Budget:
    """Return the budget of a call that names none; it begins now."""
    end_s = monotonic() + _DEFAULT_S
    return Budget(lambda: end_s - monotonic(), _DEFAULT_BYTES)
