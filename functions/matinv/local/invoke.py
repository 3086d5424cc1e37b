"""How the runner calls a function: in its own process, or over HTTP as the emulator answers."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from matinv.local.event_source import Event

Handler = Callable[[Event, Any], Any]
Invoke = Callable[[Event], object]

INVOCATIONS_PATH: Final = "/2015-03-31/functions/function/invocations"


class FunctionError(Exception):
    """The function raised, or returned what is no JSON; Lambda fails the batch."""


@dataclass(frozen=True)
class Context:
    """Stands in for the context object that Lambda's Python runtime passes to a handler."""

    timeout_s: float
    memory_limit_in_mb: str
    function_name: str
    invoked_function_arn: str
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    function_version: str = "$LATEST"
    log_group_name: str = "/aws/lambda/local"
    log_stream_name: str = "local"
    identity: None = None
    client_context: None = None
    _started: float = field(default_factory=time.monotonic)

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds that are left of the invocation, 0 at least."""
        left_s = self.timeout_s - (time.monotonic() - self._started)
        return max(0, int(left_s * 1000))


@dataclass(frozen=True, slots=True)
class InProcess:
    """Calls a handler as Lambda's Python runtime does: JSON in, JSON out.

    Parameters
    ----------
    handler : callable
        Takes an event and a context.
    timeout_s : float
        What the context says an invocation may take.
    on_timeout : callable, optional
        Called from another thread when an invocation takes longer. Lambda ends the process then,
        which alone can stop a handler that computes.
    memory_mb : int
        What the context says of memory.
    """

    handler: Handler
    timeout_s: float = 60.0
    memory_mb: int = 1769
    on_timeout: Callable[[], object] | None = None
    function_name: str = "matinv-worker"

    def __call__(self, event: Event) -> object:
        """Return the handler's answer.

        Raises
        ------
        FunctionError
            If the handler raises, exits, or returns what JSON cannot hold.
        """
        arn = f"arn:aws:lambda:local:123456789012:function:{self.function_name}"
        context = Context(self.timeout_s, str(self.memory_mb), self.function_name, arn)
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


@dataclass(frozen=True, slots=True)
class OverHttp:
    """Calls a function through the Runtime Interface Emulator.

    Parameters
    ----------
    base_url : str
        ``http://127.0.0.1:port``.
    timeout_s : float
        How long to wait for the answer.
    """

    base_url: str
    timeout_s: float = 900.0

    def __call__(self, event: Mapping[str, Any]) -> Any:
        """Return the function's answer; an empty one is None.

        Raises
        ------
        FunctionError
            If the function raised, ended its process or ran out of time.
        """
        request = urllib.request.Request(  # noqa: S310 - the emulator's own address
            self.base_url + INVOCATIONS_PATH, data=orjson.dumps(event)
        )
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_s) as response:  # noqa: S310
                body = response.read()
            answer = json.loads(body) if body else None
        except (OSError, ValueError) as error:  # HTTPError, URLError and timeouts are OSErrors
            raise FunctionError(_detail(error)) from error
        # The emulator reports an exception with status 200 and no header, by its fields alone.
        if isinstance(answer, dict) and {"errorType", "errorMessage"} <= answer.keys():
            message = f"{answer['errorType']}: {answer['errorMessage']}"
            raise FunctionError(message)
        return answer


def _detail(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"status {error.code}: {error.read().decode(errors='replace')[:500]}"
    return f"{type(error).__name__}: {error}"
