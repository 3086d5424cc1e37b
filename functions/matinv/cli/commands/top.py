"""`matinv top`: how a stack is doing, live."""

from __future__ import annotations

import sys
from contextlib import nullcontext, suppress
from typing import Final

import click

from matinv.cli.errors import complain
from matinv.cli.options import Duration, client_of, output_option
from matinv.jobs.error_answers import Exit
from matinv.jobs.record_document import json_line
from matinv.operations.health import HealthWatch
from matinv.operations.throughput import Recent

_DAY_S: Final = 86_400.0

# So long a frame waits for what has not answered: the rest stands in the next one.
_PATIENCE_S: Final = 0.3


@click.command()
@click.option(
    "--interval",
    type=Duration(),
    default="5s",
    show_default=True,
    metavar="DURATION",
    help="Between two frames; 1s at least.",
)
@click.option(
    "--window",
    type=Duration(),
    default="15m",
    show_default=True,
    metavar="DURATION",
    help="The time that throughput, latency and cost are about; 1m to 1d.",
)
@click.option("--once", is_flag=True, help="Print one frame and end, as without a terminal.")
@output_option
@click.pass_context
def top(ctx: click.Context, *, interval: float, window: float, once: bool, output: str) -> Exit:
    """Show how the stack is doing: lanes, alarms, throughput, latency, cost.

    Until Ctrl-C, on a terminal: the first frame shows what has answered by then, the next ones add
    the rest. Alarms, duplicates and the age of the oldest message are
    CloudWatch's; the rest comes from queues and records, and is the same for a local stack. The
    cost is the sum of what the jobs' records say, at us-east-1's list prices: jobs that share a
    batch share its time by what each took. What may not be read is named, with the reason. With
    --output json it prints one document.
    """
    if interval < 1:
        raise click.UsageError(f"--interval is {interval:g}s (allowed: 1s or more)")
    if not 60 <= window <= _DAY_S:
        raise click.UsageError(f"--window is {window:g}s (allowed: 1m to 1d)")
    client = client_of(ctx)
    watch = HealthWatch(client, Recent(window))
    live = output == "table" and not once and sys.stdout.isatty()
    with suppress(KeyboardInterrupt) if live else nullcontext():  # which is how people end it
        health = watch.read(_PATIENCE_S if live else None)
        if health.blind:
            complain(health.unknown[0].error)
            return Exit.ERROR
        if output == "json":
            click.echo(json_line(health.document()))
            return Exit.OK
        from matinv.cli import health_view  # noqa: PLC0415 - rich, 50 ms, for those who look

        if not live:
            health_view.show(health)
            return Exit.OK
        with health_view.live() as update:
            while True:
                update(health)
                client.sleep(min(interval, _PATIENCE_S) if health.partial else interval)
                health = watch.read(_PATIENCE_S)
    return Exit.OK
