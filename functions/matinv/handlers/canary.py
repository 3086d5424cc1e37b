"""The canary: a small job each way through the whole stack, and a heartbeat if both are right.

It also asks for the machines that lanes lack.
"""

from __future__ import annotations

from typing import Final

from matinv import telemetry
from matinv.client import Client
from matinv.operations import tickets, whole_job
from matinv.telemetry import LambdaContext

# Of each job's share of the invocation, for everything but waiting.
_MARGIN_S: Final = 5.0


def handler(_event: object, context: LambdaContext) -> dict[str, float]:
    """Have a matrix inverted by message and one by file; return how many seconds each job took.

    Raises
    ------
    ClientError, MatinvError
        If the stack fails; Lambda counts it as an error, and the heartbeat is missing.
    """
    share_s = context.get_remaining_time_in_millis() / 1000 / len(whole_job.Way) - _MARGIN_S
    client = Client.connect()
    proofs = [whole_job.whole_job(client, way, "canary", share_s) for way in whole_job.Way]
    tickets.replace_missing(client)
    telemetry.beat({proof.record.job_id: proof.seconds for proof in proofs}, context)
    return {proof.record.job_id: round(proof.seconds, 3) for proof in proofs}
