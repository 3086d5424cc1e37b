"""`matinv result`: the inverse itself."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from matinv.cli.errors import say
from matinv.cli.files import place
from matinv.cli.options import Duration, client_of
from matinv.client.preparation import matrix_of
from matinv.client.results import (
    converted,
    decoded,
    fetch_bytes,
    result_of,
    result_url,
    verify,
)
from matinv.formats.codecs import ENDINGS, Format, either, format_of_key
from matinv.jobs.error_answers import Exit
from matinv.jobs.record import Record, Status
from matinv.jobs.record_document import note

_HOUR_S = 3600.0
_WEEK_S = 7 * 24 * 3600.0  # the longest that S3 signs for


@click.command()
@click.argument("job_id", metavar="ID")
@click.option(
    "-o",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"Write to this file. Its ending, {either(ENDINGS)}, chooses the format.",
)
@click.option(
    "--output",
    type=click.Choice(["auto", *(form.value for form in Format), "text"]),
    default="auto",
    show_default=True,
    help="Format on stdout. With auto: as stored, or text on a terminal.",
)
@click.option("--url", is_flag=True, help="Print a link to the stored result instead.")
@click.option(
    "--expires",
    type=Duration(),
    default="1h",
    show_default=True,
    help="How long the link works, at most 7d.",
)
@click.option(
    "--verify", "check", is_flag=True, help="Check hash and residual on this machine first."
)
@click.option(
    "--input",
    "input_",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="With --verify: the matrix that you submitted, if it travelled inside a message.",
)
@click.pass_context
def result(  # noqa: PLR0913 - each is an option of the command
    ctx: click.Context,
    *,
    job_id: str,
    file: Path | None,
    output: str,
    url: bool,
    expires: float,
    check: bool,
    input_: str | None,
) -> Exit:
    """Fetch a job's inverse.

    The result goes to stdout as it is stored (JSON is an object with job_id, inverse and
    certificate), or as text on a terminal. Slices of a stack that have no inverse are NaN, or null
    in JSON, and the exit code is then 4. It is 3 for a failed job, and 5 for a job that has not
    ended.
    """
    if input_ and not check:
        raise click.UsageError("--input without --verify has no effect")
    if not 1 <= expires <= _WEEK_S:
        raise click.UsageError(f"--expires is out of range (found {expires:g} s; allowed 1s to 7d)")
    client = client_of(ctx)
    record = client.job(job_id).ended_record()
    content = fetch_bytes(client.store, record) if check or not url else b""
    if check:
        matrix = matrix_of(input_) if input_ else None
        found = verify(client.store, record, content, matrix)
        shown = "" if found.digits is None else f", {found.digits:.1f} digits shown to be right"
        click.echo(
            f"matinv: verified: {record.job_id}: SHA-256 {found.sha256}, "
            f"residual {found.residual:.3g} (allowed: below {found.limit:g}){shown}",
            err=True,
        )
    if url:
        click.echo(result_url(client.store, record, int(expires)))
    else:
        _write(content, record, output, file)
    if record.status is Status.PARTIAL:
        say("PARTIAL", f"{job_id}: {note(record)}", f"see which: matinv status {job_id}")
        return Exit.PARTIAL
    return Exit.OK


def _write(content: bytes, record: Record, output: str, file: Path | None) -> None:
    """Write a stored result, in the form that is asked for."""
    if output != "auto":
        form = output
    elif file and file.suffix.lower() == ".txt":
        form = "text"
    elif file and file.name.lower().endswith(ENDINGS):
        form = format_of_key(file.name)
    else:
        form = "text" if file is None and sys.stdout.isatty() else result_of(record).format
    if form == "text":
        rendered = (str(decoded(content, record)) + "\n").encode()
    else:
        rendered = converted(content, record, Format(form))
    if file:
        place(rendered, file)
        return
    stdout = sys.stdout.buffer
    stdout.write(rendered + b"\n" if output == "json" else rendered)
    if rendered[:1] == b"{" and sys.stdout.isatty():
        stdout.write(b"\n")
    stdout.flush()
