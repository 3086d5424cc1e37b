"""Which input owns a job id: the one rule behind dedupe and every conditional write."""

from __future__ import annotations

from enum import StrEnum

from matinv.jobs.record import InputInfo, Record, Status


class Claim(StrEnum):
    """What a delivery may do with the record that it finds under its job id."""

    WORK = "work"  # the job is ours to do
    DUPLICATE = "duplicate"  # it has ended for this very input
    STALE = "stale"  # a newer upload of the same key owns the job id
    CONFLICT = "conflict"  # another input owns the job id
    UNDECIDED = "undecided"  # only the object itself can tell: open it, but write nothing yet


def claim(record: Record | None, input_: InputInfo, redrive: int) -> Claim:
    """Decide who owns a job id: the one rule behind dedupe and every conditional write.

    Parameters
    ----------
    record : Record or None
        What the table says now.
    input_ : InputInfo
        The delivery's input.
    redrive : int
        The delivery's ``redrive`` count, 0 unless an operator sent it.

    Returns
    -------
    Claim
        WORK if the delivery may work and write.
    """
    if record is None:
        return Claim.WORK
    redriven = record.status is Status.FAILED and redrive > record.redrive
    if redriven and not _is_other_upload(record.input, input_):
        return Claim.WORK
    same_source = record.input.source == input_.source
    if record.input.id == input_.id and (input_.id or same_source):
        return Claim.WORK if _reopens(record) else Claim.DUPLICATE
    if not input_.id:
        return Claim.WORK if same_source and not record.status.terminal else Claim.UNDECIDED
    if same_source and not record.input.id:  # the object was never opened
        return Claim.WORK
    if input_.order is None or record.input.order is None or not same_source:
        return Claim.CONFLICT
    return Claim.WORK if input_.order >= record.input.order else Claim.STALE


def _is_other_upload(found: InputInfo, input_: InputInfo) -> bool:
    """Whether both are known to be of one key, and their order decides, whoever sends them."""
    known = found.id and input_.id and found.order is not None
    return bool(known) and found.source == input_.source and found.id != input_.id


def _reopens(record: Record) -> bool:
    if record.status is Status.FAILED:
        return record.error is not None and record.error.retryable
    return not record.status.terminal
