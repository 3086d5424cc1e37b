"""`matinv console`: a local web page of a stack."""

from __future__ import annotations

from importlib.util import find_spec

import click

from matinv.cli.errors import say
from matinv.jobs.error_answers import Exit


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Port on the loopback interface; 0 chooses a free one.",
)
@click.option("--no-browser", is_flag=True, help="Print the link, and do not open a browser.")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=10_000,
    show_default=True,
    help="Maximum number of jobs on the page, the latest first.",
)
@click.option(
    "--max-upload-mb",
    type=click.IntRange(1, 10_240),
    default=1024,
    show_default=True,
    help="Largest file that the page accepts, in MiB.",
)
@click.pass_context
def console(
    ctx: click.Context, /, *, port: int, no_browser: bool, limit: int, max_upload_mb: int
) -> Exit:
    """Show a stack on a local web page.

    The page shows runs, jobs, certificates in words, dead letters and health, and takes files that
    you drop on it. It uses this shell's credentials. Only this machine can reach it, by a link that
    works once.
    """
    require_console()
    from matinv.cli.options import client_of  # noqa: PLC0415 - numpy, for those who have the extra
    from matinv.console.app import Limits  # noqa: PLC0415
    from matinv.console.server import serve  # noqa: PLC0415

    client, limits = client_of(ctx), Limits(limit, max_upload_mb * 2**20)
    try:
        serve(client, port, limits, browser=not no_browser, ready=_announce)
    except OSError as error:
        say("PORT", f"cannot listen at 127.0.0.1:{port}: {error.strerror}", "choose another --port")
        return Exit.ERROR
    return Exit.OK


def require_console() -> None:
    """Refuse to go on without the console's libraries."""
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        message = "the console's libraries are not installed; run: pip install 'matinv[console]'"
        raise click.ClickException(message)


def _announce(link: str) -> None:
    click.echo(f"matinv: console at {link} (works once; Ctrl-C ends it)", err=True)
