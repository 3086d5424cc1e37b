"""All routes together."""

from __future__ import annotations

import functools

from aws_lambda_powertools.event_handler import LambdaFunctionUrlResolver, Response

from matinv.rest import inversions, jobs, results, system
from matinv.rest.exchange import Exchange


@functools.cache
def resolver() -> LambdaFunctionUrlResolver:
    """Return what finds the function of a request; the request is in its context."""
    app = LambdaFunctionUrlResolver()
    for module in (inversions, jobs, results, system):
        app.include_router(module.routes)

    def refuse(error: Exception) -> Response[str]:
        exchange: Exchange = app.context["exchange"]
        return exchange.refuse(error)

    app.exception_handler(Exception)(refuse)
    return app
