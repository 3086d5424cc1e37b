"""The worker: an SQS batch in, the partial batch response out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matinv import events, service, telemetry, wiring
from matinv.telemetry import LambdaContext


def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Do the jobs of an SQS event and return ``{"batchItemFailures": […]}``.

    Raises
    ------
    ValueError
        If the event is not from SQS: a wiring fault.
    """
    batch = events.deliveries(event)
    deadline = service.Deadline.of_milliseconds(context.get_remaining_time_in_millis)
    report = service.process(wiring.app(), batch, deadline)
    telemetry.publish(report, context)
    return report.batch_item_failures()
