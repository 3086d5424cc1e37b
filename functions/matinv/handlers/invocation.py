"""How a handler is called where Lambda does not: with a context, and JSON both ways."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from matinv.backends.aws.event_source import Event, FunctionError
from matinv.jobs.lanes import STANDARD_MB
from matinv.telemetry import Context

Handler = Callable[[Event, Any], Any]


@dataclass(frozen=True, slots=True)
class InProcess:
    """Calls a handler as Lambda's Python runtime does: JSON in, JSON out.

    Parameters
    ----------
    handler : callable
        Takes an event and a context.
    timeout_s : float
        Time limit of an invocation, for the context.
    on_timeout : callable, optional
        Called from another thread when an invocation takes longer. Lambda ends the process then,
        which alone can stop a handler that computes.
    memory_mb : int
        The function's memory, for the context.
    """

    handler: Handler
    timeout_s: float = 60.0
    memory_mb: int = STANDARD_MB
    on_timeout: Callable[[], object] | None = None

    def __call__(self, event: Event) -> object:
        """Return the handler's answer.

        Raises
        ------
        FunctionError
            If the handler raises, exits, or returns what JSON cannot hold.
        """
        context = Context(self.timeout_s, self.memory_mb)
        timer = threading.Timer(self.timeout_s, self.on_timeout or (lambda: None))
        timer.daemon = True
        timer.start()
        try:
            answer = self.handler(event, context)
            return json.loads(json.dumps(answer, allow_nan=False))
        except (Exception, SystemExit) as error:
            message = f"{type(error).__name__}: {error}"
            raise FunctionError(message) from error
        finally:
            timer.cancel()
