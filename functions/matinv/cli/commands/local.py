"""`matinv local`: the whole service on this machine.

Nothing here imports numpy: the worker's BLAS reads how many threads it may use when it is loaded.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from matinv.cli.commands.console import require_console
from matinv.cli.commands.env import use_stack
from matinv.cli.errors import say
from matinv.jobs.error_answers import Exit
from matinv.jobs.lanes import (
    HUGE_S,
    LAMBDA_MB,
    LARGE_S,
    MOST_THREADS,
    STANDARD_MB,
    Lane,
    threads_of,
)

if TYPE_CHECKING:
    from matinv.backends.aws.event_source import Polling
    from matinv.local.stack import Stack

Command = TypeVar("Command", bound=Callable[..., Any])

_UP_EPILOG: Final = """\b
In one shell:
  rm -f .env; matinv local up --env-file .env &
  until [ -f .env ]; do sleep 0.2; done; source .env"""


@click.group()
def local() -> None:
    """Run the whole stack on this machine."""


def _worker_options(command: Command) -> Command:
    """Add the options of an event-source mapping and its function."""
    for option in (
        click.option(
            "--timeout",
            "timeout_s",
            type=click.IntRange(1, 900),
            default=60,
            show_default=True,
            metavar="SECONDS",
            help="Time limit of an invocation. A worker that exceeds it is killed.",
        ),
        click.option(
            "--memory-mb",
            type=click.IntRange(128, LAMBDA_MB),
            default=STANDARD_MB,
            show_default=True,
            help="Memory of a worker. It decides which jobs are admitted, and the number of "
            "threads.",
        ),
        click.option(
            "--window",
            "window_s",
            type=click.FloatRange(0, 300),
            default=0,
            show_default=True,
            metavar="SECONDS",
            help="How long to wait for a full batch. With 0, a batch is the result of one receive.",
        ),
        click.option(
            "--batch-size",
            type=click.IntRange(1, 10_000),
            default=10,
            show_default=True,
            help="Maximum number of messages in a batch. Above 10, --window must be at least 1.",
        ),
    ):
        command = option(command)
    return command


@local.command(epilog=_UP_EPILOG)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Port of the embedded AWS on the loopback interface; 0 chooses a free one.",
)
@click.option(
    "--env-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the exports to this file instead of stdout, once everything is ready. It"
    " is removed at the end.",
)
@click.option(
    "--log-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for the logs of workers and API. Default: a temporary file that is "
    "removed at the end.",
)
@_worker_options
@click.option(
    "--visibility",
    "visibility_s",
    type=click.IntRange(0, 43_200),
    metavar="SECONDS",
    help="How long a received message is hidden. Default: timeout and window together.",
)
@click.option(
    "--max-receives",
    type=click.IntRange(1, 1000),
    default=5,
    show_default=True,
    help="Receives of a message before it moves to the dead-letter queue.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    help="Number of worker processes for the jobs queue.",
)
@click.option(
    "--api",
    "api_port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="Also serve the HTTP API, at this port of the loopback interface.",
)
@click.option(
    "--no-worker", is_flag=True, help="Start no worker. Run `matinv local worker` yourself."
)
@click.option(
    "--large-memory-mb",
    type=click.IntRange(128, LAMBDA_MB),
    help="Also run the lane large, with a worker of this memory.",
)
@click.option(
    "--huge-memory-mb",
    type=click.IntRange(min=128),
    help="Also run the lane huge: a poller with this memory, as AWS Batch runs it.",
)
@click.option(
    "--grid-ranks",
    type=click.IntRange(min=2),
    help="Also run the last lane: so many processes of MPI share a matrix in all memory there is.",
)
@click.option("--console", is_flag=True, help="Also run `matinv console` for this stack.")
@click.option(
    "--console-port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Port of the console; 0 chooses a free one.",
)
@click.option(
    "--no-browser", is_flag=True, help="Print the console's link, and do not open a browser."
)
def up(  # noqa: PLR0913 - each is an option of the command
    *,
    port: int,
    env_file: Path | None,
    log_file: Path | None,
    visibility_s: int | None,
    max_receives: int,
    workers: int,
    no_worker: bool,
    large_memory_mb: int | None,
    huge_memory_mb: int | None,
    grid_ranks: int | None,
    api_port: int | None,
    console: bool,
    console_port: int,
    no_browser: bool,
    memory_mb: int,
    **options: Any,
) -> Exit:
    """Start S3, SQS, DynamoDB and the worker, and serve until Ctrl-C.

    The exports for your shell go to stdout or to --env-file, notes to stderr, and the workers' logs
    to a file. The state is in memory and ends with the command.
    """
    from matinv.local import supervisor  # noqa: PLC0415 - see the module's docstring
    from matinv.local.stack import Shape, StackError  # noqa: PLC0415

    polling = _polling(visibility_s=visibility_s, **options)
    timeout_s = options["timeout_s"]
    if visibility_s is None:  # no message may come back while its batch fills or is in work
        visibility_s = timeout_s + math.ceil(polling.window_s)

    def lane(name: str, mb: int, following: Lane | None) -> Lane:
        return Lane(name, "", mb, threads_of(mb), timeout_s, following)

    opened: list[str] = []  # how to call `matinv console`
    if console:
        require_console()
        opened = ["--port", str(console_port), *(["--no-browser"] if no_browser else [])]
    behind = None
    cores = os.cpu_count() or 1
    if grid_ranks:
        own_mb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
        behind = Lane("grid", "", own_mb, cores, HUGE_S, ranks=grid_ranks)
    if huge_memory_mb:
        behind = Lane("huge", "", huge_memory_mb, min(cores, MOST_THREADS), HUGE_S, behind)
    if large_memory_mb:
        behind = lane("large", large_memory_mb, behind)
    shape = Shape(port, max_receives, visibility_s, lane("standard", memory_mb, behind))
    with (
        tempfile.NamedTemporaryFile(prefix="matinv-", suffix=".log") as temporary,
        (log_file or Path(temporary.name)).open("a") as log,
        supervisor.env_file(env_file, _note) as write,
    ):

        def ready(stack: Stack) -> None:
            if env_file is None:
                click.echo(stack.exports(), nl=False)
            write(stack.exports())
            _note(f"S3, SQS and DynamoDB at {stack.endpoint_url}; Ctrl-C ends it; log: {log.name}")

        try:
            supervisor.serve(
                shape,
                0 if no_worker else workers,
                lambda lane: _worker_of(lane, polling),
                ready,
                _note,
                log=log,
                api_port=api_port,
                console=opened if console else None,
            )
        except StackError as error:
            say(
                "STACK",
                str(error),
                "the lines above say why; a port may be taken: choose another --port",
            )
            return Exit.ERROR
    return Exit.OK


@local.command()
@_worker_options
@click.option(
    "--visibility",
    "visibility_s",
    type=click.IntRange(0, 43_200),
    metavar="SECONDS",
    help="How long a received message is hidden. Default: the queue's own setting.",
)
@click.pass_context
def worker(ctx: click.Context, /, *, memory_mb: int, **options: Any) -> None:
    """Run the worker alone, on the jobs queue that the environment names.

    It follows the rules of Lambda's event-source mapping. If it is killed at any point, nothing is
    lost: its messages come back after their visibility timeout. On Ctrl-C and SIGTERM it finishes
    its batch and ends; so it does when the pipe on its standard input is closed.
    """
    use_stack(ctx)
    polling = _polling(**options)
    os.environ["MATINV_MEMORY_MB"] = str(memory_mb)
    os.environ["MATINV_TIMEOUT_S"] = str(options["timeout_s"])
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # the function's own log
    from matinv.handlers.poller import serve  # noqa: PLC0415
    from matinv.settings import Settings  # noqa: PLC0415

    serve(Settings.from_environment().lane, polling)


def _polling(
    *, batch_size: int, window_s: float, timeout_s: int, visibility_s: int | None = None
) -> Polling:
    from matinv.backends.aws.event_source import Polling  # noqa: PLC0415 - see the module's docstring

    if visibility_s is not None and visibility_s < timeout_s:
        message = f"--visibility {visibility_s} is below --timeout {timeout_s}; Lambda refuses that"
        raise click.UsageError(message)
    try:
        return Polling(batch_size, window_s, visibility_s)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _worker_of(lane: Lane, polling: Polling) -> list[str]:
    """Return the arguments of `python -m` that run a worker of a lane.

    Where a job may take longer than Lambda lets it, that is the poller, as on AWS Batch, but
    without an end: nothing here starts another one.
    """
    if lane.timeout_s > LARGE_S:
        return ["matinv.handlers.poller", "--linger", "inf", "--grace", "5"]
    options = {
        "--batch-size": polling.batch_size,
        "--window": polling.window_s,
        "--timeout": int(lane.timeout_s),
        "--memory-mb": lane.memory_mb,
    }
    words = [str(word) for option in options.items() for word in option]
    return ["matinv.cli", "local", "worker", *words]


def _note(line: str) -> None:
    click.echo(f"matinv: {line}", err=True)


@local.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Port on the loopback interface; 0 chooses a free one.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.IntRange(1, 900),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="Time limit of a request.",
)
@click.pass_context
def api(ctx: click.Context, port: int, timeout_s: int) -> None:
    """Serve the HTTP API of the stack that the environment names, until Ctrl-C.

    It prints its URL, which --api takes. It listens on the loopback interface and, unlike a
    deployed API, asks for no credentials.
    """
    use_stack(ctx)
    from matinv.local.api import serve  # noqa: PLC0415 - see the module's docstring

    try:
        serve(port, timeout_s, click.echo)
    except OSError as error:
        raise click.UsageError(f"--port {port}: {error.strerror}") from error
