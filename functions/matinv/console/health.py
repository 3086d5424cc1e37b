"""Health: how the stack is doing, read once for all pages that ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

from matinv.client import Client
from matinv.jobs.record_document import plain
from matinv.operations.health import HealthWatch

_FRESH_S: Final = 3.0  # CloudWatch is a minute behind; GetMetricData costs $0.01 per thousand

# So long an answer waits for what is slow: the page asks for the rest.
_PATIENCE_S: Final = 0.5


@dataclass(slots=True)
class HealthCache:
    """The last answer, and the records that earlier ones have read.

    Parameters
    ----------
    client : Client
        The stack.
    """

    client: Client
    _watch: HealthWatch = field(init=False)
    _turn: Lock = field(default_factory=Lock)
    _fresh_until_s: float = float("-inf")
    _seen: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._watch = HealthWatch(self.client)

    def health(self) -> dict[str, Any]:
        """Return the stack's health as plain JSON, a few seconds old at most."""
        with self._turn:
            now_s = self.client.now()
            if not 0 < self._fresh_until_s - now_s <= _FRESH_S:
                health = self._watch.read(_PATIENCE_S)
                self._seen = plain(health.document() | {"partial": health.partial})
                self._fresh_until_s = now_s + (0 if health.partial else _FRESH_S)
            return self._seen
