"""``GET /health`` and ``GET /openapi.json``."""

from __future__ import annotations

from typing import Final

import orjson
from aws_lambda_powertools.event_handler import Response

from matinv import __version__
from matinv.rest.answers import answers
from matinv.rest.exchange import JSON_TYPE, exchange_of, router
from matinv.rest.models import Health

routes: Final = router()


@routes.get(
    "/health",
    operation_id="health",
    summary="Whether table and jobs queue answer",
    responses=answers({200: ("They do.", Health)}),
)
def health() -> Response[str]:
    """Ask table and queue."""
    client = exchange_of(routes).parts.client
    client.table.get(["health"])
    client.queue.check()
    body = orjson.dumps({"status": "ok", "version": __version__})
    return Response(200, JSON_TYPE, body.decode())


@routes.get("/openapi.json", include_in_schema=False)
def openapi() -> Response[str]:
    """Describe the API."""
    from matinv.rest.openapi import document  # noqa: PLC0415 - 0.1 s, for those who ask

    return Response(200, JSON_TYPE, document())
