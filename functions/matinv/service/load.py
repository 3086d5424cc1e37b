"""Load and admit: a task's matrix into memory, after its header said that it fits this lane."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields, replace
from itertools import accumulate
from threading import Condition

from matinv.core import npy
from matinv.core.errors import Code, Refused
from matinv.core.job import Format, Matrix, Options, Reference, Request, opened
from matinv.core.limits import Prediction, predict, predict_json
from matinv.core.message import format_of_key, options_of_metadata, parse_file
from matinv.ports import Blob
from matinv.service.app import MARGIN_S, App, Deadline, Diverted, Task, Verdict
from matinv.service.claim import check_claim


class MemoryGate:
    """Admits jobs side by side while their predicted memory fits a budget.

    A job larger than the budget is admitted alone: whether it fits at all was decided before.
    """

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._used_bytes = 0
        self._changed = Condition()

    @contextmanager
    def hold(self, size_bytes: int) -> Iterator[None]:
        """Wait until `size_bytes` are free and keep them for the length of the block."""
        with self._changed:
            self._changed.wait_for(
                lambda: not self._used_bytes or self._used_bytes + size_bytes <= self._budget_bytes
            )
            self._used_bytes += size_bytes
        try:
            yield
        finally:
            with self._changed:
                self._used_bytes -= size_bytes
                self._changed.notify_all()


@contextmanager
def loaded(
    app: App, task: Task, gate: MemoryGate, deadline: Deadline, threads: int = 1
) -> Iterator[Matrix]:
    """Read a task's object: header, admission, body; its memory is held for the block.

    Yields
    ------
    ndarray
        The matrix or stack, which belongs to the caller and may be overwritten.

    Raises
    ------
    Diverted
        If the job is not this worker's after all.
    MatinvError
        What is wrong with the object, or with reading it.
    """
    request, reference = _reference(task)
    _check_allowed(app, reference)

    def admit(prediction: Prediction) -> None:
        check_fits(app, task, prediction, deadline, threads)
        held.enter_context(gate.hold(prediction.memory_bytes))
        deadline.check(task.predicted_s)  # the others may have held the memory for long

    with ExitStack() as held:
        with _open(app, request, reference) as blob:
            task.input = opened(task.input, blob.version_id, blob.etag, blob.size_bytes)
            check_claim(task)
            if request.dropped:
                request = replace(request, options=options_of_metadata(blob.metadata))
                task.request = request
            if format_of_key(reference.key) is Format.NPY:
                matrix = _read_npy(task, blob, admit)
            else:
                matrix = _read_json(task, request, blob, admit)
        yield matrix


def check_fits(
    app: App, task: Task, prediction: Prediction, deadline: Deadline, threads: int = 1
) -> None:
    """Let a job in if this lane's memory and this invocation's time suffice.

    Parameters
    ----------
    threads : int
        How many threads will work on this one matrix.

    Raises
    ------
    Diverted
        FORWARDED, if only the large lane can do it, and there is one.
    Refused
        TOO_LARGE, if there is none.
    Transient
        DEADLINE, if it would fit into a fresh invocation.
    """
    task.predicted_s = prediction.seconds / threads
    fits_memory = prediction.memory_bytes <= app.budget_bytes
    if fits_memory and task.predicted_s <= deadline.total_s - MARGIN_S:
        deadline.check(task.predicted_s)
        return
    if app.queue.has_large_lane():
        raise Diverted(Verdict.FORWARDED)
    raise Refused(
        Code.TOO_LARGE,
        f"a matrix of shape {task.input.shape or 'unknown'} does not fit this worker",
        "use a smaller matrix or float32, or deploy the large lane",
        observed=f"{prediction.memory_bytes / 2**20:,.0f} MiB, {task.predicted_s:,.0f} s",
        limit=f"{app.budget_bytes / 2**20:,.0f} MiB, {deadline.total_s - MARGIN_S:,.0f} s",
    )


def _reference(task: Task) -> tuple[Request, Reference]:
    match task.request:
        case Request(input=Reference() as reference) as request:
            return request, reference
    message = "only references are loaded"
    raise TypeError(message)


def _check_allowed(app: App, reference: Reference) -> None:
    if reference.bucket != app.inputs_bucket:
        raise Refused(
            Code.FORBIDDEN_REF,
            "the reference names a bucket that jobs may not read",
            "upload the matrix to the inputs bucket",
            observed=reference.bucket,
            limit=app.inputs_bucket,
        )
    if _climbs_out(reference.key):
        raise Refused(
            Code.FORBIDDEN_REF,
            "the reference names an object outside of its bucket",
            "S3 has no such objects: leave out the '..'",
            observed=reference.key,
        )
    format_of_key(reference.key)


def _climbs_out(key: str) -> bool:
    """Whether a key leads above its bucket where the dots in its URL are resolved.

    S3 takes no such key, counted from left to right ("Naming Amazon S3 objects", User Guide).
    """
    depths = accumulate({"..": -1, ".": 0, "": 0}.get(part, 1) for part in key.split("/"))
    return min(depths) < 0


@contextmanager
def _open(app: App, request: Request, reference: Reference) -> Iterator[Blob]:
    try:
        with app.store.open(reference) as blob:
            yield blob
    except Refused as error:
        if request.dropped and error.info.observed == "overwritten":
            # A newer upload replaced the object, and has an event of its own.
            raise Diverted(Verdict.STALE) from error
        raise


def _read_npy(task: Task, blob: Blob, admit: Callable[[Prediction], None]) -> Matrix:
    header = npy.read_header(blob, blob.size_bytes)
    task.input = replace(task.input, shape=header.shape, dtype=header.dtype.name)
    form = task.options.format or Format.NPY
    admit(predict(header.shape, header.dtype, task.options.method, format=form))
    return npy.read_body(blob, header)


def _read_json(
    task: Task,
    request: Request,
    blob: Blob,
    admit: Callable[[Prediction], None],
) -> Matrix:
    admit(predict_json(blob.size_bytes))
    inline, options = parse_file(blob.read(blob.size_bytes), request)
    if not request.dropped:  # a message knows better than the file that it refers to
        options = _overridden(options, request.options)
    task.request = replace(request, options=options)
    task.input = replace(task.input, shape=inline.array.shape, dtype=inline.array.dtype.name)
    return inline.array


def _overridden(options: Options, chosen: Options) -> Options:
    """Return `options` with what was chosen otherwise than by default."""
    default = Options()
    names = [f.name for f in fields(Options) if getattr(chosen, f.name) != getattr(default, f.name)]
    return replace(options, **{name: getattr(chosen, name) for name in names})
