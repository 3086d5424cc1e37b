"""Run the benchmark: ``scripts/bench [--row N] [--quick] [--json FILE] [--readme]``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from bench import codecs, coldstart, console, jobs, kernels, machine, memory, proven, ranks, threads
from bench.checks import WrongError
from bench.lab import Lab
from bench.measure import UnmeasurableError
from bench.table import Row, markdown

_README: Final = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- generated: bench -->\n", "<!-- end: bench -->"

ROWS: Final[Mapping[int, Sequence[Callable[[Lab], Iterator[Row]]]]] = {
    1: [jobs.messages],
    2: [jobs.files],
    3: [kernels.general],
    4: [kernels.definite],
    5: [kernels.stacks],
    6: [codecs.reading],
    7: [codecs.writing],
    8: [memory.peak],
    9: [memory.largest],
    10: [coldstart.first_answer],
    11: [kernels.certified],
    12: [jobs.per_job, kernels.growth],
    13: [threads.two_threads],
    16: [proven.verified],
    17: [ranks.over_ranks],
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table and return 1 if a side of a comparison was wrong."""
    options = _options(arguments)
    if options.console:
        for line in console.waits(options.quick):
            sys.stdout.write(f"{line}\n")
        return 0
    rows: list[Row] = []
    wrong: list[str] = []
    with ExitStack() as resources:
        lab = Lab(options.quick, resources)
        for number in options.row or ROWS:
            try:
                for measure in ROWS[number]:
                    rows.extend(_shown(measure(lab)))
            except WrongError as error:
                wrong.append(f"row {number} is wrong: {error}\n")
            except UnmeasurableError as error:
                sys.stderr.write(f"row {number} is not measured: {error}\n")
    text = f"{markdown(rows)}\n{machine.description()}\n"
    sys.stdout.write(text)
    sys.stderr.writelines(wrong)
    if options.json:
        Path(options.json).write_text(json.dumps([row.to_json() for row in rows], indent=1))
    if options.readme and not wrong:
        _write_readme(text)
    return 1 if wrong else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measure the service side by side with its peers and print one table. The exit "
        "code is 1 if a result was wrong; a figure that misses its reach is told by the table.",
    )
    parser.add_argument("--row", type=int, action="append", choices=list(ROWS), help="only this")
    parser.add_argument("--quick", action="store_true", help="fewer, smaller: under two minutes")
    parser.add_argument("--console", action="store_true", help="only the waits of console and top")
    parser.add_argument("--json", metavar="FILE", help="also write the rows there")
    parser.add_argument("--readme", action="store_true", help="also write the README beside it")
    options = parser.parse_args(arguments)
    if options.readme and options.row:
        parser.error("tests/bench/README.md shows all rows")
    return options


def _shown(rows: Iterator[Row]) -> Iterator[Row]:
    """Tell the one who waits what has been measured."""
    for row in rows:
        sys.stderr.write(f"{row.row:>2} {row.work}: {row.ratio:.3g}\n")
        yield row


def _write_readme(text: str) -> None:
    before, rest = _README.read_text().split(BEGIN)
    _README.write_text(before + BEGIN + text + rest[rest.index(END) :])


if __name__ == "__main__":
    sys.exit(main())
