"""The timeline of a batch as PNG, by matplotlib: a row per job, its phases in colours.

A record says how long the phases took, not when they began. They are laid out in their order:
queued and load from the job's begin, publish and invert up to its end; what is left in between is
the time that it waited in its batch for others. A job that was tried more than once shows the
phases of its last attempt, queued since its first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import accumulate
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from matinv.jobs.record import Record, Status
from matinv.jobs.times import seconds_of, timestamp
from matinv.operations.throughput import PHASES

# Colours that also people with a colour vision deficiency tell apart (Okabe and Ito, 2008).
COLOURS: Final = {
    "queued": "#a0a0a0",
    "load": "#56b4e9",
    "in its batch": "#d9d9d9",
    "invert": "#0072b2",
    "publish": "#e69f00",
}
MARKS: Final = {
    Status.FAILED: ("failed", "x", "#d00000"),
    Status.PARTIAL: ("partial", "^", "#009e73"),
    None: ("not ended", ">", "#000000"),
}

ROWS_LIMIT: Final = 2000  # above it a row is the mean of several jobs
DPI: Final = 100

_NAMED_ROWS: Final = 60  # job ids are shown for so many
_NAME_LENGTH: Final = 32  # of up to 128
_WIDTH_IN: Final = 12.0
_ROW_IN: Final = 0.25  # where there are few
_TALL_IN: Final = 10.0  # above it rows become thinner, down to a pixel
_MARGIN_IN: Final = 1.4
_LEGEND_PT: Final = 8.0

_UNITS: Final = (("hours", 3600.0, 3 * 3600.0), ("minutes", 60.0, 180.0), ("seconds", 1.0, 0.0))


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """A job on the time axis, in seconds since the epoch.

    Parameters
    ----------
    job_id : str
        The job.
    begin_s : float
        When it was created, or sent if that was earlier.
    lengths_s : tuple of float
        One for each of `COLOURS`, in their order.
    status : Status or None
        None for a job that has not ended.
    """

    job_id: str
    begin_s: float
    lengths_s: tuple[float, ...]
    status: Status | None

    @property
    def end_s(self) -> float:
        """When it ended, or was looked at last."""
        return self.begin_s + sum(self.lengths_s)


def png(records: Iterable[Record], now_s: float) -> bytes:
    """Return the timeline of jobs, at least one, as a PNG file."""
    file = BytesIO()
    figure(rows_of(records, now_s)).savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def rows_of(records: Iterable[Record], now_s: float) -> list[TimelineRow]:
    """Return jobs as rows, the earliest first; those that have not ended reach until now."""
    rows = [_row(record, now_s) for record in records]
    return sorted(rows, key=lambda row: (row.begin_s, row.end_s, row.job_id))


def figure(rows: Sequence[TimelineRow]) -> Figure:
    """Draw rows, the first on top.

    Parameters
    ----------
    rows : sequence of TimelineRow
        At least one. More than `ROWS_LIMIT` are drawn as means of neighbours.
    """
    per_row = -(-len(rows) // ROWS_LIMIT)
    drawn = [_mean(rows[i : i + per_row]) for i in range(0, len(rows), per_row)]
    height_in = min(len(drawn) * _ROW_IN, max(_TALL_IN, len(drawn) / DPI))
    made = Figure((_WIDTH_IN, height_in + _MARGIN_IN), dpi=DPI, layout="constrained")
    axes = made.add_subplot()
    named = len(rows) <= _NAMED_ROWS
    _draw(axes, drawn, thick_pt=(0.8 if named else 1.0) * 72 * height_in / len(drawn))
    # How many jobs there are, and how they ended.
    counts = Counter(row.status for row in rows)
    ends = [f"{counts[Status.SUCCEEDED]:,} succeeded"]
    ends += [f"{counts[status]:,} {name}" for status, (name, *_) in MARKS.items() if counts[status]]
    jobs = "1 job" if len(rows) == 1 else f"{len(rows):,} jobs"
    axes.set_title(f"{jobs}: {', '.join(ends)}", loc="left")
    axes.set_ylim(len(drawn) - 0.5, -0.5)
    if named:
        names = [row.job_id for row in rows]
        cut = _NAME_LENGTH - 1
        shown = [name if len(name) <= _NAME_LENGTH else f"{name[:cut]}…" for name in names]
        axes.set_yticks(range(len(rows)), shown)
    else:
        axes.set_ylabel("jobs" if per_row == 1 else f"{per_row} jobs a row, their mean")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    legend = axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    for line in legend.get_lines():  # of marks there are none
        line.set_linewidth(_LEGEND_PT)
    return made


def _draw(axes: Axes, rows: Sequence[TimelineRow], thick_pt: float) -> None:
    zero_s = min(row.begin_s for row in rows)
    span_s = max(row.end_s for row in rows) - zero_s
    unit, unit_s = next((name, size_s) for name, size_s, above_s in _UNITS if span_s >= above_s)
    edges = np.array([[*accumulate(row.lengths_s, initial=row.begin_s)] for row in rows])
    edges = (edges - zero_s) / unit_s
    places = np.arange(len(rows))
    for i, (name, colour) in enumerate(COLOURS.items()):
        begins, ends = edges[:, i], edges[:, i + 1]
        axes.hlines(places, begins, ends, colour, lw=thick_pt, label=name, capstyle="butt")
    for status, (name, marker, colour) in MARKS.items():
        if marked := [place for place, row in enumerate(rows) if row.status is status]:
            ends = edges[marked, -1]
            axes.scatter(ends, marked, s=30, c=colour, marker=marker, label=name, zorder=3)
    axes.set_xlim(0, max(edges.max(), 1e-3) * 1.01)
    axes.set_xlabel(f"{unit} since {timestamp(zero_s)}")
    axes.grid(axis="x", alpha=0.3)


def _row(record: Record, now_s: float) -> TimelineRow:
    if not record.status.terminal:
        begin_s = seconds_of(record.created_at) if record.created_at else now_s
        return TimelineRow(record.job_id, begin_s, (max(0.0, now_s - begin_s), 0, 0, 0, 0), None)
    end_s = seconds_of(record.updated_at)
    queued_s, *work_s = (record.timings_ms.get(name, 0.0) / 1000 for name in PHASES)
    known_s = queued_s + sum(work_s)
    begin_s = min(seconds_of(record.created_at), end_s - known_s)
    between_s = max(0.0, end_s - begin_s - known_s)
    if record.redrive or not any(work_s):  # it passed before the message was sent, or nobody knows
        queued_s, between_s = queued_s + between_s, 0.0
    load_s, *rest_s = work_s
    return TimelineRow(
        record.job_id, begin_s, (queued_s, load_s, between_s, *rest_s), record.status
    )


def _mean(rows: Sequence[TimelineRow]) -> TimelineRow:
    """Return the mean of neighbours, with the gravest of their ends."""
    statuses = [row.status for row in rows]
    gravest = next((status for status in MARKS if status in statuses), Status.SUCCEEDED)
    lengths = np.mean([row.lengths_s for row in rows], axis=0)
    begin_s = float(np.mean([row.begin_s for row in rows]))
    return TimelineRow(rows[0].job_id, begin_s, tuple(map(float, lengths)), gravest)
