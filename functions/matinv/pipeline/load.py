"""Load and admit: a task's matrix into memory, after its header said that it fits this lane."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import accumulate

from matinv.errors import Code, Refused
from matinv.formats.codecs import Format, Text, format_of_key, open_file
from matinv.formats.opened import OpenedFile
from matinv.jobs.limits import Prediction, predict, predict_text
from matinv.jobs.message import CONTENT, options_of_metadata, over, parse_file, replaces
from matinv.jobs.request import Options, Reference, Request, opened
from matinv.linalg.types import Matrix
from matinv.pipeline.admission import MemoryGate, check_fits
from matinv.pipeline.app import App, Deadline
from matinv.pipeline.dedupe import check_begins, check_owner
from matinv.pipeline.outcome import NotOurs, Verdict
from matinv.pipeline.task import Task
from matinv.ports import Blob


@contextmanager
def loaded(  # noqa: PLR0913, PLR0917 - what a job may use, and how much of it
    app: App,
    task: Task,
    gate: MemoryGate,
    deadline: Deadline,
    threads: int = 1,
    copies: int = 0,
) -> Iterator[Matrix]:
    """Read a task's object: header, admission, body; its memory is held for the block.

    Parameters
    ----------
    copies : int
        Of the matrix, for which memory is held as well: it is inverted so many times more.

    Yields
    ------
    ndarray
        The matrix or stack, which belongs to the caller and may be overwritten.

    Raises
    ------
    NotOurs
        If the job is not this worker's after all.
    MatinvError
        If the object is bad, or cannot be read.
    """

    def admit(prediction: Prediction) -> None:
        memory_bytes = prediction.memory_bytes + copies * prediction.matrix_bytes
        prediction = replace(prediction, memory_bytes=memory_bytes)
        check_fits(app, task, prediction, deadline, threads, times=1 + copies)
        held.enter_context(gate.hold(prediction.memory_bytes))
        deadline.check(task.predicted_s)  # the others may have held the memory for long

    with ExitStack() as held:
        with opened_object(app, task) as (form, blob, file):
            match file:
                case OpenedFile(header, read, read_s):
                    asked = task.options
                    admit(
                        predict(
                            header.shape,
                            header.dtype,
                            asked.method,
                            asked.format or form,
                            read_s,
                            accuracy=asked.accuracy,
                        )
                    )
                    matrix = read()
                case Text() as text:
                    admit(predict_text(text, blob.size_bytes))
                    matrix = _read_text(task, blob)
                    task.options_known = True
                    check_begins(app, task)
        yield matrix


@contextmanager
def opened_object(app: App, task: Task) -> Iterator[tuple[Format, Blob, OpenedFile | Text]]:
    """Open a task's object, and read its header and its options, but no element.

    Raises
    ------
    NotOurs
        If the job is not this worker's after all.
    MatinvError
        If the object is bad, or cannot be read.
    """
    request, reference = _reference(app, task)
    with _open(app, request, reference) as blob:
        task.input = opened(task.input, blob.version_id, blob.etag, blob.size_bytes)
        task.input = replace(task.input, content=blob.metadata.get(CONTENT))
        if request.dropped:
            task.request = replace(request, replace=replaces(blob.metadata))
            check_owner(app, task)  # before what is wrong with a duplicate is looked for
            options = options_of_metadata(blob.metadata)
            task.request = replace(task.request, options=options)
        form = format_of_key(reference.key)
        file = open_file(form, blob, blob.size_bytes)
        if isinstance(file, OpenedFile):
            task.options_known = True
            check_begins(app, task)
            header = file.header
            task.input = replace(task.input, shape=header.shape, dtype=header.dtype.name)
        else:
            check_owner(app, task)
        yield form, blob, file


def _reference(app: App, task: Task) -> tuple[Request, Reference]:
    """Return a task's request and the reference in it, after a check that jobs may read it."""
    request = task.request
    if not request or not isinstance(request.input, Reference):
        message = "only references are loaded"
        raise TypeError(message)
    reference = request.input
    if reference.bucket != app.inputs_bucket:
        raise Refused(
            Code.FORBIDDEN_REF,
            "the reference names a bucket that jobs may not read",
            "upload the matrix to the inputs bucket",
            observed=reference.bucket,
            limit=app.inputs_bucket,
        )
    # S3 takes no key that leads above its bucket where the dots in its URL are resolved, counted
    # from left to right ("Naming Amazon S3 objects", User Guide).
    steps = [{"..": -1, ".": 0, "": 0}.get(part, 1) for part in reference.key.split("/")]
    if min(accumulate(steps)) < 0:
        raise Refused(
            Code.FORBIDDEN_REF,
            "the reference names an object outside of its bucket",
            "S3 has no such objects: leave out the '..'",
            observed=reference.key,
        )
    format_of_key(reference.key)
    return request, reference


@contextmanager
def _open(app: App, request: Request, reference: Reference) -> Iterator[Blob]:
    try:
        with app.store.open(reference) as blob:
            yield blob
    except Refused as error:
        if request.dropped and error.info.observed == "overwritten":
            # A newer upload replaced the object, and has an event of its own.
            raise NotOurs(Verdict.STALE) from error
        raise


def _read_text(task: Task, blob: Blob) -> Matrix:
    request = task.request
    if request is None:
        message = "only references are loaded"
        raise TypeError(message)
    known = request if request.dropped else replace(request, options=Options())
    inline, options = parse_file(blob.read(blob.size_bytes), known)
    # A message knows better than the file that it refers to.
    said = () if request.dropped else request.options.named
    options = over(options, {name: getattr(request.options, name) for name in said})
    task.request = replace(request, options=options)
    task.input = replace(task.input, shape=inline.array.shape, dtype=inline.array.dtype.name)
    return inline.array
