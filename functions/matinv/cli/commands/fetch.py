"""`matinv fetch`: many results, into a folder."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import click

from matinv.cli.errors import complain, complain_missing, exit_of_status, gravest, say
from matinv.cli.manifest import read_manifest
from matinv.cli.options import OneOf, Pair, check_one_way, client_of, job_ids_of, run_option
from matinv.cli.output import bar
from matinv.cli.run_view import counted, many, no_such_run
from matinv.client import Client, JobFailed
from matinv.client.choice import Chosen
from matinv.client.fetching import Fetched, Folder
from matinv.client.preparation import matrix_of
from matinv.formats.codecs import Format
from matinv.jobs.error_answers import NOT_FOUND, NOT_FOUND_HINT, Exit, answer_of
from matinv.jobs.ids import names_of
from matinv.jobs.record import Record, Status
from matinv.jobs.record_document import json_line, note
from matinv.linalg.types import Matrix

_PAGE: Final = 500  # records read at once: with results of 8 KB in them, 4 MB


@click.command()
@click.argument("job_ids", metavar="[ID...]", nargs=-1)
@click.option(
    "-o",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder for the files. It is created if it does not exist.",
)
@run_option
@click.option(
    "--manifest",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="All jobs of a manifest that `matinv submit --manifest` wrote. --verify then "
    "finds their files.",
)
@click.option(
    "--tag",
    "tags",
    type=Pair(),
    multiple=True,
    help="All jobs with this tag. Repeat to require several.",
)
@click.option("--prefix", metavar="P", default="", help="All jobs whose ids begin with P.")
@click.option(
    "--format",
    "form",
    type=OneOf(Format),
    help="Convert the results to this format. Files that exist are then fetched again.",
)
@click.option(
    "--verify", "check", is_flag=True, help="Check each result against its matrix, on this machine."
)
@click.option(
    "--inputs",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="With --verify: the folder that you submitted, for matrices that travelled in messages.",
)
@click.option(
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="With json, print one object per job on stdout; else stdout stays empty.",
)
@click.pass_context
def fetch(  # noqa: PLR0913 - each is an option of the command
    ctx: click.Context,
    *,
    job_ids: tuple[str, ...],
    directory: Path,
    run: str | None,
    manifest: Path | None,
    tags: tuple[tuple[str, str], ...],
    prefix: str,
    form: Format | None,
    check: bool,
    inputs: Path | None,
    output: str,
) -> Exit:
    """Fetch many inverses into a folder.

    The result of job fem/7/a becomes DIR/fem/7/a.npy. A file is written whole or not at all, and a
    file that exists with the right hash is kept: run the same command again to go on where it was
    stopped. If ID is `-`, ids are read from stdin. The last line on stderr says how many results
    there are. The exit code is the most serious one of all jobs: 6 unknown, 3 failed, 5 not ended,
    4 partial, 1 if a result differs from what was published.
    """
    chosen = Chosen(tags=dict(tags), prefix=prefix, run=run or "")
    check_one_way(job_ids, chosen != Chosen(), manifest)
    if inputs and not check:
        raise click.UsageError("--inputs without --verify has no effect")
    client = client_of(ctx)
    missing: list[str] = []
    total: int | None = None
    records = client.list(limit=sys.maxsize, chosen=chosen)
    files: dict[str, str] = {}
    if manifest:
        files = {line.job_id: line.file for line in read_manifest(manifest) if line.job_id}
        job_ids = tuple(files)
    if job_ids or manifest:
        names = job_ids if manifest else job_ids_of(job_ids)
        total, records = len(names), _records_of(client, names, missing)
    elif chosen == Chosen(run=run or "") and sys.stderr.isatty():  # for the bar alone
        total = client.table.run_summary(run or "").total
    folder = Folder(client.store, directory, form, check, partial(_input_of, inputs, files))
    done, size_bytes = Counter[str](), 0
    codes: set[Exit] = set()
    with bar("fetching", total) as set_done:
        for one in folder.fetch_all(records):
            code, word = _outcome(one)
            codes.add(code)
            done[word] += 1
            set_done(done.total())
            if one.path and not one.there:
                size_bytes += one.path.stat().st_size
            if output == "json":
                click.echo(json_line(one.document()))
    codes.add(complain_missing(missing))
    if not done and chosen != Chosen():
        if run and not client.table.run_summary(run).total:
            return no_such_run(run)
        say(NOT_FOUND, "no job matches this run, tag and prefix", NOT_FOUND_HINT)
        return Exit.NOT_FOUND
    done["unknown"] = len(missing)
    whole = f"{directory}: {many(done.total(), 'job')}: {counted(done)}"
    verified = ", all of these verified" if check else ""
    click.echo(f"matinv: {whole} ({size_bytes / 1e6:,.1f} MB fetched{verified})", err=True)
    return gravest(codes)


def _records_of(client: Client, names: Sequence[str], missing: list[str]) -> Iterator[Record]:
    """Yield the records of those jobs that are known, some at a time; note the others."""
    for start in range(0, len(names), _PAGE):
        jobs = [client.job(name) for name in names[start : start + _PAGE]]
        records = client.records(jobs)
        missing += [job.asked for job in jobs if job.job_id not in records]
        yield from records.values()


def _input_of(inputs: Path | None, files: Mapping[str, str], job_id: str) -> Matrix | None:
    """Return the matrix of a job from its file, or the folder that was submitted under a prefix."""
    if job_id in files and Path(files[job_id]).is_file():
        return matrix_of(files[job_id])
    below = job_id.split("/")
    for start in range(len(below) if inputs else 0):
        for name in names_of("/".join(below[start:])):
            file = (inputs or Path()) / name
            if file.is_file():
                return matrix_of(file)
    return None


def _outcome(one: Fetched) -> tuple[Exit, str]:
    """Report a job's fault on stderr, and return its exit code and the word for it."""
    record = one.record
    if isinstance(one.error, JobFailed):
        complain(one.error.error, record.job_id)
        return Exit.FAILED, record.status.lower()
    if one.error:
        complain(one.error.info)
        exit_ = answer_of(one.error.code).exit
        return exit_, "not ended" if exit_ is Exit.TIMED_OUT else "refused"
    if record.status is Status.PARTIAL:
        found = f"{record.job_id}: {note(record)}, NaN in the result"
        say("PARTIAL", found, f"see which: matinv status {record.job_id}")
    word = "were there" if one.there else "fetched"
    return exit_of_status(record.status), word
