"""`matinv dlq`: the dead-letter queue."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

import click

from matinv.cli.errors import complain, gravest, say
from matinv.cli.options import Duration, OneOf, Pair, client_of, code_option, output_option
from matinv.cli.output import emit
from matinv.client import Client, NotFound
from matinv.errors import Code
from matinv.formats.codecs import Format
from matinv.jobs.error_answers import NOT_FOUND, NOT_FOUND_HINT, Exit
from matinv.jobs.ids import job_id_of
from matinv.jobs.request import Output
from matinv.jobs.times import timestamp
from matinv.linalg.types import Accuracy, Method, OnIllConditioned
from matinv.operations.dead_letters import DeadLetters, Letter, Redriven, delete, redrive
from matinv.ports import ApiBackend

Command = TypeVar("Command", bound=Callable[..., Any])

_COLUMNS: Final = {
    "JOB ID": "job_id",
    "CODE": "error_code",
    "SENT": "sent_at",
    "RECEIVED": "receive_count",
    "SOURCE": "source",
    "MESSAGE": "error_message",
}
_REDRIVEN_COLUMNS: Final = {"JOB ID": "job_id", "CODE": "error_code", "REDRIVEN": "redriven"}
_DELETED_COLUMNS: Final = {"JOB ID": "job_id", "CODE": "error_code", "DELETED": "deleted"}


@click.group()
def dlq() -> None:
    """List dead letters, send their jobs back, or delete them."""


def _filters(command: Command) -> Command:
    """Add the options that choose among dead letters."""
    for option in (
        click.option(
            "--job-id",
            "job_ids",
            multiple=True,
            metavar="ID",
            help="Only letters of this job. Repeat for several.",
        ),
        click.option(
            "--tag",
            "tags",
            type=Pair(),
            multiple=True,
            help="Only letters with this tag. Repeat to require several.",
        ),
        click.option(
            "--newer-than",
            type=Duration(),
            metavar="DURATION",
            help="Only letters sent within this time.",
        ),
        click.option(
            "--older-than",
            type=Duration(),
            metavar="DURATION",
            help="Only letters sent at least this long ago.",
        ),
        code_option,
    ):
        command = option(command)
    return command


@dlq.command("list")
@_filters
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Maximum number of letters to print.",
)
@output_option
@click.pass_context
def list_(ctx: click.Context, /, *, limit: int, output: str, **filters: Any) -> Exit:
    """Print dead letters and their reasons.

    Each letter is received for a moment, and others do not see it meanwhile.
    """
    client = client_of(ctx)
    with DeadLetters(client) as letters:
        chosen = list(islice(filter(_selector(**filters), letters), limit))
    emit(map(_row, chosen), _COLUMNS, output)
    return Exit.OK


@dlq.command("redrive")
@_filters
@click.option("--method", type=OneOf(Method), help="Replaces the job's own option.")
@click.option("--accuracy", type=OneOf(Accuracy), help="Replaces the job's own option.")
@click.option("--output-to", type=OneOf(Output), help="Replaces the job's own option.")
@click.option("--format", type=OneOf(Format), help="Replaces the job's own option.")
@click.option(
    "--on-ill-conditioned",
    type=OneOf(OnIllConditioned),
    help="Replaces the job's own option.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Maximum number to send. Default: all.")
@click.option(
    "--dry-run", is_flag=True, help="Print which letters would be sent back, and send none."
)
@output_option
@click.pass_context
def redrive_(  # noqa: PLR0913 - each is an option of the command
    ctx: click.Context,
    /,
    *,
    limit: int | None,
    dry_run: bool,
    output: str,
    method: Method | None,
    accuracy: Accuracy | None,
    output_to: Output | None,
    format: Format | None,  # noqa: A002 - the option's name
    on_ill_conditioned: OnIllConditioned | None,
    **filters: Any,
) -> Exit:
    """Send jobs of dead letters back to the jobs queue.

    Without filters, all of them are sent. A job that failed for good is done once more, with other
    options if you give some. Only letters sent before this command are touched, so that a job that
    fails again is not sent in a circle. A letter whose body is no job stays where it is, and the
    exit code is then 7. It is 6 if a job that you name has no dead letter.
    """
    client = client_of(ctx)
    options = {
        "method": method,
        "accuracy": accuracy,
        "output": output_to,
        "format": format,
        "on_ill_conditioned": on_ill_conditioned,
    }
    changes = {name: value for name, value in options.items() if value is not None}
    if isinstance(client.backend, ApiBackend):
        unknown = _redrive_by_id(client.backend, changes, limit, dry_run=dry_run, **filters)
        return _complain_none(client, unknown)
    selected, progress = _selector(**filters), _progress()
    done = redrive(client, selected, changes, limit, dry_run=dry_run, on_done=progress)
    for one in done:
        if one.problem:
            complain(one.problem, f"message {one.letter.received.message_id}")
    yes = "would be" if dry_run else "yes"
    rows = (_row(one.letter) | {"redriven": "no" if one.problem else yes} for one in done)
    emit(rows, _REDRIVEN_COLUMNS, output)
    found = {job_id for one in done for job_id in one.letter.job_ids}
    missing = [] if limit else [name for name in filters["job_ids"] if job_id_of(name) not in found]
    refused = Exit.REFUSED if any(one.problem for one in done) else Exit.OK
    return gravest([_complain_none(client, missing), refused])


@dlq.command("delete")
@_filters
@click.option("--all", "all_", is_flag=True, help="Delete all letters, if you give no filter.")
@click.option("--limit", type=click.IntRange(min=1), help="Maximum number to delete. Default: all.")
@click.option(
    "--dry-run", is_flag=True, help="Print which letters would be deleted, and delete none."
)
@output_option
@click.pass_context
def delete_(
    ctx: click.Context,
    /,
    *,
    all_: bool,
    limit: int | None,
    dry_run: bool,
    output: str,
    **filters: Any,
) -> Exit:
    """Delete dead letters; the records of their jobs stay.

    Only letters sent before this command are touched. Letters that cannot be sent back, because
    their body is no job, can be deleted too. The exit code is 6 if a job that you name has no dead
    letter.
    """
    if not (all_ or any(filters.values())):
        raise click.UsageError("no letters are chosen (allowed: a filter, or --all)")
    client = client_of(ctx)
    done = delete(client, _selector(**filters), limit, dry_run=dry_run)
    deleted = "would be" if dry_run else "yes"
    emit((_row(letter) | {"deleted": deleted} for letter in done), _DELETED_COLUMNS, output)
    found = {job_id for letter in done for job_id in letter.job_ids}
    missing = [name for name in filters["job_ids"] if job_id_of(name) not in found]
    return _complain_none(client, [] if limit else missing)


def _progress() -> Callable[[Redriven], None] | None:
    """Return a counter for a terminal, because the table comes only at the end."""
    if not sys.stderr.isatty():
        return None
    count = itertools.count(1)
    return lambda _: click.echo(f"\r{next(count)} dead letters", err=True, nl=False)


def _complain_none(client: Client, names: Sequence[str]) -> Exit:
    for name in names:
        hint = f"see: matinv status {name}"
        try:
            client.job(name).record()
        except NotFound:
            hint = NOT_FOUND_HINT
        say(NOT_FOUND, f"{name}: no dead letter of this job", hint)
    return Exit.NOT_FOUND if names else Exit.OK


def _redrive_by_id(
    backend: ApiBackend,
    changes: Mapping[str, Any],
    limit: int | None,
    *,
    dry_run: bool,
    job_ids: tuple[str, ...],
    **others: Any,
) -> list[str]:
    """Send jobs back through an API, which finds their letters itself; return those without."""
    if not job_ids or dry_run or limit is not None or any(others.values()):
        raise click.UsageError("with --api, dead letters are redriven by --job-id alone")
    missing = [name for name in job_ids if not backend.queue.redrive(job_id_of(name), changes)]
    for job_id in job_ids:
        if job_id not in missing:
            click.echo(job_id)
    return missing


def _selector(
    *,
    job_ids: tuple[str, ...],
    tags: tuple[tuple[str, str], ...],
    newer_than: float | None,
    older_than: float | None,
    codes: tuple[Code, ...],
) -> Callable[[Letter], bool]:
    """Return the condition that all filters together are; a notification counts as a whole."""
    wanted = {job_id_of(name) for name in job_ids}

    def selected(letter: Letter) -> bool:
        return (
            (not job_ids or bool(wanted & set(letter.job_ids)))
            and set(tags) <= letter.tags.items()
            and (newer_than is None or letter.age_s <= newer_than)
            and (older_than is None or letter.age_s >= older_than)
            and (not codes or letter.reason[0] in codes)
        )

    return selected


def _row(letter: Letter) -> dict[str, Any]:
    code, message = letter.reason
    return {
        "message_id": letter.received.message_id,
        "job_id": ", ".join(letter.job_ids),
        "error_code": code,
        "error_message": message,
        "source": letter.source,
        "sent_at": timestamp(letter.received.sent_at_ms / 1000),
        "receive_count": letter.received.receive_count,
        "tags": dict(letter.tags),
        "redrivable": letter.problem is None,
    }
