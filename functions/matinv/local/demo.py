"""The demo: real files and messages, good and bad, through a real stack, checked at the end.

``scripts/demo`` runs it. It exits with 1 if anything is not as it must be.
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from matinv import processes
from matinv.client import Client, ClientError, Job, JobPartial, TimedOut
from matinv.jobs.record import Record, Status
from matinv.local.samples import Array, Sample, samples
from matinv.local.stack import Stack
from matinv.ports import Received

_WAIT_S: Final = 60.0
_STOP_S: Final = 10.0
_WHAT_WIDTH: Final = 22  # the table then fits 80 columns
_COLOURS: Final = {Status.SUCCEEDED: "green", Status.PARTIAL: "yellow", Status.FAILED: "red"}


def main() -> int:
    """Run the demo and return its exit code."""
    console = Console()
    console.print("[bold]Starting[/] S3, SQS, DynamoDB and the worker on this machine …")
    with Stack.start() as stack, tempfile.TemporaryFile("w+") as log:
        os.environ.update(stack.environment())
        with processes.running(["-m", "matinv.cli", "local", "worker"], _STOP_S, stderr=log):
            sent = samples(stack.settings.inputs_bucket)
            client = Client.connect()
            records = _run(console, stack, client, sent)
            letters = client.stack("looking into the dead letters").queue.receive_dead(100, 30)
            console.print("", _jobs_table(sent, records), "", _letters_table(letters), "")
            problems = [*_problems(client, sent, records), *_lost_letters(sent, letters)]
        if problems:
            log.seek(0)
            console.print(log.read(), style="dim", markup=False)
    for problem in problems:
        console.print(f"[red]✗[/] {problem}")
    if not problems:
        console.print(
            "[green]✓[/] Every inverse was fetched and checked here against its matrix; "
            "everything else was refused with its reason."
        )
    return 1 if problems else 0


def _run(
    console: Console, stack: Stack, client: Client, sent: Sequence[Sample]
) -> Mapping[str, Record]:
    """Send everything and wait, with a progress bar."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        sending = progress.add_task("files dropped, messages sent", total=len(sent))
        ending = progress.add_task("jobs ended", total=len(sent))
        for sample in sent:
            _send(stack, sample)
            progress.advance(sending)

        def count(record: Record) -> None:
            progress.advance(ending, float(record.status.terminal))

        try:
            return client.wait([s.job_id for s in sent], timeout_s=_WAIT_S, on_change=count)
        except TimedOut:
            return client.records([s.job_id for s in sent])


def _send(stack: Stack, sample: Sample) -> None:
    """Send a sample as any program would: with plain boto3."""
    if sample.key:
        stack.client("s3").put_object(
            Bucket=stack.settings.inputs_bucket, Key=sample.key, Body=sample.content
        )
    else:
        stack.client("sqs").send_message(
            QueueUrl=stack.settings.jobs_queue_url, MessageBody=sample.content.decode()
        )


def _jobs_table(sent: Sequence[Sample], records: Mapping[str, Record]) -> Table:
    table = Table(title="Jobs", title_justify="left", box=None, padding=(0, 1, 0, 0))
    table.add_column("job", no_wrap=True, min_width=10)
    table.add_column("what", no_wrap=True, overflow="ellipsis", max_width=_WHAT_WIDTH)
    table.add_column("n", no_wrap=True, min_width=5)
    table.add_column("ends", no_wrap=True, min_width=13)
    for name in ("rcond", "resid.", "digits", "ms"):
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    for sample in sent:
        table.add_row(sample.job_id[:10], sample.what, *_cells(records.get(sample.job_id)))
    return table


def _cells(record: Record | None) -> Iterator[str]:
    if record is None:
        yield from ("", "no record")
        return
    shape, certificate = record.input.shape, record.certificate
    yield "×".join(map(str, shape[:-1])) if shape else ""
    outcome = record.error.code if record.error else record.status
    yield f"[{_COLOURS.get(record.status, 'white')}]{outcome}[/]"
    if certificate:
        yield f"{certificate.rcond_1:.0e}"
        yield f"{certificate.residual:.0e}"
        yield f"{certificate.digits:.1f}"
        yield f"{record.timings_ms.get('invert_ms', 0.0):.1f}"


def _letters_table(letters: Sequence[Received]) -> Table:
    table = Table(
        "job", "code", "reason", title="Dead-letter queue", title_justify="left", box=None
    )
    for letter in sorted(letters, key=lambda letter: letter.attributes.get("job_id", "")):
        texts = (letter.attributes.get(n, "") for n in ("error_code", "error_message"))
        table.add_row(letter.attributes.get("job_id", "")[:10], *texts)
    return table


def _problems(
    client: Client, sent: Sequence[Sample], records: Mapping[str, Record]
) -> Iterator[str]:
    """Yield what is wrong with the records, and with inverses that are fetched and checked."""
    for sample in sent:
        record = records.get(sample.job_id)
        if record is None or record.status is not sample.status:
            found = record.status if record else "no record"
            yield f"{sample.job_id}: {found} instead of {sample.status}"
        elif sample.code:
            if record.error is None or record.error.code != sample.code:
                yield f"{sample.job_id}: refused for another reason than {sample.code}"
        elif sample.matrix is not None:
            yield from _wrong_result(client.job(sample.job_id), sample.matrix)


def _wrong_result(job: Job, matrix: Array) -> Iterator[str]:
    """Fetch a result and hold hash and residual against the matrix that was sent."""
    try:
        with warnings.catch_warnings(action="ignore", category=JobPartial):
            job.result(verify=matrix)
    except ClientError as error:
        yield f"{job.job_id}: {error}"


def _lost_letters(sent: Sequence[Sample], letters: Sequence[Received]) -> Iterator[str]:
    expected = sorted((sample.job_id, sample.code) for sample in sent if sample.code)
    found = sorted(
        (letter.attributes.get("job_id", ""), letter.attributes.get("error_code"))
        for letter in letters
    )
    if found != expected:
        yield f"the dead-letter queue holds {found}, not {expected}"


if __name__ == "__main__":
    sys.exit(main())
