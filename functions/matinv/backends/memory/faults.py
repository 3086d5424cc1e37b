"""Base of the classes in memory: a lock, counts of calls, and faults on demand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock


class FaultInjection:
    """Base of the classes in memory: a lock, counts of calls, and faults on demand."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.fail: Callable[[str], None] | None = None
        self._lock = Lock()

    @contextmanager
    def operation(self, name: str) -> Iterator[None]:
        """Run the block, the effect, under the lock, and the fault hook outside of it."""
        with self._lock:
            self.calls[name] += 1
        self.ask(f"{name}:before")
        with self._lock:
            yield
        self.ask(f"{name}:after")

    def ask(self, moment: str) -> None:
        """Call the fault hook, if there is one."""
        if self.fail:
            self.fail(moment)
