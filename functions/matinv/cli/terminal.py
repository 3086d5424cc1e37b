"""What a person at a terminal sees.

With `matinv.cli.health_view` the only user of rich, which respects ``NO_COLOR``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

_COLOURS = {
    "SUCCEEDED": "green",
    "PARTIAL": "yellow",
    "RETRYING": "yellow",
    "FAILED": "red",
    "RUNNING": "cyan",
    "ok": "green",
    "failed": "red",
}


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table to stdout."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        # Text, not markup: a job id may contain brackets' cousins, a message certainly may.
        table.add_row(*(Text(cell, style=_COLOURS.get(cell, "")) for cell in row))
    Console().print(table)


@contextmanager
def progress(total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr; the block is given a function that sets how many jobs have ended."""
    columns = (
        TextColumn("waiting"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("waiting", total=total)
        yield lambda done: bar.update(task, completed=done)
