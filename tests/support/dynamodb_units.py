"""The write and read units that DynamoDB counts, from its documents and not from the service.

Source: DynamoDB Developer Guide, "DynamoDB item sizes and formats"; "DynamoDB read and write
operations" (a write unit is 1 KiB of the larger of old and new item, twice in a transaction; a
consistent read unit 4 KiB; a condition that fails is a write all the same); "Using Global Secondary
Indexes", "Storage/write considerations" (an index entry that comes or goes is a write, one that
moves is two, one that changes otherwise is one, one that stays is none).
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Mapping
from math import ceil
from typing import Any

Item = Mapping[str, Any]
"""An item in DynamoDB's JSON."""

Index = tuple[tuple[str, ...], tuple[str, ...]]
"""The keys of an index, and what else it projects, the table's key left out."""


def item_bytes(item: Item) -> int:
    """Return the size of an item, names of attributes included."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            digits = content.lstrip("-").partition("E")[0].partition("e")[0]
            significant = len(digits.replace(".", "").strip("0")) or 1
            return ceil(significant / 2) + 1 + content.startswith("-")
        case "B":
            return len(b64decode(content) if isinstance(content, str) else bytes(content))
        case "BOOL" | "NULL":
            return 1
        case "L":
            return 3 + sum(1 + _value_bytes(element) for element in content)
        case "M":
            return 3 + len(content) + item_bytes(content)
    raise AssertionError(kind)


def write_units(old: Item | None, new: Item, indexes: Iterable[Index]) -> int:
    """Return the units of replacing an item, those of its indexes included."""
    of_table = _kibibytes(max(item_bytes(old or {}), item_bytes(new)))
    return of_table + sum(_index_units(old, new, *index) for index in indexes)


def refused_write_units(old: Item | None) -> int:
    """Return the units of a write whose condition fails."""
    return _kibibytes(item_bytes(old or {}))


def read_units(item: Item | None) -> int:
    """Return the units of a consistent read."""
    return max(1, ceil(item_bytes(item or {}) / 4096))


def _kibibytes(size: int) -> int:
    return max(1, ceil(size / 1024))


def _index_units(
    old: Item | None, new: Item, keys: tuple[str, ...], others: tuple[str, ...]
) -> int:
    def entry(item: Item | None, names: Iterable[str]) -> dict[str, Any] | None:
        if item is None or any(name not in item for name in keys):
            return None  # the index is sparse
        return {name: item[name] for name in names if name in item}

    names = ("job_id", *keys, *others)
    before, after = entry(old, names), entry(new, names)
    if before == after:
        return 0
    if before and after and entry(old, keys) == entry(new, keys):
        return _kibibytes(max(item_bytes(before), item_bytes(after)))
    return sum(_kibibytes(item_bytes(one)) for one in (before, after) if one)
