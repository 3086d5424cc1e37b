"""The api: a direct call in, the inverse or the error out."""

from __future__ import annotations

from typing import Any

import orjson

from matinv import events, service, telemetry, wiring
from matinv.telemetry import LambdaContext


def handler(event: object, context: LambdaContext) -> Any:
    """Invert the matrix of a call and return its result, or ``{"error": {"code": …}}``.

    Raises
    ------
    Transient
        A passing fault: Lambda tries an asynchronous call again.
    """
    call = events.api_call(event)
    deadline = service.Deadline.of_milliseconds(context.get_remaining_time_in_millis)
    answer = service.answer(wiring.app(), call.parsed, deadline, stored=call.stored)
    telemetry.publish(answer.report, context)
    return orjson.loads(answer.document)
