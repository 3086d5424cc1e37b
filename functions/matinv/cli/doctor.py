"""`matinv doctor`: settings, access, and a small job each way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Final
from uuid import uuid4

import click
import numpy as np

from matinv.cli.exits import Exit, error_line
from matinv.cli.output import json_text
from matinv.cli.params import Duration, client_of, output_option
from matinv.client import Client, ClientError, Job, Submission, TimedOut, prepare
from matinv.client.results import fetch_bytes, verify
from matinv.core import npy
from matinv.core.errors import MatinvError, Refused
from matinv.core.job import Options, Output
from matinv.ports import MatrixStore
from matinv.settings import SettingsError

_MATRIX: Final = np.array(
    [[4.0, 1.0, 0.0, 2.0], [1.0, 5.0, 1.0, 0.0], [0.0, 1.0, 6.0, 1.0], [2.0, 0.0, 1.0, 7.0]]
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found."""

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
    help="How long each of the two jobs may take.",
)
@output_option
@click.pass_context
def doctor(ctx: click.Context, /, *, timeout: float, output: str) -> Exit:
    """Check settings, access and a whole small job.

    One line per check. A 4 x 4 matrix is inverted twice, sent in a message and as a file; its
    residual is checked here, then record, result and file are removed.
    """
    failed = False
    for finding in _findings(ctx, timeout):
        failed |= finding.state == "failed"
        click.echo(_line(finding, output))
    return Exit.ERROR if failed else Exit.OK


def _line(finding: Finding, output: str) -> str:
    if output == "json":
        return json_text({"check": finding.check, "state": finding.state, "detail": finding.detail})
    return f"{finding.state:<8}{finding.check:<16}{finding.detail}"


def _findings(ctx: click.Context, timeout_s: float) -> Iterator[Finding]:
    try:
        client = client_of(ctx)
    except SettingsError as error:
        yield Finding("settings", "failed", str(error))
        return
    yield Finding("settings", "ok", "all MATINV_* names that are needed are set")
    reachable = True
    for name, check in _reaches(client).items():
        finding = _tried(name, check)
        reachable &= finding.state == "ok"
        yield finding
    for name, submission in _submissions().items():
        if reachable:
            yield _tried(name, partial(_whole_job, client, submission, timeout_s))
        else:
            yield Finding(name, "skipped", "until the above is mended")


def _tried(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, "ok", check())
    except MatinvError as error:
        return Finding(name, "failed", error_line(error.info).removeprefix("matinv: "))
    except ClientError as error:
        return Finding(name, "failed", f"{error.code}: {error.message}; {error.hint}")


def _reaches(client: Client) -> dict[str, Callable[[], str]]:
    """Return one check per resource; none of them changes anything."""
    settings = client.settings
    nobody = _new_id("reach")

    def inputs() -> str:
        client.store.find_input(nobody)
        return settings.inputs_bucket

    def results() -> str:
        uri = f"s3://{settings.results_bucket}/{nobody}.npy"
        with suppress(Refused), client.store.results(uri, None):  # there is no such object
            pass
        return settings.results_bucket

    def table() -> str:
        client.table.get([nobody])
        return settings.jobs_table

    def queue() -> str:
        receives = client.queue.max_receive_count()
        return f"{settings.jobs_queue_url} (dead letters after {receives} receives)"

    def dead() -> str:
        found = client.queue.receive_dead(1, 1)
        client.queue.release_dead(found)
        return settings.dlq_url + (" (holds messages: matinv dlq list)" if found else " (empty)")

    return {
        "inputs bucket": inputs,
        "results bucket": results,
        "jobs table": table,
        "jobs queue": queue,
        "dead letters": dead,
    }


def _submissions() -> dict[str, Submission]:
    message = prepare(_MATRIX, _new_id("message"))
    as_file = replace(
        prepare(_MATRIX, _new_id("file"), Options(output=Output.S3)),
        body=None,
        content=lambda: nullcontext(npy.parts(_MATRIX)),
    )
    return {"job by message": message, "job by file": as_file}


def _new_id(kind: str) -> str:
    return f"matinv-doctor-{kind}-{uuid4().hex[:12]}"


def _whole_job(client: Client, submission: Submission, timeout_s: float) -> str:
    (job,) = client.send([submission])
    if isinstance(job, MatinvError):
        raise job
    try:
        return _judged(job, timeout_s)
    finally:
        _clean_up(client, job)


def _judged(job: Job, timeout_s: float) -> str:
    try:
        job.wait(timeout_s)
    except TimedOut:
        message = f"no worker finished the job within {timeout_s:g} s"
        hint = "is a worker running (matinv local worker), is its trigger enabled? See its log"
        raise ClientError(message, hint) from None
    record = job.ended_record()
    content = fetch_bytes(job.client.store, record)
    found = verify(job.client.store, record, content, _MATRIX)
    return f"residual {found.residual:.2g}, by {record.engine.get('blas', 'unknown BLAS')}"


def _clean_up(client: Client, job: Job) -> None:
    with suppress(ClientError):
        record = job.record()
        if record.result and record.result.uri:
            client.store.delete(record.result.uri, record.result.version_id)
    client.table.delete(job.job_id)
    if job.input and job.input.source.startswith("s3://"):
        _delete_input(client.store, job.input.source, job.input.id)


def _delete_input(store: MatrixStore, uri: str, identity: str) -> None:
    kind, _, version = identity.partition(":")
    store.delete(uri, version if kind == "version" else None)
