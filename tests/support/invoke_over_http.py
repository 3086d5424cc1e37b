"""Calls a function over HTTP, as Lambda's Runtime Interface Emulator answers."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from matinv.backends.aws.event_source import FunctionError

INVOCATIONS_PATH: Final = "/2015-03-31/functions/function/invocations"


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
        request = urllib.request.Request(self.base_url + INVOCATIONS_PATH, data=orjson.dumps(event))
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_s) as response:
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
