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
    help="Time between two frames, at least 1s.",
)
@click.option(
    "--window",
    type=Duration(),
    default="15m",
    show_default=True,
    metavar="DURATION",
    help="Time span of throughput, latency and cost, from 1m to 1d.",
)
@click.option(
    "--once", is_flag=True, help="Print one frame and exit. This is the default without a terminal."
)
@output_option
@click.pass_context
def top(ctx: click.Context, *, interval: float, window: float, once: bool, output: str) -> Exit:
    """Show how the stack is doing: lanes, alarms, throughput, latency, cost.

    On a terminal, it refreshes until you press Ctrl-C. The first frame shows figures that have
    arrived by then, and later frames add the rest. Alarms, duplicates and the age of the oldest
    message come from CloudWatch. Everything else comes from queues and records, so that a local
    stack shows the same. The cost is the sum of the jobs' records, at us-east-1's list prices; jobs
    of one batch share its time. Figures that you are not allowed to read are listed with the
    reason. --output json prints one document.
    """
    if interval < 1:
        raise click.UsageError(f"--interval is {interval:g}s (allowed: 1s or more)")
    if not 60 <= window <= _DAY_S:
        raise click.UsageError(f"--window is {window:g}s (allowed: 1m to 1d)")
    live = output == "table" and not once and sys.stdout.isatty()
    with suppress(KeyboardInterrupt) if live else nullcontext():  # which is how people end it
        client = client_of(ctx)
        watch = HealthWatch(client, Recent(window))
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
