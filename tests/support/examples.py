"""How many examples Hypothesis makes."""

from __future__ import annotations

from typing import Final

from hypothesis import settings

_ALL: Final = 100  # Hypothesis' own default


def examples(number: int) -> settings:
    """Let a test have so many examples, and a share of them as the profile of the run has it."""
    return settings(max_examples=max(1, number * settings.default.max_examples // _ALL))
