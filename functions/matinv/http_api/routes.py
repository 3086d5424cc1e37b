"""All routes together."""

from __future__ import annotations

import functools

from aws_lambda_powertools.event_handler import LambdaFunctionUrlResolver, Response

from matinv.http_api import invert, jobs, results, service
from matinv.http_api.request import Exchange


@functools.cache
def resolver() -> LambdaFunctionUrlResolver:
    """Return what finds the function of a request; the request is in its context."""
    app = LambdaFunctionUrlResolver()
    for module in (invert, jobs, results, service):
        app.include_router(module.routes)

    def refuse(error: Exception) -> Response[str]:
        exchange: Exchange = app.context["exchange"]
        return exchange.refuse(error)

    app.exception_handler(Exception)(refuse)
    return app
