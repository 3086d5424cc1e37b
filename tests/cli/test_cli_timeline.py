"""`matinv wait --plot`: the figure, and the file that it becomes."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matinv.cli import timeline
from matinv.cli.timeline import COLOURS, TimelineRow
from matinv.jobs.record import Record, Status
from matinv.jobs.times import timestamp
from matinv.testing.contracts import record
from support.memory_service import Cli, MemoryService, general

pytestmark = pytest.mark.way("memory", "the picture is drawn of records, wherever they come from")

NOW_S = 1_700_000_000.0
SINGULAR = [[1.0, 2.0], [2.0, 4.0]]
STACK = np.stack([np.eye(3), np.ones((3, 3))])
PHASES = {"queued_ms": 1000.0, "load_ms": 200.0, "invert_ms": 300.0, "publish_ms": 100.0}


def job(job_id: str = "j", begin_s: float = 0.0, length_s: float = 2.0, **changes: Any) -> Record:
    made = replace(
        record(job_id, status=Status.SUCCEEDED),
        created_at=timestamp(NOW_S + begin_s),
        updated_at=timestamp(NOW_S + begin_s + length_s),
        timings_ms=PHASES,
    )
    return replace(made, **changes)


def row_of(made: Record, now_s: float = NOW_S + 60) -> TimelineRow:
    (row,) = timeline.rows_of([made], now_s)
    return row


def size_of(content: bytes) -> tuple[int, int]:
    """Return width and height of a PNG, in pixels."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def bars(rows: Sequence[TimelineRow]) -> dict[str, list[tuple[float, float, float]]]:
    """Return what is drawn: by phase, for each row its place, begin and end."""
    (axes,) = timeline.figure(rows).axes
    drawn: dict[str, list[tuple[float, float, float]]] = {}
    for lines in axes.collections:
        if (name := str(lines.get_label())) in COLOURS:
            pairs = (path.vertices for path in lines.get_paths())
            drawn[name] = [(a[1], a[0], b[0]) for a, b in pairs]
    return drawn


def marks(rows: Sequence[TimelineRow]) -> dict[str, list[float]]:
    """Return the rows that carry a mark, by its name."""
    (axes,) = timeline.figure(rows).axes
    named = {str(found.get_label()): found for found in axes.collections}
    return {
        name: [float(y) for _, y in found.get_offsets()]
        for name, found in named.items()
        if name not in COLOURS
    }


class TestRow:
    def test_phases_fill_the_time_from_begin_to_end(self) -> None:
        row = row_of(job())
        assert (row.begin_s, row.end_s) == (NOW_S, NOW_S + 2)
        assert row.lengths_s == pytest.approx((1.0, 0.2, 0.4, 0.3, 0.1))

    def test_a_file_begins_when_it_was_sent_not_when_its_record_was(self) -> None:
        row = row_of(job(created_at=timestamp(NOW_S + 2)))
        assert row.begin_s - NOW_S == pytest.approx(2 - 1.6, abs=1e-3)
        assert row.lengths_s[2] == pytest.approx(0.0, abs=1e-6)

    def test_a_redriven_job_was_queued_all_the_time_before(self) -> None:
        row = row_of(job(length_s=3600.0, redrive=1))
        assert row.lengths_s == pytest.approx((3599.4, 0.2, 0.0, 0.3, 0.1))

    def test_a_job_that_says_nothing_of_its_phases_was_queued(self) -> None:
        row = row_of(job(timings_ms={}))
        assert row.lengths_s == (2.0, 0.0, 0.0, 0.0, 0.0)

    def test_a_job_that_has_not_ended_reaches_until_now(self) -> None:
        row = row_of(job(status=Status.RETRYING), NOW_S + 30)
        assert (row.end_s, row.status) == (NOW_S + 30, None)

    def test_a_file_without_a_record_is_where_now_is(self) -> None:
        row = row_of(job(status=Status.QUEUED, created_at="", updated_at=""), NOW_S + 30)
        assert (row.begin_s, row.end_s) == (NOW_S + 30, NOW_S + 30)

    def test_the_earliest_comes_first(self) -> None:
        jobs = [job("b", 5.0), job("c", 0.0), job("a", 5.0)]
        assert [row.job_id for row in timeline.rows_of(jobs, NOW_S)] == ["c", "a", "b"]


