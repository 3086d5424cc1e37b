"""``POST /invert``: a small matrix in, its inverse out."""

from __future__ import annotations

from typing import Final

from aws_lambda_powertools.event_handler import Response

from matinv import telemetry
from matinv.http_api.bodies import read
from matinv.http_api.models import Inverse
from matinv.http_api.request import JSON_TYPE, exchange_of, router
from matinv.http_api.responses import answers
from matinv.pipeline import answer
from matinv.pipeline.direct_call import call_of_tree

routes: Final = router()


@routes.post("/", include_in_schema=False)  # what the URL alone did before it had routes
@routes.post(
    "/invert",
    operation_id="invert",
    summary="Invert a small matrix at once",
    description="With a job_id, or an Idempotency-Key, the job is kept like any other.",
    responses=answers({200: ("The inverse.", Inverse)}, 400, 409, 413, 415, 422),
)
def invert() -> Response[str]:
    """Invert a small matrix at once."""
    exchange = exchange_of(routes)
    message = read(exchange)
    call = call_of_tree(message.tree, message.text)
    found = answer(exchange.parts.app, call.parsed, exchange.deadline, stored=call.stored)
    telemetry.publish(found.report, exchange.context)
    if found.error:
        raise found.error
    return Response(200, JSON_TYPE, found.document.decode())
