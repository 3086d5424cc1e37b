"""Dedupe: whose job is it, by the record that stands under its id."""

from __future__ import annotations

from typing import Final

from matinv.errors import Code, Refused
from matinv.jobs.ownership import Ownership, differing, owner
from matinv.jobs.request import identities, reference_of
from matinv.pipeline.app import App
from matinv.pipeline.outcome import NotOurs, Verdict
from matinv.pipeline.task import Task

_DIVERTED: Final = {Ownership.ENDED: Verdict.DUPLICATE, Ownership.STALE: Verdict.STALE}


def check_owner(app: App, task: Task) -> None:
    """Return if the task may work on its job and write its record, as far as is known yet.

    Raises
    ------
    NotOurs
        DUPLICATE or STALE.
    Refused
        JOB_ID_CONFLICT.
    Transient
        If S3 had to be asked, and does not answer.
    """
    verdict = ownership_of(app, task)
    if verdict in _DIVERTED:
        raise NotOurs(_DIVERTED[verdict])
    if verdict is Ownership.CONFLICT and task.record:
        options = differing(task.record, task.question())
        come, stand = options or (task.job_id, task.record.input.source)
        raise Refused(
            Code.JOB_ID_CONFLICT,
            "this job id belongs to the same input with other options"
            if options
            else "this job id belongs to another input",
            'choose a new job id, or send it with "replace": true to take this one',
            observed=come,
            limit=stand,
        )


def ownership_of(app: App, task: Task) -> Ownership:
    """Return how the task stands to the record that it found; S3 is asked only where it must be.

    Raises
    ------
    Transient
        If S3 does not answer.
    """
    question = task.question()
    found = owner(task.record, question)
    if found is not Ownership.ASK_S3:
        return found
    standing = app.store.find_input(reference_of(question.input).key)
    return owner(task.record, question, identities(standing) if standing else frozenset())
