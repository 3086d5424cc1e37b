"""Exit codes, and how errors read: code, what was found, what is allowed, what to do."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Self

import click

from matinv.errors import ErrorInfo, MatinvError
from matinv.jobs.error_answers import NOT_FOUND, NOT_FOUND_HINT, Exit, answer_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matinv.jobs.record import Status


BROKEN_PIPE: Final = 128 + 13  # as a shell reports a process that SIGPIPE ended
INTERRUPTED: Final = 128 + 2  # and one that SIGINT ended

# Of several jobs, the outcome that needs a person first decides.
_GRAVEST_FIRST: Final = (
    Exit.REFUSED,
    Exit.ERROR,
    Exit.NOT_FOUND,
    Exit.FAILED,
    Exit.TIMED_OUT,
    Exit.PARTIAL,
    Exit.OK,
)


def gravest(codes: Iterable[Exit]) -> Exit:
    """Return the one exit code of several outcomes, OK of none."""
    found = set(codes)
    return next((code for code in _GRAVEST_FIRST if code in found), Exit.OK)


def exit_of_status(status: Status) -> Exit:
    """Return the exit code of a job that was waited for."""
    if status.failed:
        return Exit.FAILED
    return {"SUCCEEDED": Exit.OK, "PARTIAL": Exit.PARTIAL}.get(status, Exit.TIMED_OUT)


def error_line(info: ErrorInfo, subject: str = "") -> str:
    """Return an error as the one line that stderr shows.

    Examples
    --------
    >>> from matinv.errors import Code
    >>> error_line(ErrorInfo(Code.EMPTY, "no rows", "send a matrix", "(0, 0)", "n > 0"), "a.npy")
    'matinv: EMPTY: a.npy: no rows (found: (0, 0); allowed: n > 0); send a matrix'
    """
    named = replace(info, message=f"{subject}: {info.message}") if subject else info
    return f"matinv: {named}"


def complain(info: ErrorInfo, subject: str = "") -> None:
    """Write an error to stderr."""
    click.echo(error_line(info, subject), err=True)


def complain_missing(job_ids: Sequence[str]) -> Exit:
    """Write a line for each id that nothing is known of; return OK if there is none."""
    for job_id in job_ids:
        say(NOT_FOUND, f"{job_id}: no such job", NOT_FOUND_HINT)
    return Exit.NOT_FOUND if job_ids else Exit.OK


def complain_unfinished(job_ids: Sequence[str]) -> Exit:
    """Write a line for each job that did not end in time; return OK if there is none."""
    for job_id in job_ids:
        say("TIMED_OUT", f"{job_id}: not finished", f"it continues: matinv wait {job_id}")
    return Exit.TIMED_OUT if job_ids else Exit.OK


class Missing(Exception):
    """A package of an extra is not installed.

    Parameters
    ----------
    package, extra : str
        The missing package, and the extra of matinv that brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed")
        self.hint = f"run: pip install 'matinv[{extra}]'"


class Reported:
    """A block whose errors become lines on stderr and an exit code; a bug keeps its traceback."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        code = report(error) if isinstance(error, Exception) else None
        if code is not None:
            sys.exit(code)


def report(error: Exception) -> int | None:
    """Write an error to stderr and return its exit code, or None for one that is a bug."""
    match error:
        case click.exceptions.NoArgsIsHelpError():
            error.show()
            return Exit.USAGE
        case click.ClickException():
            ctx = getattr(error, "ctx", None)
            path = ctx.command_path if ctx else "matinv"
            say("USAGE", error.format_message(), f"see: {path} --help")
            return Exit.USAGE
        case click.Abort():
            say("INTERRUPTED", "stopped by Ctrl-C", "jobs that were submitted go on")
            return INTERRUPTED
        case Missing(hint=hint):
            say("MISSING", str(error), hint)
            return Exit.ERROR
        case OSError(filename=filename, strerror=strerror) if strerror:
            say("FILE", f"{filename}: {strerror}", "check the path and its permissions")
            return Exit.ERROR
    # Only here: the client loads numpy, and a command that raises its errors has it already.
    from matinv.client import JobFailed  # noqa: PLC0415
    from matinv.settings import SettingsError  # noqa: PLC0415

    match error:
        case SettingsError(info=info):
            complain(info)
            return Exit.ERROR
        case JobFailed():
            complain(error.error, error.job_id)
        case MatinvError(info=info):
            complain(info)
        case _:
            return None
    return answer_of(error.code).exit


def say(code: str, message: str, hint: str) -> None:
    """Write a line to stderr: what was found and what to do."""
    click.echo(f"matinv: {code}: {message}" + (f"; {hint}" if hint else ""), err=True)
