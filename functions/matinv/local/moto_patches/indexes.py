"""Reads of DynamoDB in time for the items they return: moto's take twenty times as long.

moto sorts the whole table for each query of an index, and copies whole items before it projects
them: with 10,000 records a query takes 330 ms of CPU, and a list of jobs is 64 of them. Here the
first query after a write divides the table into partitions, 6 ms, and each sorts and answers the
keys of one. Of each attribute that moto answers it tries a dozen names; here it is written as it
is.
"""

from __future__ import annotations

import inspect
from typing import Any, Final, cast

from moto.core.serialize import BaseJSONSerializer
from moto.dynamodb.models.dynamo_type import Item
from moto.dynamodb.models.table import RESULT_SIZE_LIMIT, Table

_serialize: Final = BaseJSONSerializer._serialize_type_structure
_query: Final = Table.query
_signature: Final = inspect.signature(_query)

# Of each table and index the items by the value of their hash key, until something is written.
_partitions: Final[dict[tuple[int, str], dict[Any, list[Item]]]] = {}


def patch() -> None:
    """Answer queries of indexes here, and write attributes; everything else stays moto's."""
    setattr(Table, "query", _patched)  # noqa: B010 - mypy holds a method to be final
    setattr(BaseJSONSerializer, "_serialize_type_structure", _serialized)  # noqa: B010 - the same


def forget() -> None:
    """Divide tables anew at their next queries: something may have been written."""
    _partitions.clear()


def _serialized(serializer: Any, serialized: Any, value: Any, shape: Any, key: str) -> None:
    wire = _wire(value) if shape.name == "AttributeValue" else None
    if wire is None:
        _serialize(serializer, serialized, value, shape, key)
    else:
        serializer._default_serialize(serialized, wire, shape, key)


def _wire(value: Any) -> dict[str, Any] | None:
    """Return an attribute as DynamoDB writes it; None for bytes and sets, which moto knows."""
    kind, content = (
        next(iter(value.items())) if isinstance(value, dict) else (value.type, value.value)
    )
    if kind in {"S", "N", "BOOL", "NULL"}:
        return {kind: content}
    if kind == "M":
        members = {name: _wire(member) for name, member in content.items()}
        return None if None in members.values() else {kind: members}
    if kind == "L":
        elements = [_wire(element) for element in content]
        return None if None in elements else {kind: elements}
    return None


def _patched(table: Table, *args: Any, **kwargs: Any) -> Any:
    given = _signature.bind(table, *args, **kwargs).arguments
    named, keys = given.get("index_name"), given.get("hash_key_conditions")
    index = next((index for index in table.all_indexes() if index.name == named), None)
    beside = ("projection_expressions", "filter_kwargs", "consistent_read")
    others = table.has_range_key or any(map(given.get, beside))
    if index is None or not keys or len(keys) > 1 or others:
        return _query(table, *args, **kwargs)
    attributes = [key["AttributeName"] for key in index.schema] + [table.hash_key_attr]
    hash_key, wanted = keys[0]
    partitions = _partitions.get((id(table), index.name))
    if partitions is None:
        partitions = _partitions[id(table), index.name] = {}
        for item in cast("list[Item]", list(table.items.values())):  # there is no range key
            if hash_key in item.attrs:
                partitions.setdefault(item.attrs[hash_key].value, []).append(item)
    ranges = given.get("range_key_conditions") or ()
    found: dict[tuple[Any, ...], Item] = {}
    for item in partitions.get(wanted.value, ()):
        attrs = item.attrs
        if all(name in attrs for name in attributes) and all(
            attrs[name].compare(comparison, values) for name, comparison, values in ranges
        ):
            found[tuple(attrs[name].value for name in attributes)] = item
    forward = given["scan_index_forward"] is not False
    start = given.get("exclusive_start_key")
    after = tuple(next(iter(start[name].values())) for name in attributes) if start else None
    read: list[Item] = []
    last, size = None, 0
    for place in sorted(found, reverse=not forward):
        if after is not None and (place <= after if forward else place >= after):
            continue
        item = _projected(found[place], index.projection, attributes)
        size += item.size()
        if len(read) == given["limit"] or size > RESULT_SIZE_LIMIT:
            last = table._get_last_evaluated_key(read[-1], named)
            break
        read.append(item)
    condition = given.get("filter_expression")
    return [item for item in read if condition is None or condition.expr(item)], len(read), last


def _projected(item: Item, projection: dict[str, Any], keys: list[str]) -> Item:
    kind = projection.get("ProjectionType", "ALL")
    names = item.attrs if kind == "ALL" else [*keys, *projection.get("NonKeyAttributes", ())]
    kept = Item(item.hash_key, item.range_key, {})
    # Not one by one: each time the dictionary measures all that it holds.
    kept.attrs.update({name: item.attrs[name] for name in names if name in item.attrs})
    return kept
