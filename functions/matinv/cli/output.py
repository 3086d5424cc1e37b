"""How commands print: JSON lines for programs, a table on a terminal, aligned text in a pipe."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from matinv.core.job import Record

Row = Mapping[str, Any]


def emit(rows: Iterable[Row], columns: Mapping[str, str], output: str) -> None:
    """Print `rows` to stdout.

    Parameters
    ----------
    rows : iterable of mapping
        What to print. With ``output="json"`` each is one line, as soon as it comes.
    columns : mapping
        For tables: a column's title, and the row's field that it shows (``a.b`` for a nested one).
    output : str
        ``table`` or ``json``.
    """
    if output == "json":
        for row in rows:
            click.echo(json_text(row))
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


def json_text(value: Row) -> str:
    """Return a document on one line; numbers that JSON does not have become null."""
    return json.dumps(_plain(value), allow_nan=False)


def _plain(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return None
        case Mapping():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return value


def _cell(row: Row, path: str) -> str:
    value: Any = row
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    match value:
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
    "NOTE": "note",
}


def job_row(record: Record) -> dict[str, Any]:
    """Return a record as a document; the bytes of a small result are left to `matinv result`."""
    row: dict[str, Any] = asdict(record)
    row["input"]["bytes"] = row["input"].pop("size_bytes")
    if record.result:
        row["result"]["bytes"] = row["result"].pop("size_bytes")
        row["result"]["inline"] = record.result.inline is not None
    if record.error:
        row["error"]["retryable"] = record.error.retryable
    return {key: value for key, value in row.items() if value is not None} | {"note": note(record)}


def note(record: Record) -> str | None:
    """Return what a person should know of a job: its error, failed slices, warnings."""
    if record.error:
        return f"{record.error.code}: {record.error.message}"
    parts = list(record.warnings)
    if record.slices and record.slices.failed:
        parts.insert(0, f"{record.slices.failed} of {record.slices.count} slices failed")
    return ", ".join(parts) or None
