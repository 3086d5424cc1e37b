"""The api: a direct call in, the inverse or the error out; a request to its URL, a response."""

from __future__ import annotations

from typing import Any

from matinv import pipeline, telemetry, wiring
from matinv.pipeline import direct_call
from matinv.telemetry import LambdaContext


def handler(event: object, context: LambdaContext) -> Any:
    """Serve the HTTP API, or invert the matrix of a call and return its result.

    Raises
    ------
    Transient
        A passing fault of an invocation: Lambda tries an asynchronous one again.
    """
    serve = _request if direct_call.by_url(event) else _invocation
    return serve(event, context)


def _request(event: Any, context: LambdaContext) -> Any:
    from matinv.http_api.entry import serve  # noqa: PLC0415 - for those who come by URL

    return serve(event, context)


def _invocation(event: object, context: LambdaContext) -> Any:
    call = direct_call.call_of(event)
    deadline = pipeline.Deadline.of_milliseconds(context.get_remaining_time_in_millis)
    answer = pipeline.answer(wiring.app(), call.parsed, deadline, stored=call.stored)
    telemetry.publish(answer.report, context)
    return direct_call.reply(answer)
