"""A choice among jobs: options of jobs, by their names, and jobs among others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import takewhile
from typing import Any, Final, TypedDict, TypeVar, Unpack

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
            "use one of the allowed values",
            observed=given,
            limit=", ".join(kind),
        ) from None


class JobOptions(TypedDict, total=False):
    """The options of a job by their names in messages; one that is None is not named."""

    method: Method | str | None
    output: Output | str | None
    format: Format | str | None
    accuracy: Accuracy | str | None
    on_ill_conditioned: OnIllConditioned | str | None
    tags: Mapping[str, str] | None
    run: str | None
    expires_in_s: int | None


_KINDS: Final[Mapping[str, type[StrEnum]]] = {
    "method": Method,
    "output": Output,
    "format": Format,
    "accuracy": Accuracy,
    "on_ill_conditioned": OnIllConditioned,
}


def options_of(**given: Unpack[JobOptions]) -> Options:
    """Return the options that somebody names; an empty run is not named.

    Raises
    ------
    Refused
        BAD_MESSAGE, for a name that is none of those that there are.
    """
    named: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    named |= {name: one_of(_KINDS[name], named[name]) for name in named.keys() & _KINDS.keys()}
    if "tags" in named:
        named["tags"] = dict(named["tags"])
    if not named.get("run", "any"):
        del named["run"]
    return Options(**named, named=frozenset(named))
