"""One matrix over many ranks: what a lane that has some does with a job."""

from __future__ import annotations

from typing import Final

from matinv.errors import Code, Refused, Transient
from matinv.formats.codecs import CODECS, Format
from matinv.formats.npy_header import Header
from matinv.formats.opened import OpenedFile
from matinv.grid.launch import INVERTED, PERCENT, Launcher, RankDied
from matinv.grid.scalapack import ELEMENTS
from matinv.grid.wire import Assignment
from matinv.jobs.limits import predict_spread
from matinv.jobs.record import Record
from matinv.jobs.request import Output, reference_of
from matinv.linalg import progress
from matinv.linalg.kernels import SMALL_N
from matinv.linalg.types import Accuracy, Method
from matinv.pipeline.admission import check_fits
from matinv.pipeline.app import App, Deadline
from matinv.pipeline.load import opened_object
from matinv.pipeline.publish import key_of, published
from matinv.pipeline.running import announce_running
from matinv.pipeline.task import Task
from matinv.pipeline.watch import watched

# From this receive on the end of a rank is the job's: the first time it may be the machine's.
_SUSPECT_FROM: Final = 2


def invert_over_ranks(app: App, task: Task, ranks: Launcher, deadline: Deadline) -> Record | None:
    """Let ranks read an object, invert it and store its inverse.

    Returns
    -------
    Record or None
        Terminal, still to be written; None for a job that one process does: stacks, other formats,
        pseudo-inverses, small results.

    Raises
    ------
    UnvouchedError
        If one process may find an inverse, which has other ways.
    NotOurs, MatinvError
    """
    with opened_object(app, task) as (form, _, file):
        pass  # each rank reads its own rows
    if not isinstance(file, OpenedFile) or not _suits(app, task, form, file):
        return None
    header = file.header
    wide = _admit(app, task, header, ranks, deadline)
    announce_running(app, task)
    assignment = Assignment(
        reference_of(task.input),
        header,
        file.begin or 0,
        task.options.method,
        task.options.on_ill_conditioned,
        wide,
        key_of(task, Format.NPY),
        {"matinv-job-id": task.job_id},
        app.lane.budget_bytes // ranks.ranks,
    )
    done = 0.0

    def wanted() -> None:
        deadline.check()
        progress.report(done)

    def note(percent: int) -> None:
        nonlocal done  # of the arithmetic ScaLAPACK says nothing before it ends
        done = percent / PERCENT if percent >= INVERTED else 0.0

    try:
        with task.timed("invert_ms", app.now), watched(app, task):
            found = ranks.ask(assignment, wanted, note)
    except RankDied as died:
        if task.delivery.receive_count >= _SUSPECT_FROM:
            raise died.error from died
        raise Transient(
            Code.INTERNAL,
            f"{died.error.info.message}; all of them were ended",
            "nothing to do: the job is delivered again",
        ) from died
    return published(app, task, found)


def _suits(app: App, task: Task, form: Format, file: OpenedFile) -> bool:
    """Whether a job is one for ranks: a plain .npy file of one matrix, in and out."""
    options, header = task.options, file.header
    size_bytes = header.n**2 * header.working_dtype.itemsize
    stored = options.output is Output.S3 or (
        options.output is Output.AUTO and size_bytes > app.inline_result_bytes
    )
    return (
        file.begin is not None
        and CODECS[options.format or form].by_rows
        and len(header.shape) == 2
        and header.n > SMALL_N
        and options.method is not Method.PINV
        and options.accuracy is Accuracy.STANDARD
        and stored
    )


def _admit(app: App, task: Task, header: Header, ranks: Launcher, deadline: Deadline) -> bool:
    """Let a job in; return whether there is memory to compute it in double precision."""
    if header.n**2 > ELEMENTS * ranks.ranks:
        raise Refused(
            Code.TOO_LARGE,
            f"a matrix of shape {header.shape} has too many elements for each rank",
            "use a smaller matrix or float32, or deploy a larger lane",
            observed=f"{header.n**2 // ranks.ranks} elements",
            limit=f"{ELEMENTS} elements of a rank",
        )
    for wide in (True, False):
        predicted = predict_spread(header.shape, header.dtype, ranks.ranks, wide=wide)
        if wide and predicted.memory_bytes > app.lane.budget_bytes:
            continue
        check_fits(app, task, predicted, deadline, app.lane.threads)
        return wide
    return False