@pytest.mark.deep
class TestFigure:
    def test_each_job_is_a_bar_of_its_phases(self) -> None:
        drawn = bars(timeline.rows_of([job("a"), job("b", 1.0)], NOW_S))
        assert drawn.keys() == COLOURS.keys()
        assert drawn["queued"] == [
            (0, 0, pytest.approx(1)),
            (1, pytest.approx(1), pytest.approx(2)),
        ]
        assert drawn["invert"][1] == (1, pytest.approx(2.6), pytest.approx(2.9))
        assert drawn["publish"][1] == (1, pytest.approx(2.9), pytest.approx(3.0))

    def test_jobs_that_did_not_succeed_are_marked(self) -> None:
        statuses = [Status.SUCCEEDED, Status.FAILED, Status.PARTIAL, Status.RUNNING, Status.FAILED]
        jobs = [job(f"j{n}", n, status=status) for n, status in enumerate(statuses)]
        rows = timeline.rows_of(jobs, NOW_S + 60)
        assert marks(rows) == {"failed": [1, 4], "partial": [2], "not ended": [3]}
        (axes,) = timeline.figure(rows).axes
        assert axes.get_title(loc="left") == "5 jobs: 1 succeeded, 2 failed, 1 partial, 1 not ended"

    def test_there_is_a_legend_and_a_time_axis(self) -> None:
        (axes,) = timeline.figure([row_of(job(status=Status.FAILED))]).axes
        legend = axes.get_legend()
        assert legend
        assert [text.get_text() for text in legend.get_texts()] == [*COLOURS, "failed"]
        assert axes.get_xlabel() == "seconds since 2023-11-14T22:13:20.000Z"
        assert axes.get_title(loc="left") == "1 job: 0 succeeded, 1 failed"

    @pytest.mark.parametrize(
        ("length_s", "unit"),
        [(0.0, "seconds"), (179.0, "seconds"), (180.0, "minutes"), (10_800.0, "hours")],
    )
    def test_the_time_axis_has_a_fitting_unit(self, length_s: float, unit: str) -> None:
        (axes,) = timeline.figure([row_of(job(length_s=length_s, timings_ms={}))]).axes
        assert axes.get_xlabel().startswith(unit)

    def test_few_rows_are_named_many_are_counted(self) -> None:
        long = "x" * 128
        (axes,) = timeline.figure([row_of(job(long)), row_of(job("short"))]).axes
        names = [label.get_text() for label in axes.get_yticklabels()]
        assert names == ["x" * 31 + "…", "short"]
        (axes,) = timeline.figure([row_of(job(f"j{n}")) for n in range(61)]).axes
        assert axes.get_ylabel() == "jobs"

    def test_more_rows_than_pixels_become_means_that_keep_failures(self) -> None:
        jobs = [job(f"j{n}", 1000.0 * (n % 2) + n) for n in range(2001)]
        jobs[7] = replace(jobs[7], status=Status.FAILED)
        rows = timeline.rows_of(jobs, NOW_S)
        drawn = bars(rows)["queued"]
        assert len(drawn) == 1001  # pairs of neighbours, and the last
        (axes,) = timeline.figure(rows).axes
        assert axes.get_ylabel() == "2 jobs a row, their mean"
        assert axes.get_title(loc="left") == "2,001 jobs: 2,000 succeeded, 1 failed"
        assert len(marks(rows)["failed"]) == 1
        assert len(bars(rows[:2000])["queued"]) == 2000


@pytest.mark.deep
class TestPng:
    @pytest.mark.parametrize(
        ("count", "height"), [(1, 165), (12, 440), (40, 1140), (400, 1140), (2000, 2140)]
    )
    def test_grows_with_the_rows_and_stays_bounded(self, count: int, height: int) -> None:
        content = timeline.png([job(f"j{n}", n) for n in range(count)], NOW_S)
        assert size_of(content) == (1200, height)

    def test_is_the_same_for_the_same_jobs(self) -> None:
        assert timeline.png([job()], NOW_S) == timeline.png([job()], NOW_S)


