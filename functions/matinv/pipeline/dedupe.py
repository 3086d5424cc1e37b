"""Dedupe: whose job is it, by the record that stands under its id."""

from __future__ import annotations

from typing import Final

from matinv.errors import Code, Refused
from matinv.jobs.ownership import Claim, claim
from matinv.pipeline.outcome import NotOurs, Verdict
from matinv.pipeline.task import Task

_DIVERTED: Final = {Claim.DUPLICATE: Verdict.DUPLICATE, Claim.STALE: Verdict.STALE}


def check_claim(task: Task) -> None:
    """Return if the task may work on its job and write its record.

    Raises
    ------
    NotOurs
        DUPLICATE or STALE.
    Refused
        JOB_ID_CONFLICT.
    """
    verdict = claim(task.record, task.input, task.redrive)
    if verdict in _DIVERTED:
        raise NotOurs(_DIVERTED[verdict])
    if verdict is Claim.CONFLICT:
        raise Refused(
            Code.JOB_ID_CONFLICT,
            "this job id belongs to another input",
            "choose a new job id; or upload a newer file under the same key to replace a file",
            observed=task.job_id,
        )
