"""`matinv submit`: files, directories, patterns or stdin; ids come out."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

from matinv.cli.commands.jobs import wait_for
from matinv.cli.errors import complain, gravest, say
from matinv.cli.files import check_writable
from matinv.cli.manifest import Ledger, ManifestLine, write_manifest
from matinv.cli.options import (
    Duration,
    OneOf,
    Pair,
    accuracy_option,
    client_of,
    method_option,
    output_option,
    timeout_option,
)
from matinv.cli.output import bar, emit
from matinv.cli.run_view import many
from matinv.cli.sources import Source, find
from matinv.client import Client, Job, Mode, Submission
from matinv.client.send import check_free
from matinv.errors import Code, MatinvError, Refused
from matinv.formats.codecs import Format
from matinv.jobs.error_answers import Exit, answer_of
from matinv.jobs.record import Record, Status
from matinv.jobs.record_document import json_line, note
from matinv.jobs.request import Options, Output
from matinv.jobs.runs import checked_run, run_of
from matinv.linalg.types import Accuracy, Method, OnIllConditioned

# Prepared matrices are held in memory until they are sent; 256 messages take at most 64 MB.
_CHUNK: Final = 256

# The options of a message that have defaults here, and the parameters below that set them.
_NAMED: Final = {
    "method": "method",
    "output": "output_to",
    "accuracy": "accuracy",
    "on_ill_conditioned": "on_ill_conditioned",
}


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--job-id", metavar="ID", help="Job id. Only for a single matrix.")
@method_option
@click.option(
    "--output-to",
    type=OneOf(Output),
    default=Output.AUTO.value,
    show_default=True,
    help="Where to put the result.",
)
@click.option(
    "--format", "form", type=OneOf(Format), help="Format of the result. Default: same as the input."
)
@accuracy_option
@click.option(
    "--on-ill-conditioned",
    type=OneOf(OnIllConditioned),
    default=OnIllConditioned.WARN.value,
    show_default=True,
    help="What to do if more than half of the digits are lost.",
)
@click.option(
    "--tag",
    "tags",
    type=Pair(),
    multiple=True,
    help="Tag to keep in the record. Repeat for several.",
)
@click.option("--prefix", metavar="P", default="", help="Prefix for the ids: P/id.")
@click.option(
    "--run",
    metavar="NAME",
    help="Name of the run that the jobs belong to. Default: the directory's name, if "
    "PATH is a directory.",
)
@click.option(
    "--expires-in",
    type=Duration(),
    metavar="DURATION",
    help="Give up jobs that have not begun after this time (90, 90s, 15m, 2h, 7d).",
)
@click.option(
    "--manifest",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a line for each file and its job: as CSV if FILE ends with .csv, else as"
    " JSON Lines.",
)
@click.option(
    "--replace",
    "replacing",
    is_flag=True,
    help="Take over ids that belong to other matrices or options. Without it, such ids "
    "are refused.",
)
@click.option(
    "--skip-done",
    is_flag=True,
    help="Do not print jobs that have already succeeded for this very matrix and these options.",
)
@click.option(
    "--keep-going", is_flag=True, help="Send the good matrices even if others are refused."
)
@click.option("--dry-run", is_flag=True, help="Check everything, and send nothing.")
@click.option(
    "--wait", is_flag=True, help="Wait until the jobs have ended, and report failures on stderr."
)
@timeout_option
@output_option
@click.pass_context
def submit(  # noqa: PLR0913 - each is an option of the command
    ctx: click.Context,
    *,
    paths: tuple[str, ...],
    job_id: str | None,
    method: Method,
    output_to: Output,
    form: Format | None,
    accuracy: Accuracy,
    on_ill_conditioned: OnIllConditioned,
    tags: tuple[tuple[str, str], ...],
    prefix: str,
    run: str | None,
    expires_in: float | None,
    manifest: Path | None,
    replacing: bool,
    skip_done: bool,
    keep_going: bool,
    dry_run: bool,
    wait: bool,
    timeout: float | None,
    output: str,
) -> Exit:
    """Submit matrices and print their job ids.

    Job ids go to stdout, one per line, and nothing else does. PATH is a file with a matrix, a
    directory (all such files in it and below), a quoted pattern, or `-` for one matrix on stdin.
    The job id is the file's name without its ending; for files of a directory, the path from there.
    Small matrices travel inside a message, others are uploaded. Options that you give win over
    those in a .json file.

    Every file is checked before the first one is sent. If one is bad, or if its id belongs to
    another matrix or to other options, nothing is sent. Jobs that have succeeded are not sent
    again; jobs that have failed are.

    The jobs of a directory are a run: `matinv status --run NAME` counts them, and `matinv fetch
    --run NAME -o DIR` fetches their results. The last line on stderr says how many files were sent,
    and how many were skipped.
    """
    if timeout is not None and not wait:
        raise click.UsageError("--timeout without --wait has no effect")
    if manifest:
        check_writable(manifest)  # before the work
    passed_over = Counter[str]()
    sources = find(paths, job_id, prefix, passed_over)
    folder = len(paths) == 1 and Path(paths[0]).is_dir()
    run = run or (Path(paths[0]).resolve().name if folder and not prefix else "")
    run = checked_run(run) if run else ""
    expires_in_s = None if expires_in is None else ceil(expires_in)
    options = Options(
        method, output_to, form, on_ill_conditioned, dict(tags), accuracy, run, expires_in_s
    )
    said = (n for n, p in _NAMED.items() if ctx.get_parameter_source(p) != ParameterSource.DEFAULT)
    options = replace(options, named=frozenset(said) | ({"format"} if form else set()))
    ledger = Ledger({source.name: ManifestLine(source.name) for source in sources})
    client = None if dry_run else client_of(ctx)
    try:
        with bar("checking", len(sources)) as set_done:
            bad = set(
                _complaints(
                    sources,
                    options,
                    client,
                    ledger,
                    set_done,
                    replacing=replacing,
                    skip_done=skip_done,
                )
            )
        if bad and not keep_going:
            click.echo(
                f"matinv: REFUSED: {len(bad):,} of {many(len(sources), 'input')} cannot be sent, "
                "and nothing was; fix or leave out those named above, or use --keep-going",
                err=True,
            )
            return Exit.REFUSED
        codes = {Exit.REFUSED} if bad else {Exit.OK}
        good = [
            source
            for source in sources
            if source not in bad and ledger.lines[source.name].job_id not in ledger.before
        ]
        if client is None:
            emit(map(_plan, _prepared(good, options)), _PLAN_COLUMNS, output)
            return gravest(codes)
        # Nobody reads thousands of ids from a screen.
        shown = "" if (wait and output == "json") or (folder and sys.stdout.isatty()) else output
        jobs: list[Job] = []
        with bar("sending", len(good)) as set_done:
            for job in _send(
                client, good, options, codes, ledger, replacing=replacing, skip_done=skip_done
            ):
                jobs.append(job)
                set_done(len(jobs))
                _show(job, shown)
        head = f"run {run}: " if run else f"{paths[0]}: " if folder else ""
        if folder or run or passed_over:
            click.echo(f"matinv: {head}{ledger.sentence(passed_over)}", err=True)
        for sentence in ledger.of_other_runs(run):
            click.echo(f"matinv: {head}{sentence}", err=True)
        if wait:
            codes.add(_wait(client, jobs, timeout, output, ledger))
            click.echo(f"matinv: {head}{ledger.outcomes()}", err=True)
        return gravest(codes)
    finally:
        if manifest:
            write_manifest(ledger.hashed(), manifest)


def _complaints(  # noqa: PLR0913 - two are options of the command
    sources: Sequence[Source],
    options: Options,
    client: Client | None,
    ledger: Ledger,
    set_done: Callable[[int], None],
    *,
    replacing: bool,
    skip_done: bool,
) -> Iterator[Source]:
    """Yield the sources that cannot be sent, after saying why.

    With a client also those whose ids belong to other questions; it notes what has succeeded with
    options that nobody named, if that is to be skipped, and what belongs to another run.
    """
    owners: dict[str, str] = {}
    fine: list[tuple[Source, Submission]] = []

    def check(source: Source) -> None:
        submission = source.prepare(options)
        owner = owners.setdefault(submission.job_id, source.name)
        if owner != source.name:
            raise Refused(
                Code.JOB_ID_CONFLICT,
                f"{owner} has the same job id",
                "rename one of the files, or submit them one by one with --job-id",
                observed=submission.job_id,
            )
        fine.append((source, submission))
        ledger.fine(source.name, submission.job_id)

    for start in range(0, len(sources), _CHUNK):
        for source in sources[start : start + _CHUNK]:
            yield from _complaint(source, partial(check, source), ledger)
        if client and fine:
            yield from _taken(client, fine, ledger, replacing=replacing, skip_done=skip_done)
        fine.clear()
        set_done(start + _CHUNK)


def _taken(
    client: Client,
    fine: Sequence[tuple[Source, Submission]],
    ledger: Ledger,
    *,
    replacing: bool,
    skip_done: bool,
) -> Iterator[Source]:
    """Yield the sources whose ids others have, after saying so; note what is done, and whose."""

    def check(source: Source, one: Submission, record: Record) -> None:
        comes = one.replacing() if replacing else one
        if check_free(client.store, comes, record, done_counts=skip_done):
            ledger.done(source.name, record)
        if record.run != run_of(one.job_id, one.options.run) and not record.status.failed:
            ledger.elsewhere[record.run] += 1

    records = client.table.get([one.job_id for _, one in fine])
    for source, one in fine:
        if record := records.get(one.job_id):
            yield from _complaint(source, partial(check, source, one, record), ledger)


def _complaint(source: Source, check: Callable[[], None], ledger: Ledger) -> Iterator[Source]:
    """Yield a source if a check fails, after saying why."""
    try:
        check()
    except MatinvError as error:
        complain(error.info, source.name)
        ledger.refuse(source.name, error.info)
        yield source


def _prepared(sources: Iterable[Source], options: Options) -> Iterator[Submission]:
    return (source.prepare(options) for source in sources)


def _send(  # noqa: PLR0913 - two are options of the command
    client: Client,
    sources: Sequence[Source],
    options: Options,
    codes: set[Exit],
    ledger: Ledger,
    *,
    replacing: bool,
    skip_done: bool,
) -> Iterator[Job]:
    """Send matrices, chunk by chunk, and yield their jobs; complain of what could not be sent."""
    for start in range(0, len(sources), _CHUNK):
        named = sources[start : start + _CHUNK]
        chunk = list(_prepared(named, options))
        chunk = [submission.replacing() for submission in chunk] if replacing else chunk
        for source, submission, sent in zip(named, chunk, client.send(chunk), strict=True):
            if isinstance(sent, MatinvError):
                complain(sent.info, submission.job_id)
                ledger.refuse(source.name, sent.info)
                codes.add(answer_of(sent.code).exit)
                continue
            ledger.sent(source.name, sent)
            if sent.had_ended and not skip_done:
                click.echo(
                    f"matinv: ENDED: {sent.job_id}: this very matrix was inverted before, with "
                    "these options, and was not sent again; "
                    f"see: matinv status {sent.job_id}",
                    err=True,
                )
            yield sent


def _show(job: Job, output: str) -> None:
    match output:
        case "json":
            click.echo(json_line({"job_id": job.job_id, "sent": not job.had_ended}))
        case "table":
            click.echo(job.job_id)


def _wait(
    client: Client, jobs: Sequence[Job], timeout_s: float | None, output: str, ledger: Ledger
) -> Exit:
    """Wait; report failures on stderr, because stdout has the ids alone."""
    waited = wait_for(client, jobs, Mode.ALL, timeout_s)
    ledger.update(waited.records)
    if output == "json":
        return waited.print_all(output)
    for record in waited.records.values():
        if record.status is Status.FAILED and record.error:
            complain(record.error, record.job_id)
        elif record.status is Status.PARTIAL:
            found = f"{record.job_id}: {note(record)}, NaN in the result"
            say("PARTIAL", found, f"see which: matinv status {record.job_id}")
    return waited.complain()


_PLAN_COLUMNS: Final = {
    "JOB ID": "job_id",
    "AS": "as",
    "FORMAT": "format",
    "SHAPE": "shape",
    "DTYPE": "dtype",
    "BYTES": "bytes",
}


def _plan(submission: Submission) -> dict[str, Any]:
    return {
        "job_id": submission.job_id,
        "as": "file" if submission.body is None else "message",
        "format": submission.format,
        "shape": submission.input.shape,
        "dtype": submission.input.dtype,
        "bytes": submission.input.size_bytes,
    }
