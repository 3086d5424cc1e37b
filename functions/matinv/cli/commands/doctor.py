"""`matinv doctor`: settings, access, and a small job each way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from uuid import uuid4

import click

from matinv.cli.options import Duration, client_of, output_option
from matinv.client import Client
from matinv.errors import MatinvError, Misconfigured, Refused
from matinv.jobs.error_answers import Exit
from matinv.jobs.record_document import json_line
from matinv.jobs.request import Reference
from matinv.operations.whole_job import Way, whole_job
from matinv.settings import SettingsError


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    state: str  # ok, failed or skipped
    detail: str


@click.command()
@click.option(
    "--timeout",
    type=Duration(),
    default="60s",
    show_default=True,
    metavar="DURATION",
    help="Time limit for each of the two jobs.",
)
@output_option
@click.pass_context
def doctor(ctx: click.Context, /, *, timeout: float, output: str) -> Exit:
    """Check settings, access and a whole small job.

    Each check is a line. A small matrix is inverted twice, once by message and once by file. Its
    residual is checked on this machine, then record, result and file are removed. A job that does
    not succeed is left as it is. Of a deployed stack, keys, backups, lanes and api are checked
    too, as far as your rights allow.
    """
    failed = False
    for finding in _findings(ctx, timeout):
        failed |= finding.state == "failed"
        if output == "json":
            click.echo(json_line(asdict(finding)))
        else:
            click.echo(f"{finding.state:<8}{finding.check:<16}{finding.detail}")
    return Exit.ERROR if failed else Exit.OK


def _findings(ctx: click.Context, timeout_s: float) -> Iterator[Finding]:
    try:
        client = client_of(ctx)
    except SettingsError as error:
        yield Finding("settings", "failed", str(error).removeprefix("SETTINGS: "))
        return
    yield Finding("settings", "ok", "all MATINV_* names that are needed are set")
    reachable = True
    for name, check in _reaches(client).items():
        finding = _tried(name, check)
        reachable &= finding.state == "ok"
        yield finding
    yield from _deployed(client)
    for way in Way:
        if reachable:
            yield _tried(f"job by {way}", partial(_whole_job, client, way, timeout_s))
        else:
            yield Finding(f"job by {way}", "skipped", "until the above is fixed")


def _tried(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, "ok", check())
    except MatinvError as error:
        return Finding(name, "failed", str(error))


def _deployed(client: Client) -> Iterator[Finding]:
    """Say how the stack is deployed, its switches included, as far as its user may see that."""
    deployment = client.stack("how the stack is deployed").deployment
    for name, check in deployment.checks().items() if deployment else ():
        try:
            found = check()
        except Misconfigured as error:
            yield Finding(name, "skipped", f"see the policy `operator`: {error.info.message}")
        except MatinvError as error:
            yield Finding(name, "failed", str(error))
        else:
            yield Finding(name, "failed" if found.wrong else "ok", found.found)


def _reaches(client: Client) -> dict[str, Callable[[], str]]:
    """Return one check per resource; none of them changes anything."""
    settings = client.settings
    nobody = f"matinv-doctor-{uuid4().hex[:12]}"

    def inputs() -> str:
        client.store.find_input(nobody)
        return settings.inputs_bucket

    def results() -> str:
        uri = Reference(settings.results_bucket, f"{nobody}.npy").uri
        store = client.stack("looking into the results bucket").store
        with suppress(Refused), store.results(uri, None):  # there is no such object
            pass
        return settings.results_bucket

    def table() -> str:
        client.table.get([nobody])
        return settings.jobs_table

    def queue() -> str:
        receives = client.stack("the queue's redrive policy").queue.max_receive_count()
        return f"{settings.jobs_queue_url} (dead letters after {receives} receives)"

    def dead() -> str:
        queue = client.stack("looking into the dead letters").queue
        found = queue.receive_dead(1, 1)
        queue.release_dead(found)
        return settings.dlq_url + (" (holds messages: matinv dlq list)" if found else " (empty)")

    return {
        "inputs bucket": inputs,
        "results bucket": results,
        "jobs table": table,
        "jobs queue": queue,
        "dead letters": dead,
    }


def _whole_job(client: Client, way: Way, timeout_s: float) -> str:
    proof = whole_job(client, way, "doctor", timeout_s)
    return f"residual {proof.residual:.2g}, by {proof.record.engine.get('blas', 'unknown BLAS')}"
