"""The group of all commands, the one place where errors become lines and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from typing import Any, Final

import click

from matinv import __version__
from matinv.cli.errors import BROKEN_PIPE, Reported

# name: (module, attribute, first line of its help). The text stands here so that `matinv --help`
# imports none of the modules; a test compares it with what they say.
_COMMANDS: Final = {
    "submit": (
        "matinv.cli.commands.submit",
        "submit",
        "Submit matrices and print their job ids.",
    ),
    "status": (
        "matinv.cli.commands.jobs",
        "status",
        "Show the status of jobs, or of a run.",
    ),
    "wait": (
        "matinv.cli.commands.jobs",
        "wait",
        "Wait until jobs, or a run, have ended, and print their status.",
    ),
    "result": ("matinv.cli.commands.result", "result", "Fetch a job's inverse."),
    "fetch": ("matinv.cli.commands.fetch", "fetch", "Fetch many inverses into a folder."),
    "list": ("matinv.cli.commands.jobs", "list_", "List jobs, the most recently updated first."),
    "cancel": (
        "matinv.cli.commands.jobs",
        "cancel",
        "Cancel jobs that have not ended, by id or by run.",
    ),
    "delete": (
        "matinv.cli.commands.jobs",
        "delete",
        "Delete jobs that have ended, with result, dropped file and record.",
    ),
    "top": (
        "matinv.cli.commands.top",
        "top",
        "Show how the stack is doing: lanes, alarms, throughput, latency, cost.",
    ),
    "dlq": (
        "matinv.cli.commands.dlq",
        "dlq",
        "List dead letters, send their jobs back, or delete them.",
    ),
    "estimate": (
        "matinv.cli.commands.estimate",
        "estimate",
        "Predict memory, time, lane and cost.",
    ),
    "doctor": (
        "matinv.cli.commands.doctor",
        "doctor",
        "Check settings, access and a whole small job.",
    ),
    "env": ("matinv.cli.commands.env", "env", "Print a stack's settings as lines for a shell."),
    "console": ("matinv.cli.commands.console", "console", "Show a stack on a local web page."),
    "local": ("matinv.cli.commands.local", "local", "Run the whole stack on this machine."),
}

_EPILOG: Final = """\b
Exit codes:
  0 ok            5 not finished in time
  1 error         6 no such job
  2 usage         7 input refused
  3 job failed    130 interrupted
  4 job partial   141 broken pipe

Settings come from the environment (MATINV_*). `matinv local up` prints them for a local stack,
`matinv env` for a deployed one; --stack takes them from a deployed stack for one command.

\b
Completion (zsh: zsh_source, fish: fish_source):
  eval "$(_MATINV_COMPLETE=bash_source matinv)"
"""


class Commands(click.Group):
    """A group that imports a command when it is called, and reports every error in one way."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the commands in the order in which a newcomer meets them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if cmd_name not in _COMMANDS:
            return None
        if cmd_name == "fetch":
            from matinv.settings import limit_threads  # noqa: PLC0415 - see matinv.cli

            # It verifies many results side by side: with threads of their own, which wait by
            # spinning, 200 matrices of order 50 to 200 took three times the CPU.
            limit_threads(1)
        module, attribute, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of a line; for an unknown one suggest names that are like it, or all."""
        if args[0] not in _COMMANDS and not args[0].startswith("-"):
            alike = get_close_matches(args[0], _COMMANDS)
            known = (
                f"did you mean: {', '.join(alike)}?"
                if alike
                else f"allowed: {', '.join(_COMMANDS)}"
            )
            ctx.fail(f"no such command: {args[0]!r} ({known})")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a reader that closed the pipe ends it quietly."""
        try:
            code = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # What is left in the buffer could raise once more when the interpreter shuts down
            # (Python's documentation, "Note on SIGPIPE").
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return BROKEN_PIPE
        return code

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002 - click's signature
        **extra: Any,
    ) -> Any:
        """Run the command line and exit with one of the codes that the help lists."""
        run = partial(super().main, args, prog_name, complete_var, standalone_mode=False, **extra)
        if not standalone_mode:
            return run()
        with Reported():
            code: int | None = run()
            sys.exit(code or 0)


@click.group(cls=Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="matinv")
@click.option(
    "--stack",
    envvar="MATINV_STACK",
    show_envvar=True,
    metavar="DIR_OR_JSON",
    help="A deployed stack: its Terraform root, or a file (- for stdin) with its "
    "`terraform output -json`. It replaces all MATINV_* variables. The variable "
    "MATINV_STACK counts only if none of them is set.",
)
@click.option(
    "--api",
    envvar="MATINV_API_URL",
    show_envvar=True,
    metavar="URL",
    help="Use the HTTP API at this URL, with signed requests, instead of S3, SQS and "
    "DynamoDB. It serves submit, status, wait, result, fetch, list and dlq redrive "
    "--job-id.",
)
def cli(stack: str | None, api: str | None) -> None:
    """Invert matrices: submit them, wait, and fetch their certified inverses by job id."""