@pytest.mark.deep
class TestCommand:
    def test_a_batch_becomes_a_picture(self, run: Cli, service: MemoryService) -> None:
        for k in range(3):
            service.client.submit(general(4, k), job_id=f"good-{k}")
        service.client.submit(SINGULAR, job_id="bad")
        service.client.submit(STACK, job_id="partial")
        ids = ["good-0", "good-1", "good-2", "bad", "partial"]
        result = run("wait", *ids, "--plot", "batch.png")
        assert (result.exit_code, result.stderr) == (3, "")
        assert len(result.stdout.splitlines()) == 1 + len(ids)
        assert size_of(Path("batch.png").read_bytes()) == (1200, 265)
        assert [path.name for path in Path().iterdir()] == ["batch.png"]

    def test_an_older_picture_is_replaced(self, run: Cli, service: MemoryService) -> None:
        Path("old.png").write_bytes(b"old")
        service.client.submit(general(4), job_id="a")
        assert run("wait", "a", "--plot", "old.png").exit_code == 0
        assert size_of(Path("old.png").read_bytes())

    def test_jobs_that_are_late_are_in_it(self, run: Cli, service: MemoryService) -> None:
        service.working = False
        service.client.submit(general(4), job_id="late")
        assert run("wait", "late", "--timeout", "5s", "--plot", "p.png").exit_code == 5
        assert size_of(Path("p.png").read_bytes())

    def test_an_unknown_job_is_not(self, run: Cli, service: MemoryService) -> None:
        service.client.submit(general(4), job_id="a")
        result = run("wait", "a", "typo", "--plot", "p.png")
        assert result.exit_code == 6
        assert "NOT_FOUND: typo" in result.stderr
        assert size_of(Path("p.png").read_bytes()) == (1200, 165)

    def test_of_nothing_there_is_no_picture(self, run: Cli) -> None:
        assert run("wait", "typo", "--plot", "p.png").exit_code == 6
        assert not Path("p.png").exists()

    @pytest.mark.parametrize(
        ("file", "why"), [("no/p.png", "No such file or directory"), (".", "Is a directory")]
    )
    def test_what_cannot_be_written_is_told_before_the_wait(
        self, run: Cli, service: MemoryService, file: str, why: str
    ) -> None:
        service.client.submit(general(4), job_id="a")
        result = run("wait", "a", "--plot", file)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == f"matinv: FILE: {file}: {why}; check the path and its permissions\n"
        assert service.pauses == []

    def test_a_place_that_is_gone_after_the_wait_costs_the_picture_alone(
        self, run: Cli, service: MemoryService
    ) -> None:
        Path("d").mkdir()
        service.client.submit(general(4), job_id="a")
        service.on_sleep = Path("d").rmdir
        result = run("wait", "a", "--plot", "d/p.png")
        assert result.exit_code == 1
        assert "SUCCEEDED" in result.stdout
        assert result.stderr.startswith("matinv: FILE: ")

    def test_without_matplotlib_the_command_says_what_to_install(self) -> None:
        code = (
            "import sys; from importlib.machinery import PathFinder\n"
            "class Lacking(PathFinder):\n"
            "    @classmethod\n"
            "    def find_spec(cls, name, *rest):\n"
            "        return None if name == 'matplotlib' else super().find_spec(name, *rest)\n"
            "sys.meta_path[:] = [f if f is not PathFinder else Lacking for f in sys.meta_path]\n"
            "sys.argv[1:] = ['wait', 'a', '--plot', 'p.png']\n"
            "from matinv.cli import main; main()"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        expected = "matplotlib is not installed; run: pip install 'matinv[plot]'"
        assert (done.returncode, done.stderr) == (1, f"matinv: MISSING: {expected}\n")

    def test_without_a_plot_matplotlib_is_not_loaded(self) -> None:
        code = "import sys, matinv.cli.commands.jobs; sys.exit('matplotlib' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
