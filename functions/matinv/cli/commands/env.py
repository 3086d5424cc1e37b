"""A deployed stack by Terraform's outputs, instead of a dozen variables set by hand."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final, NoReturn

import click
from click.core import ParameterSource

from matinv import settings
from matinv.errors import printable
from matinv.jobs.error_answers import Exit
from matinv.settings import SettingsError

_OUTPUT: Final = "environment"
_ALLOWED: Final = re.compile(r"MATINV_[A-Z_]+|AWS_REGION")
_A_FILE: Final = "name a file with the output of terraform output -json"
_BOX: Final = re.compile(r"[\s╷│╵]+")


def use_stack(ctx: click.Context) -> None:
    """Take the settings of this process from the stack that the command line names, if it does.

    ``--stack`` replaces all ``MATINV_*`` names; ``MATINV_STACK`` counts only where none is set.
    Either way the names of two stacks are never mixed.

    Raises
    ------
    SettingsError
        If the stack does not tell.
    """
    root = ctx.find_root()
    stack = root.params.get("stack")
    asked = root.get_parameter_source("stack") is ParameterSource.COMMANDLINE
    if stack and (asked or not settings.names_set()):
        settings.adopt(environment_of(stack))


def environment_of(stack: str) -> dict[str, str]:
    """Return the variables that name a stack.

    Parameters
    ----------
    stack : str
        Terraform's root of the service, a file that holds what ``terraform output -json`` prints
        there, or ``-`` for stdin.

    Raises
    ------
    SettingsError
        If it does not tell.
    """
    text = _outputs(stack)
    try:
        outputs = json.loads(text)
    except (ValueError, RecursionError):
        outputs = None
    if not isinstance(outputs, dict):
        _fail(stack, "no output of terraform output -json", "name a file that holds nothing else")
    if not outputs:
        _fail(stack, "there are no outputs", "run terraform apply there, or select its workspace")
    if _OUTPUT not in outputs:
        found = ", ".join(sorted(outputs))
        _fail(stack, f"no output {_OUTPUT}, only {found}", "name the service's root")
    output = outputs[_OUTPUT]
    environment = output.get("value") if isinstance(output, dict) else None
    if not isinstance(environment, dict) or not all(
        _ALLOWED.fullmatch(name) and isinstance(value, str) for name, value in environment.items()
    ):
        _fail(stack, f"output {_OUTPUT} is not a map of MATINV_* names", "name the service's root")
    # boto3 reads the second name only, other tools the first.
    region = environment.get("AWS_REGION")
    return environment | ({"AWS_DEFAULT_REGION": region} if region else {})


def _outputs(stack: str) -> str:
    """Return the text of a stack's ``terraform output -json``."""
    if stack == "-":
        return sys.stdin.read()
    path = Path(stack)
    if not path.is_dir():
        try:
            return path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text"
            _fail(stack, str(reason), "name a Terraform root, or a file of its outputs")
    command = ["terraform", f"-chdir={stack}", "output", "-no-color", "-json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError:
        _fail(stack, "terraform is not installed", _A_FILE)
    if done.returncode:
        # Its first error on one line, without the box around it and warnings before.
        said = _BOX.sub(" ", done.stderr).strip()
        error_text = said[max(said.find("Error: "), 0) :]
        _fail(stack, f"terraform says: {error_text}", f"correct that, or {_A_FILE}")
    return done.stdout


def _fail(stack: str, found: str, hint: str) -> NoReturn:
    raise SettingsError(f"--stack {stack}: {printable(found)}", hint) from None


@click.command()
@click.option("--stack", metavar="DIR_OR_JSON", help="Which stack. Same as the global --stack.")
@click.pass_context
def env(ctx: click.Context, stack: str | None) -> Exit:
    """Print a stack's settings as lines for a shell.

    For all commands of a shell: eval "$(matinv env --stack infra/service)"
    """
    stack = stack or ctx.find_root().params.get("stack")
    if not stack:
        raise click.UsageError("no stack is named (allowed: --stack DIR_OR_JSON, MATINV_STACK)")
    environment = environment_of(stack)
    others = sorted(settings.names_set() - environment.keys())
    lines = [f"unset {' '.join(others)}"] if others else []
    lines += [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
    click.echo("".join(f"{line}\n" for line in lines), nl=False)
    return Exit.OK
