"""The api: a direct call in, the inverse or the error out."""

from __future__ import annotations

from typing import Any

from matinv import direct, service, telemetry, wiring
from matinv.telemetry import LambdaContext


def handler(event: object, context: LambdaContext) -> Any:
    """Invert the matrix of a call and return its result, or ``{"error": {"code": …}}``.

    A call by URL gets that as an HTTP response.

    Raises
    ------
    Transient
        A passing fault of an invocation: Lambda tries an asynchronous one again.
    """
    call = direct.call_of(event)
    deadline = service.Deadline.of_milliseconds(context.get_remaining_time_in_millis)
    answer = service.answer(wiring.app(), call.parsed, deadline, stored=call.stored)
    telemetry.publish(answer.report, context)
    return direct.reply(call, answer)
