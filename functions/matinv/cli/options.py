"""Parameter types and options that several commands share."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.core import ParameterSource

from matinv.cli.commands.env import use_stack
from matinv.client import Client
from matinv.errors import Code
from matinv.linalg.types import Accuracy, Method

Command = TypeVar("Command", bound=Callable[..., Any])

_UNITS_S: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)", re.ASCII)


if TYPE_CHECKING:  # these became generic at run time after click 8.3
    _Seconds = click.ParamType[float]
    _Tag = click.ParamType[tuple[str, str]]
    _Choice = click.Choice[StrEnum]
else:
    _Seconds = _Tag = click.ParamType
    _Choice = click.Choice


class Duration(_Seconds):
    """A length of time, in seconds: ``90``, ``90s``, ``15m``, ``2h``, ``7d``."""

    name = "duration"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        """Return seconds."""
        if isinstance(value, float):
            return value
        match = _DURATION.fullmatch(str(value))
        if match is None:
            self.fail(f"{value!r} is not a duration (allowed: 90, 90s, 15m, 2h, 7d)", param, ctx)
        return float(match[1]) * _UNITS_S[match[2]]


class OneOf(_Choice):
    """One of an enumeration, written and listed as its value and not as its name."""

    def normalize_choice(self, choice: object, ctx: click.Context | None) -> str:  # noqa: ARG002
        """Return the text of the command line."""
        return str(choice) if self.case_sensitive else str(choice).casefold()


class Pair(_Tag):
    """A tag, ``key=value``."""

    name = "key=value"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, str]:
        """Return the key and the value."""
        if isinstance(value, tuple):
            return value
        key, equals, text = str(value).partition("=")
        if not key or not equals:
            self.fail(f"{value!r} is not a tag (allowed: key=value)", param, ctx)
        return key, text


def client_of(ctx: click.Context) -> Client:
    """Return the client in the context, or one of the API or the stack that is named.

    An option of the command line wins over a variable, and an API's variable over a stack's.
    """
    root = ctx.find_root()
    if root.obj is not None:
        client: Client = root.obj
        return client
    given = [
        name
        for name in ("api", "stack")
        if root.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    if len(given) > 1:
        raise click.UsageError("--api and --stack exclude each other (allowed: one of them)")
    if root.params.get("api") and given != ["stack"]:
        root.obj = client = Client.connect(api=root.params["api"])
    else:
        use_stack(root)
        root.obj = client = Client.connect()
    return client


def output_option(command: Command) -> Command:
    """Add ``--output``."""
    return click.option(
        "--output",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="Output format: a table, or one JSON object per line.",
    )(command)


def timeout_option(command: Command) -> Command:
    """Add ``--timeout``."""
    return click.option(
        "--timeout",
        type=Duration(),
        metavar="DURATION",
        help="Give up after this time (90, 90s, 15m, 2h). Default: no limit.",
    )(command)


def job_ids_of(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Return distinct job ids; ``-`` stands for those on stdin, one per line: ids hold blanks."""
    ids: list[str] = []
    for argument in arguments:
        given = sys.stdin.read().splitlines() if argument == "-" else [argument]
        ids.extend(stripped for line in given if (stripped := line.strip()))
    return tuple(dict.fromkeys(ids))


def code_option(command: Command) -> Command:
    """Add ``--code``."""
    return click.option(
        "--code",
        "codes",
        type=OneOf(Code, case_sensitive=False),
        multiple=True,
        metavar="CODE",
        help="Only jobs that failed with this error code. Repeat for several.",
    )(command)


def method_option(command: Command) -> Command:
    """Add ``--method``, for a job that is yet to be sent."""
    return click.option(
        "--method",
        type=OneOf(Method),
        default=Method.AUTO.value,
        show_default=True,
        help="With auto: Cholesky if the matrix is positive definite, else LU.",
    )(command)


def accuracy_option(command: Command) -> Command:
    """Add ``--accuracy``, likewise."""
    return click.option(
        "--accuracy",
        type=OneOf(Accuracy),
        default=Accuracy.STANDARD.value,
        show_default=True,
        help="With verified, each element is proven and correctly rounded; this takes far longer.",
    )(command)


def run_option(command: Command) -> Command:
    """Add ``--run``."""
    return click.option("--run", metavar="NAME", help="All jobs of this run.")(command)


def check_one_way(job_ids: tuple[str, ...], *others: object) -> None:
    """Refuse a command line that says which jobs in no way, or in two."""
    if bool(job_ids) is any(others):
        raise click.UsageError(
            "choose jobs in exactly one way (allowed: IDs, or an option for many)"
        )
