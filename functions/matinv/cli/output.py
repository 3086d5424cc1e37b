"""How commands print: JSON lines for programs, a table on a terminal, aligned text in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click

from matinv.jobs.record_document import field_of, json_line

Row = Mapping[str, Any]


@contextmanager
def bar(doing: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show progress on stderr if it is a terminal; the block gets what sets how many are done."""
    if not sys.stderr.isatty():
        yield lambda done: None  # noqa: ARG005 - nobody sees it
        return
    from matinv.cli.terminal import progress  # noqa: PLC0415 - rich, 50 ms, terminals only

    with progress(doing, total) as set_done:
        yield set_done


def emit(rows: Iterable[Row], columns: Mapping[str, str], output: str) -> None:
    """Print `rows` to stdout.

    Parameters
    ----------
    rows : iterable of mapping
        The rows to print. With ``output="json"`` each is one line, as soon as it comes.
    columns : mapping
        For tables: a column's title, and the row's field that it shows (``a.b`` for a nested one).
    output : str
        ``table`` or ``json``.
    """
    if output == "json":
        for row in rows:
            click.echo(json_line(row))
        return
    cells = [[_cell(row, path) for path in columns.values()] for row in rows]
    if sys.stdout.isatty():
        from matinv.cli.terminal import print_table  # noqa: PLC0415 - rich, 50 ms, terminals only

        print_table(list(columns), cells)
    else:
        click.echo(aligned([list(columns), *cells]))


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Return cells as text in columns.

    Examples
    --------
    >>> print(aligned([["ID", "N"], ["a-long-one", "2"]]))
    ID          N
    a-long-one  2
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cell(row: Row, path: str) -> str:
    match value := field_of(row, path):
        case None | "":
            return "-"
        case float():
            return f"{value:.3g}"
        case list() | tuple():
            return " x ".join(str(item) for item in value) or "-"
    return str(value)


JOB_COLUMNS = {
    "JOB ID": "job_id",
    "STATUS": "status",
    "SHAPE": "input.shape",
    "DTYPE": "input.dtype",
    "DIGITS": "certificate.digits",
    "RESIDUAL": "certificate.residual",
    "UPDATED": "updated_at",
    "SOURCE": "input.source",
    "NOTE": "note",
}
