"""moto's DynamoDB, taught the PartiQL statements that the service sends, by AWS's documents.

moto runs a batch of statements one by one, but knows no condition beside the key, sets one
attribute at a time, and answers errors under other names. What is no INSERT of a whole item and no
UPDATE under a condition is still moto's.

Source: DynamoDB Developer Guide, "PartiQL insert statements", "PartiQL update statements"; API
reference, "BatchStatementError".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from moto.core.exceptions import JsonRESTError
from moto.dynamodb.models import DynamoDBBackend

Item = Mapping[str, Any]

_INSERT: Final = re.compile(r'INSERT INTO "([^"]+)" VALUE \{(.*)\}')
_UPDATE: Final = re.compile(r'UPDATE "([^"]+)" (.*) WHERE (.*)')
_batch_of_moto = DynamoDBBackend.batch_execute_statement


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement, read: ``condition`` is None for an INSERT."""

    table_name: str
    values: Item
    removed: Sequence[str]
    condition: Item | None
    returns_item: bool

    @classmethod
    def read(cls, request: Mapping[str, Any]) -> Statement | None:
        """Parse a statement; return nothing if it is of another kind."""
        text, values = request["Statement"], iter(request.get("Parameters", ()))
        returns_item = request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
        if insert := _INSERT.fullmatch(text):
            item = {name: next(values) for name in re.findall(r"'(\w+)': \?", insert[2])}
            return cls(insert[1], item, (), None, returns_item)
        if update := _UPDATE.fullmatch(text):
            changed = {name: next(values) for name in re.findall(r'SET "(\w+)" = \?', update[2])}
            condition = {name: next(values) for name in re.findall(r'"(\w+)" = \?', update[3])}
            removed = re.findall(r'REMOVE "(\w+)"', update[2])
            return cls(update[1], changed, removed, condition, returns_item)
        return None

    @property
    def key(self) -> Item:
        """The key of the item that it writes."""
        return {"job_id": (self.values if self.condition is None else self.condition)["job_id"]}

    def apply(self, stands: Item | None) -> tuple[Item, dict[str, Any] | None]:
        """Return the item to write, or the error that says why it may not be written."""
        if self.condition is None:
            taken = _error("DuplicateItem", "Duplicate primary key exists in table")
            return self.values, taken if stands else None
        if stands is None or any(stands.get(n) != value for n, value in self.condition.items()):
            failed = _error("ConditionalCheckFailed", "The conditional request failed")
            if stands and self.returns_item:
                failed["Error"]["Item"] = stands
            return {}, failed
        kept = {name: value for name, value in stands.items() if name not in self.removed}
        return {**kept, **self.values}, None


def patch() -> None:
    """Let batches of statements write as AWS documents it."""
    setattr(DynamoDBBackend, "batch_execute_statement", _batch)  # noqa: B010 - mypy: a method


def _batch(backend: DynamoDBBackend, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    statements = [Statement.read(request) for request in requests]
    if None in statements:
        return _batch_of_moto(backend, requests)
    return [_run(backend, statement) for statement in statements if statement]


def _run(backend: DynamoDBBackend, statement: Statement) -> dict[str, Any]:
    if statement.table_name not in backend.tables:
        return _error("ResourceNotFound", "Requested resource not found")
    found = backend.get_item(statement.table_name, dict(statement.key))
    item, error = statement.apply(found.to_json()["Attributes"] if found else None)
    if error:
        return error
    try:
        backend.put_item(statement.table_name, dict(item))
    except JsonRESTError as refused:
        return _error("ValidationError", str(refused.message))
    return {"TableName": statement.table_name}


def _error(code: str, message: str) -> dict[str, Any]:
    return {"Error": {"Code": code, "Message": message}}
