"""`matinv status`, `wait` and `list`: where jobs are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from matinv.cli.errors import (
    Missing,
    complain,
    complain_missing,
    complain_unfinished,
    exit_of_status,
    gravest,
)
from matinv.cli.files import check_writable, place
from matinv.cli.options import (
    Duration,
    OneOf,
    Pair,
    check_one_way,
    client_of,
    code_option,
    job_ids_of,
    output_option,
    run_option,
    timeout_option,
)
from matinv.cli.output import JOB_COLUMNS, bar, emit
from matinv.cli.run_view import many, no_such_run, run_lines, show_run, wait_for_run
from matinv.client import Client, Job, Mode, NotFound, TimedOut
from matinv.client.choice import Chosen
from matinv.errors import Code, MatinvError
from matinv.jobs.error_answers import Exit, answer_of
from matinv.jobs.record import Record, Status
from matinv.jobs.record_document import Document, json_line, noted_document
from matinv.jobs.times import timestamp
from matinv.operations.deletion import delete_job
from matinv.ports.parallel import CLIENT_THREADS, side_by_side

_PAGE: Final = 100  # records of one read


@click.command()
@click.argument("job_ids", metavar="[ID...]", nargs=-1)
@run_option
@output_option
@click.pass_context
def status(ctx: click.Context, job_ids: tuple[str, ...], run: str | None, output: str) -> Exit:
    """Show the status of jobs, or of a run.

    If ID is `-`, ids are read from stdin. A file that was uploaded, but not yet taken by a worker,
    is QUEUED. For a run, you see its jobs counted by status, their rate, the time left, and the
    failures by code. The exit code is 0 whatever the status is, and 6 if an id or the run is
    unknown.
    """
    check_one_way(job_ids, run)
    client = client_of(ctx)
    if run:
        return show_run(client.table.run_summary(run), client.now(), output)
    jobs = [client.job(name) for name in job_ids_of(job_ids)]
    records = client.records(jobs)
    if records:
        emit(map(noted_document, _known(jobs, records)), JOB_COLUMNS, output)
    return complain_missing([job.asked for job in jobs if job.job_id not in records])


@click.command()
@click.argument("job_ids", metavar="[ID...]", nargs=-1)
@run_option
@click.option(
    "--all/--any",
    "all_",
    default=True,
    help="Wait until all jobs have ended, or until the first has.",
)
@timeout_option
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Then draw a timeline of the jobs as PNG, with a row for each job and its "
    "phases in colours.",
)
@output_option
@click.pass_context
def wait(  # noqa: PLR0913 - each is an option of the command
    ctx: click.Context,
    *,
    job_ids: tuple[str, ...],
    run: str | None,
    all_: bool,
    timeout: float | None,
    plot: Path | None,
    output: str,
) -> Exit:
    """Wait until jobs, or a run, have ended, and print their status.

    If ID is `-`, ids are read from stdin, as in `matinv submit *.npy | matinv wait -`. If no record
    appears for an id or a run within 30 seconds, it is reported as unknown. For a run, only the
    sums are printed. With several jobs the exit code is the most serious one: 6 unknown, 3 failed,
    5 not ended in time, 4 partial, 0.
    """
    check_one_way(job_ids, run)
    if run and (plot or not all_):
        raise click.UsageError("--run waits for all jobs (allowed with it: --timeout, --output)")
    mode = Mode.ALL if all_ else Mode.ANY
    if plot:  # before the wait: it may be that this cannot work
        try:
            from matinv.cli import timeline  # noqa: PLC0415 - matplotlib, an extra, half a second
        except ModuleNotFoundError as error:
            if error.name != "matplotlib":
                raise
            raise Missing("matplotlib", "plot") from None
        check_writable(plot)
    client = client_of(ctx)
    if run:
        return wait_for_run(client, run, timeout, output)
    jobs = [client.job(name) for name in job_ids_of(job_ids)]
    waited = wait_for(client, jobs, mode, timeout)
    code = waited.print_all(output)  # first: the disk may be full by now
    if plot and waited.records:
        place(timeline.png(waited.records.values(), client.now()), plot)
    return code


@click.command("list")
@click.option(
    "--status",
    type=OneOf(Status, case_sensitive=False),
    metavar="STATUS",
    help="Only jobs with this status: queued, running, retrying, succeeded, partial, "
    "failed, cancelled or expired.",
)
@run_option
@click.option(
    "--tag",
    "tags",
    type=Pair(),
    multiple=True,
    help="Only jobs with this tag. Repeat to require several.",
)
@click.option("--prefix", metavar="P", default="", help="Only jobs whose ids begin with P.")
@click.option(
    "--since", type=Duration(), metavar="DURATION", help="Only jobs updated within this time."
)
@code_option
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="Maximum number of jobs to show.",
)
@output_option
@click.pass_context
def list_(  # noqa: PLR0913 - each is an option of the command
    ctx: click.Context,
    *,
    status: Status | None,
    run: str | None,
    tags: tuple[tuple[str, str], ...],
    prefix: str,
    since: float | None,
    codes: tuple[Code, ...],
    limit: int,
    output: str,
) -> Exit:
    """List jobs, the most recently updated first.

    A job is listed if it passes all filters. If there may be more jobs, the last line on stderr
    says so; for a run, it counts all of its jobs.
    """
    client = client_of(ctx)
    summary = client.table.run_summary(run) if run else None
    if summary and not summary.total:
        return no_such_run(summary.run)
    earliest = "" if since is None else timestamp(client.now() - since)
    chosen = Chosen(dict(tags), prefix, earliest, frozenset(codes), run or "")
    found = client.list(status, limit, chosen=None if chosen == Chosen() else chosen)
    shown = 0

    def counting() -> Iterator[Document]:
        nonlocal shown
        for record in found:
            shown += 1
            yield noted_document(record)

    emit(counting(), JOB_COLUMNS, output)
    if summary:
        click.echo(f"matinv: {shown:,} shown; {run_lines(summary, client.now())}", err=True)
    elif not shown:
        click.echo("matinv: no job is as asked for", err=True)
    elif shown == limit:
        click.echo(f"matinv: {shown:,} shown, there may be more: see --limit", err=True)
    return Exit.OK


@click.command()
@click.argument("job_ids", metavar="[ID...]", nargs=-1)
@run_option
@click.pass_context
def cancel(ctx: click.Context, job_ids: tuple[str, ...], run: str | None) -> Exit:
    """Cancel jobs that have not ended, by id or by run.

    If ID is `-`, ids are read from stdin. The ids of cancelled jobs go to stdout, one per line; for
    a run, stderr says how many there were. Jobs that have ended stay as they are, and are named on
    stderr. The exit code is 6 if an id or the run is unknown.
    """
    check_one_way(job_ids, run)
    client = client_of(ctx)
    if run:
        total = client.table.run_summary(run).total
        if not total:
            return no_such_run(run)
        count = client.cancel_run(run)
        click.echo(f"matinv: run {run}: {count:,} of {many(total, 'job')} cancelled", err=True)
        return Exit.OK
    jobs = [client.job(name) for name in job_ids_of(job_ids)]
    records = client.cancel(jobs)
    for record in _known(jobs, records):
        if record.status is Status.CANCELLED:
            click.echo(record.job_id)
        else:
            click.echo(f"matinv: ENDED: {record.job_id}: it is {record.status} already", err=True)
    return complain_missing([job.asked for job in jobs if job.job_id not in records])


@click.command()
@click.argument("job_ids", metavar="[ID...]", nargs=-1)
@run_option
@output_option
@click.pass_context
def delete(ctx: click.Context, job_ids: tuple[str, ...], run: str | None, output: str) -> Exit:
    """Delete jobs that have ended, with result, dropped file and record.

    Name the jobs by id or by run. If ID is `-`, ids are read from stdin. The ids of deleted jobs go
    to stdout, one per line; for a run, stderr says how many there were. A file that a message only
    refers to stays. A job that has not ended stays, and the exit code is then 5. It is 6 if an id
    or the run is unknown.
    """
    check_one_way(job_ids, run)
    client = client_of(ctx)
    if run:
        names = [entry.job_id for entry in client.table.run_entries(run)]
        if not names:
            return no_such_run(run)
    else:
        names = [*job_ids_of(job_ids)]
    codes, count = {Exit.OK}, 0

    def deleted(record: Record) -> MatinvError | str:
        try:
            delete_job(client, record)
        except MatinvError as error:
            return error
        return record.job_id

    with bar("deleting", len(names)) as set_done:
        for start in range(0, len(names), _PAGE):
            jobs = [client.job(name) for name in names[start : start + _PAGE]]
            records = client.records(jobs)
            codes.add(complain_missing([job.asked for job in jobs if job.job_id not in records]))
            for found in side_by_side(deleted, _known(jobs, records), CLIENT_THREADS):
                if isinstance(found, MatinvError):
                    complain(found.info)
                    codes.add(answer_of(found.code).exit)
                    continue
                count += 1
                click.echo(json_line({"job_id": found}) if output == "json" else found)
            set_done(start + len(jobs))
    if run:
        click.echo(f"matinv: run {run}: {count:,} of {many(len(names), 'job')} deleted", err=True)
    return gravest(codes)


@dataclass(frozen=True, slots=True)
class Waited:
    """The outcome of a wait: the records of its jobs, and the late ones.

    Parameters
    ----------
    jobs : sequence of Job
        The jobs.
    records : dict
        The last record of each job.
    late : tuple of str
        Those that had not ended when the time was over.
    """

    jobs: Sequence[Job]
    records: dict[str, Record]
    late: tuple[str, ...] = ()

    def print_all(self, output: str) -> Exit:
        """Print the records and complain of the rest; return the gravest exit code."""
        if self.records:
            emit(map(noted_document, _known(self.jobs, self.records)), JOB_COLUMNS, output)
        return self.complain()

    def complain(self) -> Exit:
        """Complain of jobs that are unknown or late; return the gravest exit code of all."""
        missing = [job.asked or job.job_id for job in self.jobs if job.job_id not in self.records]
        late = [job_id for job_id in self.late if job_id in self.records]
        outcomes = (exit_of_status(record.status) for record in self.records.values())
        return gravest([complain_missing(missing), complain_unfinished(late), *outcomes])


def wait_for(client: Client, jobs: Sequence[Job], mode: Mode, timeout_s: float | None) -> Waited:
    """Wait for jobs, with a progress bar if stderr is a terminal; in mode any, for those ended."""
    ended: set[str] = set()
    with bar("waiting", len(jobs)) as set_done:

        def on_change(record: Record) -> None:
            if record.status.terminal:
                ended.add(record.job_id)
                set_done(len(ended))

        try:
            records = client.wait(jobs, mode=mode, timeout_s=timeout_s, on_change=on_change)
        except NotFound as error:
            return Waited(jobs, error.records)
        except TimedOut as error:
            return Waited(jobs, error.records, error.job_ids)
    known = {job_id: record for job_id, record in records.items() if record.status.terminal}
    return Waited([job for job in jobs if job.job_id in known], known)


def _known(jobs: Iterable[Job], records: Mapping[str, Record]) -> list[Record]:
    """Return the records of those jobs that are known, each once."""
    ids = dict.fromkeys(job.job_id for job in jobs)
    return [records[job_id] for job_id in ids if job_id in records]
