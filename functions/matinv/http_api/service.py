"""``GET /health`` and ``GET /openapi.json``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from matinv import __version__
from matinv.http_api.request import Exchange
from matinv.http_api.responses import JSON_TYPE, Response, as_json

# Written by scripts/docs, so that no request pays for making it.
DOCUMENT: Final = Path(__file__).with_name("openapi.json")


def health(exchange: Exchange) -> Response:
    """Ask table and queue."""
    client = exchange.services.client
    client.table.get(["health"])
    client.queue.check()
    return as_json(200, {"status": "ok", "version": __version__})


def openapi(_exchange: Exchange) -> Response:
    """Describe the API."""
    return Response(200, JSON_TYPE, DOCUMENT.read_text())
