"""Watch: how the stack is doing, looked at once for all pages that ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

from matinv.client import Client
from matinv.jobs.record_document import plain
from matinv.operations.health import snapshot
from matinv.operations.throughput import Recent

_FRESH_S: Final = 3.0  # CloudWatch is a minute behind; GetMetricData costs $0.01 per thousand


@dataclass(slots=True)
class HealthCache:
    """The last look, and what earlier ones have read.

    Parameters
    ----------
    client : Client
        The stack.
    """

    client: Client
    _recent: Recent = field(default_factory=Recent)
    _turn: Lock = field(default_factory=Lock)
    _at_s: float = float("-inf")
    _seen: dict[str, Any] = field(default_factory=dict)

    def health(self) -> dict[str, Any]:
        """Return the stack's health as plain JSON, a few seconds old at most."""
        with self._turn:
            now_s = self.client.now()
            if not 0 <= now_s - self._at_s < _FRESH_S:
                self._seen = plain(snapshot(self.client, self._recent).document())
                self._at_s = now_s
            return self._seen
