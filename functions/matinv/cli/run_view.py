"""How a run goes, in words."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import click

from matinv.cli.errors import exit_of_status, gravest, say
from matinv.cli.output import bar
from matinv.client import Client
from matinv.jobs.error_answers import NOT_FOUND, NOT_FOUND_HINT, Exit
from matinv.jobs.record_document import json_line
from matinv.jobs.runs import RunSummary, summary_document


def counted(counts: Mapping[str, int]) -> str:
    """Return counts as words.

    Examples
    --------
    >>> counted({"succeeded": 2001, "failed": 2, "partial": 0})
    '2,001 succeeded, 2 failed'
    """
    return ", ".join(f"{count:,} {word}" for word, count in counts.items() if count) or "none"


def many(count: int, noun: str) -> str:
    """Return how many of something there are.

    Examples
    --------
    >>> many(1, "job"), many(2000, "job")
    ('1 job', '2,000 jobs')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def document_of_run(summary: RunSummary, now_s: float) -> dict[str, Any]:
    """Return a summary; while it moves with its rate, and the seconds that are to go."""
    document = summary_document(summary)
    if rate := summary.rate_per_s(now_s):
        document |= {"rate_per_s": rate, "eta_s": summary.still_open / rate}
    return document


def run_lines(summary: RunSummary, now_s: float) -> str:
    """Return a summary as lines for people."""
    document = document_of_run(summary, now_s)
    counts = {str(status).lower(): count for status, count in summary.counts.items()}
    lines = [f"run {summary.run}: {many(summary.total, 'job')}: {counted(counts)}"]
    if "rate_per_s" in document:
        to_go = f"about {document['eta_s']:,.0f} s to go"
        lines.append(f"  {document['rate_per_s']:,.3g} jobs a second, {to_go}")
    elif summary.total and not summary.still_open:
        lines.append(f"  from {summary.first[:19]}Z to {summary.last[:19]}Z")
    for word, numbers in (("failed", summary.failures), ("warnings", summary.warnings)):
        if numbers:
            by_code = sorted(numbers.items(), key=lambda one: (-one[1], one[0]))
            lines.append(f"  {word}: {', '.join(f'{code} {count:,}' for code, count in by_code)}")
    return "\n".join(lines)


def no_such_run(run: str) -> Exit:
    """Say that nothing is known of a run."""
    say(NOT_FOUND, f"{run}: no such run", NOT_FOUND_HINT)
    return Exit.NOT_FOUND


def show_run(summary: RunSummary, now_s: float, output: str) -> Exit:
    """Print how a run goes; return NOT_FOUND for one without jobs."""
    if not summary.total:
        return no_such_run(summary.run)
    if output == "json":
        click.echo(json_line(document_of_run(summary, now_s)))
    else:
        click.echo(run_lines(summary, now_s))
    return Exit.OK


def wait_for_run(client: Client, run: str, timeout_s: float | None, output: str) -> Exit:
    """Wait until each job of a run has ended, print the sums, and return the gravest exit code."""
    with bar("waiting", None) as set_done:
        # To count the jobs takes reading the whole index: only for somebody who looks on.
        watched = set_done if sys.stderr.isatty() else None
        ended = client.wait_for_run(run, timeout_s, watched)
    summary = client.table.run_summary(run)
    code = show_run(summary, client.now(), output)
    if not ended and summary.total:
        say("TIMED_OUT", f"run {run}: not finished", f"it continues: matinv wait --run {run}")
    return gravest([code, *map(exit_of_status, summary.counts)])
