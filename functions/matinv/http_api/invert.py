"""``POST /invert``: a small matrix in, its inverse out."""

from __future__ import annotations

from matinv import telemetry
from matinv.http_api.bodies import read
from matinv.http_api.request import Exchange
from matinv.http_api.responses import JSON_TYPE, Response
from matinv.pipeline import answer
from matinv.pipeline.direct_call import call_of_tree


def invert(exchange: Exchange) -> Response:
    """Invert a small matrix at once."""
    message = read(exchange)
    call = call_of_tree(message.tree, message.text)
    found = answer(exchange.services.app, call.parsed, exchange.deadline, stored=call.stored)
    telemetry.publish(found.report, exchange.context)
    if found.error:
        raise found.error
    return Response(200, JSON_TYPE, found.document.decode())
