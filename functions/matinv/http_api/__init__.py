"""The HTTP API: the function's URL, or an HTTP API of API Gateway (payload format 2.0).

Powertools routes; `matinv.client` submits, looks and redrives, as it does for everybody else.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from typing import Any

from matinv import telemetry, wiring
from matinv.client import Client
from matinv.http_api.request import Exchange, Services, answered
from matinv.http_api.routes import resolver
from matinv.http_api.throttle import Throttle
from matinv.pipeline import Deadline
from matinv.pipeline.attempt import result_or_error
from matinv.settings import Settings
from matinv.telemetry import LambdaContext

__all__ = ["Services", "respond", "serve"]


def serve(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer a request to the stack that the environment names."""
    return respond(_parts(), event, context)


def respond(parts: Services, event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer a request; never raises.

    Parameters
    ----------
    parts : Services
        The service.
    event : mapping
        Lambda's event, payload format 2.0.
    context : LambdaContext
        Of the invocation.

    Returns
    -------
    dict
        A response in that format.
    """
    begun_s = time.monotonic()
    deadline = Deadline.of_milliseconds(context.get_remaining_time_in_millis)
    exchange = Exchange.of(parts, event, context, deadline)
    response = result_or_error(_resolved, exchange)
    if isinstance(response, Exception):
        response = answered(exchange.refuse(response))
    took_ms = 1000 * (time.monotonic() - begun_s)
    telemetry.requested(exchange.facts(response["statusCode"], took_ms), exchange.bug, context)
    return response


def _resolved(exchange: Exchange) -> dict[str, Any]:
    exchange.check()
    app = resolver()
    app.append_context(exchange=exchange)  # type: ignore[no-untyped-call] # Powertools' again
    response: dict[str, Any] = app.resolve(exchange.event(), exchange.context)  # type: ignore[arg-type] # our protocol of it
    return response


@functools.cache
def _parts() -> Services:
    app = wiring.app()
    client = Client(app.store, app.table, app.queue, Settings.from_environment())
    return Services(app, client, Throttle())
