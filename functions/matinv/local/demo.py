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
from matinv.client import Client, ClientError, JobPartial, TimedOut
from matinv.jobs.record import Record, Status
from matinv.local.samples import Sample, samples
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
            problems = [*_problems(client, sent, records, letters)]
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
        s3, sqs = stack.client("s3"), stack.client("sqs")
        for sample in sent:
            # As any program would: with plain boto3.
            if sample.key:
                bucket = stack.settings.inputs_bucket
                s3.put_object(Bucket=bucket, Key=sample.key, Body=sample.content)
            else:
                url = stack.settings.jobs_queue_url
                sqs.send_message(QueueUrl=url, MessageBody=sample.content.decode())
            progress.advance(sending)

        def count(record: Record) -> None:
            progress.advance(ending, float(record.status.terminal))

        try:
            return client.wait([s.job_id for s in sent], timeout_s=_WAIT_S, on_change=count)
        except TimedOut:
            return client.records([s.job_id for s in sent])


def _jobs_table(sent: Sequence[Sample], records: Mapping[str, Record]) -> Table:
    table = Table(title="Jobs", title_justify="left", box=None, padding=(0, 1, 0, 0))
    table.add_column("job", no_wrap=True, min_width=10)
    table.add_column("what", no_wrap=True, overflow="ellipsis", max_width=_WHAT_WIDTH)
    table.add_column("n", no_wrap=True, min_width=5)
    table.add_column("ends", no_wrap=True, min_width=13)
    for name in ("rcond", "resid.", "digits", "ms"):
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    for sample in sent:
        cells = ["", "no record"]
        if record := records.get(sample.job_id):
            shape, certificate = record.input.shape, record.certificate
            outcome = record.error.code if record.error else record.status
            cells = [
                "×".join(map(str, shape[:-1])) if shape else "",
                f"[{_COLOURS.get(record.status, 'white')}]{outcome}[/]",
            ]
            if certificate:
                cells += [
                    f"{certificate.rcond_1:.0e}",
                    f"{certificate.residual:.0e}",
                    f"{certificate.digits:.1f}",
                    f"{record.timings_ms.get('invert_ms', 0.0):.1f}",
                ]
        table.add_row(sample.job_id[:10], sample.what, *cells)
    return table


def _letters_table(letters: Sequence[Received]) -> Table:
    table = Table(
        "job", "code", "reason", title="Dead-letter queue", title_justify="left", box=None
    )
    for letter in sorted(letters, key=lambda letter: letter.attributes.get("job_id", "")):
        texts = (letter.attributes.get(n, "") for n in ("error_code", "error_message"))
        table.add_row(letter.attributes.get("job_id", "")[:10], *texts)
    return table


def _problems(
    client: Client,
    sent: Sequence[Sample],
    records: Mapping[str, Record],
    letters: Sequence[Received],
) -> Iterator[str]:
    """Yield each fault of records, letters, and fetched inverses."""
    for sample in sent:
        record = records.get(sample.job_id)
        if record is None or record.status is not sample.status:
            found = record.status if record else "no record"
            yield f"{sample.job_id}: {found} instead of {sample.status}"
        elif sample.code:
            if record.error is None or record.error.code != sample.code:
                yield f"{sample.job_id}: refused for another reason than {sample.code}"
        elif sample.matrix is not None:
            # Hash and residual must fit the matrix that was sent.
            try:
                with warnings.catch_warnings(action="ignore", category=JobPartial):
                    client.job(sample.job_id).result(verify=sample.matrix)
            except ClientError as error:
                yield f"{sample.job_id}: {error}"
    expected = sorted((sample.job_id, sample.code) for sample in sent if sample.code)
    arrived = sorted(
        (letter.attributes.get("job_id", ""), letter.attributes.get("error_code"))
        for letter in letters
    )
    if arrived != expected:
        yield f"the dead-letter queue holds {arrived}, not {expected}"


if __name__ == "__main__":
    sys.exit(main())
