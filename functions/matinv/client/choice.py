"""What somebody chooses: options of jobs, by their names, and jobs among others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import takewhile
from typing import Any, TypeVar

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
    method: str | None,
    output: str | None,
    form: str | None,
    accuracy: str | None,
    on_ill_conditioned: str | None,
    tags: Mapping[str, str] | None,
    run: str | None,
    expires_in_s: int | None = None,
) -> Options:
    """Return the options that somebody names; None, or an empty run, is not named.

    Raises
    ------
    Refused
        BAD_MESSAGE, for a name that is none of those that there are.
    """
    chosen: dict[str, Any] = {
        "method": None if method is None else one_of(Method, method),
        "output": None if output is None else one_of(Output, output),
        "format": None if form is None else one_of(Format, form),
        "on_ill_conditioned": (
            None if on_ill_conditioned is None else one_of(OnIllConditioned, on_ill_conditioned)
        ),
        "tags": None if tags is None else dict(tags),
        "accuracy": None if accuracy is None else one_of(Accuracy, accuracy),
        "run": run or None,
        "expires_in_s": expires_in_s,
    }
    named = {name: value for name, value in chosen.items() if value is not None}
    return Options(**named, named=frozenset(named))
