"""Output on a terminal: tables and progress bars.

With `matinv.cli.health_view` the only user of rich, which respects ``NO_COLOR``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

_COLOURS = {
    "SUCCEEDED": "green",
    "PARTIAL": "yellow",
    "RETRYING": "yellow",
    "FAILED": "red",
    "EXPIRED": "red",
    "CANCELLED": "dim",
    "RUNNING": "cyan",
    "ok": "green",
    "failed": "red",
}


# Sentences: they stand below their row where a terminal has no room beside it.
_SENTENCES: Final = frozenset({"NOTE", "MESSAGE"})
_GAP: Final = 2


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table to stdout, as wide as the terminal.

    The first column, of ids, is never cut nor wrapped. Others are left out where they do not fit
    or say nothing; the first ones count most.
    """
    console = Console()
    widths = [max(map(cell_len, column)) + _GAP for column in zip(titles, *rows, strict=True)]
    silent = {n for n in range(1, len(titles)) if rows and all(row[n] == "-" for row in rows)}
    left = console.width + _GAP - widths[0]
    beside, below = [0], []
    for number in sorted({*range(1, len(titles))} - silent):
        if left >= widths[number]:
            left -= widths[number]
            beside.append(number)
        elif titles[number] in _SENTENCES:
            below.append(number)

    def show(cells: Sequence[str]) -> None:
        line = Text()
        for number in beside:
            # Text, not markup: a job id may contain brackets' cousins, a message certainly may.
            line.append(cells[number], style=_COLOURS.get(cells[number], ""))
            line.append(" " * (widths[number] - cell_len(cells[number])))
        line.rstrip()
        console.print(line, soft_wrap=True)

    show(titles)
    console.print("─" * min(console.width, sum(widths[number] for number in beside) - _GAP))
    for row in rows:
        show(row)
        for sentence in (row[number] for number in below if row[number] != "-"):
            console.print(Text(f"  {sentence}", style="dim"), soft_wrap=True)


@contextmanager
def progress(doing: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr; the block is given a function that sets how many are done."""
    columns = (
        TextColumn(doing),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda done: bar.update(task, completed=done)
