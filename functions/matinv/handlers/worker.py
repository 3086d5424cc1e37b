"""The worker: an SQS batch in, the partial batch response out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matinv import isolation, telemetry, wiring
from matinv.telemetry import LambdaContext


def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Do the jobs of an SQS event and return ``{"batchItemFailures": […]}``.

    Raises
    ------
    ValueError
        If the event is not from SQS: a wiring fault.
    """
    report = isolation.process(wiring.app(), event, context)
    telemetry.publish(report, context)
    return report.batch_item_failures()
