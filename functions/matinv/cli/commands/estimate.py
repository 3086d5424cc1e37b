"""`matinv estimate`: what a matrix will take, from its header alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

from matinv.cli.errors import complain
from matinv.cli.options import accuracy_option, method_option, output_option
from matinv.cli.output import emit
from matinv.cli.sources import find
from matinv.client.preparation import INLINE_LIMIT_BYTES
from matinv.errors import Code, MatinvError, Refused
from matinv.formats.codecs import Text, format_of_key, open_file
from matinv.jobs.error_answers import Exit
from matinv.jobs.lanes import Lane, grid, huge
from matinv.jobs.limits import Prediction, predict, predict_text
from matinv.jobs.prices import STANDARD_BATCH, Cost, cost
from matinv.linalg.types import Accuracy, Method
from matinv.settings import lanes as lanes_of_environment

_INLINE_RESULT_BYTES: Final = 8 * 1024  # MATINV_INLINE_RESULT_BYTES unless it is set
_NOTIFICATION_BYTES: Final = 1024
_NPY_HEADER_BYTES: Final = 128
_DTYPES: Final = ("float64", "float32", "complex128", "complex64")

_COLUMNS: Final = {
    "INPUT": "input",
    "SHAPE": "shape",
    "DTYPE": "dtype",
    "MEMORY MIB": "memory_mib",
    "SECONDS": "seconds",
    "LANE": "lane",
    "SECONDS THERE": "wall_s",
    "COST USD": "cost_usd.total",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """The subject of an estimate: a file, or a matrix that nobody has made yet."""

    name: str
    shape: tuple[int, ...] | None
    dtype: str | None
    size_bytes: int
    prediction: Prediction


@click.command()
@click.argument("files", metavar="[PATH...]", nargs=-1, type=click.Path(exists=True))
@click.option("--n", type=click.IntRange(min=1), help="Order of the matrix, if you give no file.")
@click.option(
    "--count", type=click.IntRange(min=1), help="With --n: number of matrices in a stack."
)
@click.option(
    "--dtype",
    type=click.Choice(_DTYPES),
    default="float64",
    show_default=True,
    help="With --n: the dtype.",
)
@method_option
@accuracy_option
@output_option
def estimate(  # noqa: PLR0913 - each is an option of the command
    *,
    files: tuple[str, ...],
    n: int | None,
    count: int | None,
    dtype: str,
    method: Method,
    accuracy: Accuracy,
    output: str,
) -> Exit:
    """Predict memory, time, lane and cost.

    PATH is a file or a directory. For a directory, every matrix in it and below is listed, and
    stderr has the sum. If stacks of equal matrices would be far cheaper, stderr says what they
    would cost. Only the header of a file is read; a JSON file has none and is estimated from its
    length. Memory is what the worker needs in addition to its idle state. Seconds are of one vCPU.
    The cost is at us-east-1's list prices. Files that fit the standard lane share invocations, up
    to a hundred each.
    """
    if bool(files) == bool(n):
        raise click.UsageError("give files or --n (allowed: exactly one of them)")
    if count and not n:
        raise click.UsageError("--count without --n has no effect")
    if n:
        shape = (count, n, n) if count else (n, n)
        prediction = predict(shape, np.dtype(dtype), method, accuracy=accuracy)
        size_bytes = prediction.matrix_bytes + _NPY_HEADER_BYTES
        subjects = [Subject(f"{dtype} {shape}", shape, dtype, size_bytes, prediction)]
    else:
        files = tuple(str(source.path) for source in find(files))
        subjects = list(_of_files(files, method, accuracy))
    lanes = lanes_of_environment()
    rows = [_row(subject, lanes, len(subjects)) for subject in subjects]
    if rows:
        emit(rows, _COLUMNS, output)
    for row, subject in zip(rows, subjects, strict=True):
        if row["lane"] is None:
            largest = [*lanes][-1]
            refused = Refused(
                Code.TOO_LARGE,
                f"no lane can do this job{_beyond(subject)}",
                "use a smaller matrix, float32, or another method",
                observed=f"{row['memory_mib']:,} MiB, {row['seconds']:,.0f} s",
                limit=f"{largest.memory_mb:,} MiB, {largest.timeout_s:g} s "
                f"of {largest.threads} vCPUs",
            )
            complain(refused.info, row["input"])
    if len(rows) > 1:
        click.echo(f"matinv: {_sum(subjects, rows, lanes, method, accuracy)}", err=True)
    fits = sum(row["lane"] is not None for row in rows)
    return Exit.OK if fits == (1 if n else len(files)) else Exit.REFUSED


def _of_files(files: Iterable[str], method: Method, accuracy: Accuracy) -> Iterator[Subject]:
    """Yield the files that can be read, and complain of the others."""
    for name in files:
        path = Path(name)
        size_bytes = path.stat().st_size
        try:
            form = format_of_key(path.name)
            with path.open("rb") as file:
                opened = open_file(form, file, size_bytes)
            if isinstance(opened, Text):
                prediction = predict_text(opened, size_bytes, accuracy)
                yield Subject(str(path), None, None, size_bytes, prediction)
            else:
                shape, dtype = opened.header.shape, opened.header.dtype
                prediction = predict(shape, dtype, method, form, opened.read_s, accuracy=accuracy)
                yield Subject(str(path), shape, dtype.name, size_bytes, prediction)
        except MatinvError as error:
            complain(error.info, name)


def _sum(
    subjects: Sequence[Subject],
    rows: Sequence[Mapping[str, Any]],
    lanes: Lane,
    method: Method,
    accuracy: Accuracy,
) -> str:
    """Return the sum of all costs, and the cost as stacks of equal matrices.

    A stack is a job like another: what it saves are messages, records and results.
    """
    costs = [row["cost_usd"]["total"] for row in rows if row["cost_usd"]]
    said = (
        f"{len(rows):,} files: ${sum(costs):.3g}, {sum(row['seconds'] for row in rows):,.3g} s "
        "of one vCPU"
    )
    alike: dict[tuple[tuple[int, ...], str], list[float]] = {}
    for subject, row in zip(subjects, rows, strict=True):
        if subject.shape and subject.dtype and len(subject.shape) == 2 and row["cost_usd"]:
            own = row["cost_usd"]["total"]
            alike.setdefault((subject.shape, subject.dtype), []).append(own)
    stacks, saved = 0, 0.0
    for (shape, dtype), own in alike.items():
        prediction = predict((len(own), *shape), np.dtype(dtype), method, accuracy=accuracy)
        size_bytes = prediction.matrix_bytes + _NPY_HEADER_BYTES
        stack = _row(Subject("", (len(own), *shape), dtype, size_bytes, prediction), lanes)
        if len(own) > 1 and stack["cost_usd"] and stack["cost_usd"]["total"] < sum(own) / 2:
            stacks += 1
            saved += sum(own) - stack["cost_usd"]["total"]
    if stacks:
        each = "a stack (k, n, n)" if stacks == 1 else f"{stacks:,} stacks (k, n, n)"
        said += f"; ${sum(costs) - saved:.3g} with equal matrices in {each}: numpy.stack"
    return said


def _beyond(subject: Subject) -> str:
    """Say which lane that this stack lacks would do a job, and what it would take there."""
    row = _row(subject, huge("", grid("")))
    if not row["lane"]:
        return ""
    minutes = row["wall_s"] / 60
    time = f"{minutes:.0f} minutes" if minutes < 100 else f"{minutes / 60:.1f} hours"
    usd = row["cost_usd"]["total"]
    return f"; the lane {row['lane']}, were it deployed, would: {time}, ${usd:.2f}"


def _row(subject: Subject, lanes: Lane, jobs: int = 1) -> dict[str, Any]:
    prediction = subject.prediction
    lane = lanes.first_for(prediction.memory_bytes, prediction.seconds, prediction.serial_s)
    found: Cost | None = None
    if lane:
        message_bytes = subject.size_bytes * 4 // 3
        uploaded = message_bytes > INLINE_LIMIT_BYTES
        small = subject.size_bytes <= _INLINE_RESULT_BYTES
        found = cost(
            prediction.wall_s(lane.threads),
            lane,
            _NOTIFICATION_BYTES if uploaded else message_bytes,
            subject.size_bytes if small else 0,
            uploaded=uploaded,
            jobs=min(jobs, STANDARD_BATCH) if lane is lanes else 1,
        )
    return {
        "input": subject.name,
        "shape": subject.shape,
        "dtype": subject.dtype,
        "memory_mib": ceil(prediction.memory_bytes / 2**20),
        "seconds": prediction.seconds,
        "lane": lane.name if lane else None,
        "wall_s": prediction.wall_s(lane.threads) if lane else None,
        "cost_usd": asdict(found) | {"total": found.total} if found else None,
    }
