"""Dedupe: whose job is it, by the record that stands under its id."""

from __future__ import annotations

from typing import Final

from matinv.errors import Code, Refused
from matinv.jobs.ownership import Ownership, differing, owner
from matinv.jobs.record import Status
from matinv.jobs.request import identities, reference_of
from matinv.pipeline.app import App
from matinv.pipeline.outcome import NotOurs, Verdict
from matinv.pipeline.task import Task

_DIVERTED: Final = {Ownership.ENDED: Verdict.DUPLICATE, Ownership.STALE: Verdict.STALE}


def check_owner(app: App, task: Task) -> Ownership:
    """Return if the task may work on its job and write its record, as far as is known yet.

    Returns
    -------
    Ownership
        OURS, or OPEN_FIRST where the object has to be opened to know.

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
            'choose a new job id, or send it with "replace": true to take over this one',
            observed=come,
            limit=stand,
        )
    return verdict


def check_begins(app: App, task: Task) -> None:
    """Return if the task may work on its job, and begin it: it did not wait for too long.

    A job that has begun, as its record says, goes on. Of a message that was forwarded the time
    counts that it waits for its lane.

    Raises
    ------
    NotOurs, Transient
        As `check_owner`.
    Refused
        JOB_ID_CONFLICT, EXPIRED.
    """
    ours = check_owner(app, task) is Ownership.OURS
    limit_s, record = task.options.expires_in_s, task.record
    if task.begun or not task.options_known or not ours:
        return
    going_on = record is not None and record.status in {Status.RUNNING, Status.RETRYING}
    task.begun = bool(going_on and record and record.input.id == task.input.id)
    waited_s = app.now() - task.delivery.sent_at_ms / 1000
    if not task.begun and limit_s is not None and waited_s > limit_s:
        raise Refused(
            Code.EXPIRED,
            "the job had not begun when it expired",
            "submit it again, or let it wait longer: expires_in_s",
            observed=f"waited {waited_s:.0f} s",
            limit=f"{limit_s} s",
        )
    task.begun = True


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
