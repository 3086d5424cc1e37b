"""The fields of a JSON object from outside: known, of their type, of a bounded length.

By hand: pydantic takes 110 ms of CPU to import and to build six models, a fifth of a worker's cold
start with it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from matinv.core.errors import Code, Refused

Check = Callable[[object, str], Any]
"""Takes a value and the name of its field; returns what is meant, or raises `Refused`."""


@dataclass(frozen=True, slots=True)
class Fields:
    """What an object may hold.

    Parameters
    ----------
    checks : mapping
        A check for each field.
    required : frozenset of str
        Fields that must be there.
    open_ : bool
        Whether there may be others; they are left out.
    """

    checks: Mapping[str, Check]
    required: frozenset[str] = frozenset()
    open_: bool = False

    def __call__(self, tree: object, where: str = "") -> dict[str, Any]:
        """Return the fields that were given, checked.

        Raises
        ------
        Refused
            BAD_MESSAGE, for the first field that is wrong.
        """
        if not isinstance(tree, dict):
            raise _wrong(where, "is not an object")
        prefix = f"{where}." if where else ""
        if not self.open_:
            self._refuse_unknown(tree, prefix)
        for name in sorted(self.required - tree.keys()):
            raise _wrong(prefix + name, "is missing")
        return {
            name: check(tree[name], prefix + name)
            for name, check in self.checks.items()
            if name in tree
        }

    def _refuse_unknown(self, tree: Mapping[str, object], prefix: str) -> None:
        for name in tree:
            if name not in self.checks:
                raise Refused(
                    Code.BAD_MESSAGE,
                    f"there is no field {prefix}{name}",
                    "check its spelling: unknown fields are refused, lest an option has no effect",
                    observed=prefix + name,
                    limit=", ".join(self.checks),
                )


def anything(value: object, _where: str) -> object:
    """Take any value: others look into it."""
    return value


def text(shortest: int = 0, longest: int = sys.maxsize) -> Check:
    """Return a check for text of so many characters."""

    def check(value: object, where: str) -> str:
        if not isinstance(value, str):
            raise _wrong(where, "is not a text")
        if not shortest <= len(value) <= longest:
            what = "is too short" if len(value) < shortest else "is too long"
            raise _wrong(where, what, f"{shortest} to {longest} characters")
        return value

    return check


def optional(check: Check) -> Check:
    """Return a check for what may also be null."""
    return lambda value, where: None if value is None else check(value, where)


def whole(least: int, most: int) -> Check:
    """Return a check for whole numbers; 1.0 and true are none."""

    def check(value: object, where: str) -> int:
        if type(value) is not int or not least <= value <= most:
            raise _wrong(where, "is not a whole number in its range", f"{least} to {most}")
        return value

    return check


def one_of(choices: type[StrEnum]) -> Check:
    """Return a check for the texts of an enumeration."""
    known = {choice.value: choice for choice in choices}

    def check(value: object, where: str) -> StrEnum:
        if isinstance(value, str) and value in known:
            return known[value]
        raise _wrong(where, "is not one of its values", ", ".join(known))

    return check


def texts(most: int, name: Check, value: Check) -> Check:
    """Return a check for an object of at most so many texts."""

    def check(tree: object, where: str) -> dict[str, str]:
        if not isinstance(tree, dict):
            raise _wrong(where, "is not an object")
        if len(tree) > most:
            raise _wrong(where, "has too many entries", str(most))
        return {name(k, where): value(v, f"{where}.{k}") for k, v in tree.items()}

    return check


def _wrong(where: str, what: str, limit: str | None = None) -> Refused:
    return Refused(
        Code.BAD_MESSAGE,
        f"field {where} {what}" if where else f"the value {what}",
        "the README lists the fields of a message and their values",
        limit=limit,
    )
