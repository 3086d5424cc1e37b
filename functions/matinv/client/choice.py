"""What somebody chooses: options of jobs, by their names, and jobs among others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import takewhile
from typing import TypeVar

from matinv.errors import Code, Refused
from matinv.formats.codecs import Format
from matinv.jobs.record import Record
from matinv.jobs.request import Options, Output
from matinv.linalg.types import Accuracy, Method, OnIllConditioned

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Conditions on jobs; all that are given hold for those that are chosen.

    Parameters
    ----------
    tags : mapping
        Tags that a job has, among others.
    prefix : str
        How its id begins.
    since : str
        When it was updated last, at the earliest; as `matinv.jobs.times.timestamp` writes it.
    codes : frozenset of str
        Why it failed.
    run : str
        The run that it belongs to.
    """

    tags: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""
    since: str = ""
    codes: frozenset[str] = frozenset()
    run: str = ""

    def among(self, newest_first: Iterable[Record]) -> Iterator[Record]:
        """Yield those that are chosen; nothing is read beyond `since`."""
        for record in takewhile(lambda one: one.updated_at >= self.since, newest_first):
            if (
                record.job_id.startswith(self.prefix)
                and self.run in {"", record.run}
                and self.tags.items() <= record.tags.items()
                and (not self.codes or (record.error and record.error.code in self.codes))
            ):
                yield record


def one_of(kind: type[Choice], given: str) -> Choice:
    """Return a member of an enumeration by its name.

    Raises
    ------
    Refused
        BAD_MESSAGE, if it has no such member.
    """
    try:
        return kind(given)
    except ValueError:
        raise Refused(
            Code.BAD_MESSAGE,
            f"this is no {kind.__name__}",
            "name one of those that there are",
            observed=given,
            limit=", ".join(kind),
        ) from None


def options_of(  # noqa: PLR0913 - one for each option
    *,
    method: str,
    output: str,
    form: str | None,
    accuracy: str,
    on_ill_conditioned: str,
    tags: Mapping[str, str] | None,
    run: str | None,
    expires_in_s: int | None = None,
) -> Options:
    """Return the options that somebody names.

    Raises
    ------
    Refused
        BAD_MESSAGE, for a name that is none of those that there are.
    """
    return Options(
        one_of(Method, method),
        one_of(Output, output),
        None if form is None else one_of(Format, form),
        one_of(OnIllConditioned, on_ill_conditioned),
        dict(tags or {}),
        one_of(Accuracy, accuracy),
        run or "",
        expires_in_s,
    )
