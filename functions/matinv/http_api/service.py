"""``GET /health`` and ``GET /openapi.json``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import orjson
from aws_lambda_powertools.event_handler import Response

from matinv import __version__
from matinv.http_api.models import Health
from matinv.http_api.request import JSON_TYPE, exchange_of, router
from matinv.http_api.responses import answers

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
    return Response(200, JSON_TYPE, Path(__file__).with_name("openapi.json").read_text())
