"""A request's way: Lambda's event in, a response out, and one line of the log.

`matinv.http_api.routes` has the table of routes; `matinv.client` submits, looks and redrives, as it
does for everybody else.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from typing import Any, Final

from matinv import telemetry, wiring
from matinv.client import Client
from matinv.errors import MatinvError
from matinv.http_api.problems import Problem, problem_of
from matinv.http_api.request import Exchange, Services
from matinv.http_api.responses import PROBLEM_TYPE, Response
from matinv.http_api.routes import PATHS, route_of
from matinv.pipeline import Deadline
from matinv.pipeline.attempt import result_or_error
from matinv.settings import Settings
from matinv.telemetry import LambdaContext

_KNOWN_METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})


def serve(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer a request to the stack that the environment names."""
    return respond(_services(), event, context)


def respond(services: Services, event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer a request; never raises.

    Parameters
    ----------
    services : Services
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
    exchange = Exchange.of(services, event, context, deadline)
    found = result_or_error(_routed, exchange)
    bug, error_code = None, None
    if isinstance(found, Response):
        response = found
    else:
        problem = problem_of(found)
        error_code = problem.code
        bug = None if isinstance(found, Problem | MatinvError) else found
        response = Response(problem.status, PROBLEM_TYPE, problem.body(), problem.headers)
    # Nothing that body, headers, path or query hold may be in the log.
    facts = {
        "method": exchange.method if exchange.method in _KNOWN_METHODS else "other",
        "path": exchange.template if exchange.template in PATHS else "other",
        "status": response.status,
        "took_ms": round(1000 * (time.monotonic() - begun_s), 3),
        "error_code": error_code,
    }
    telemetry.requested(facts, bug, context)
    return response.for_lambda()


def _routed(exchange: Exchange) -> Response:
    route = route_of(exchange.method, exchange.template)
    exchange.check_size()
    return route.function(exchange)


@functools.cache
def _services() -> Services:
    settings = Settings.from_environment()
    return Services(wiring.app(), Client(wiring.backend(settings), settings))
