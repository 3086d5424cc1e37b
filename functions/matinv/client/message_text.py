"""JSON message bodies, edited without touching the text of the matrix in them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

_BLANK: Final = re.compile(r"[ \t\n\r]*")

# Numbers stay text: nothing here reads them, and reading could round them.
_SCAN: Final = json.JSONDecoder(parse_float=str, parse_int=str).raw_decode


def members(body: str) -> dict[str, str]:
    """Return the members of a JSON object, each value as the text that it was written in.

    Parameters
    ----------
    body : str
        A JSON object.

    Raises
    ------
    ValueError
        If it is not one.

    Examples
    --------
    >>> members('{"job_id": "a", "matrix": [[1.0, -0.0]]}')
    {'job_id': '"a"', 'matrix': '[[1.0, -0.0]]'}
    """
    found: dict[str, str] = {}
    position = _expect(body, 0, "{")
    while body[position : position + 1] != "}":
        if found:
            position = _expect(body, position, ",")
        key, position = _SCAN(body, position)
        if not isinstance(key, str) or key in found:
            message = "a member's name is not a string, or appears twice"
            raise ValueError(message)
        start = _expect(body, _skip(body, position), ":")
        try:
            _, end = _SCAN(body, start)
        except RecursionError:
            message = "lists are nested too deeply"
            raise ValueError(message) from None
        found[key] = body[start:end]
        position = _skip(body, end)
    if _skip(body, position + 1) != len(body):
        message = "text after the object's end"
        raise ValueError(message)
    return found


def edited(body: str, changes: Mapping[str, Any]) -> str:
    """Return a JSON object with members set, or taken out where the change is None.

    Examples
    --------
    >>> edited('{"matrix": [[1e400, 0.10]], "method": "spd"}', {"redrive": 1, "method": None})
    '{"matrix":[[1e400, 0.10]],"redrive":1}'
    """
    texts: dict[str, str | None] = dict(members(body))
    texts |= {key: None if value is None else json.dumps(value) for key, value in changes.items()}
    pairs = (f"{json.dumps(key)}:{text}" for key, text in texts.items() if text is not None)
    return "{" + ",".join(pairs) + "}"


def elements(body: str, name: str) -> list[str]:
    """Return the elements of the list that is an object's only member, each as its text.

    Parameters
    ----------
    body : str
        A JSON object; NaN and Infinity, which JSON has not, pass for numbers.
    name : str
        The member's name.

    Raises
    ------
    ValueError
        If it is not such an object.

    Examples
    --------
    >>> elements('{"jobs": [{"matrix": [[0.10]]}, 5]}', "jobs")
    ['{"matrix": [[0.10]]}', '5']
    """
    found: list[str] = []
    key, position = _SCAN(body, _expect(body, 0, "{"))
    if key != name:
        message = f"expected {name}"
        raise ValueError(message)
    position = _expect(body, _expect(body, position, ":"), "[")
    while body[position : position + 1] != "]":
        if found:
            position = _expect(body, position, ",")
        try:
            _, end = _SCAN(body, position)
        except RecursionError:
            message = "lists are nested too deeply"
            raise ValueError(message) from None
        found.append(body[position:end])
        position = _skip(body, end)
    if _skip(body, _expect(body, position + 1, "}")) != len(body):
        message = "text after the object's end"
        raise ValueError(message)
    return found


def _skip(text: str, position: int) -> int:
    match = _BLANK.match(text, position)
    return match.end() if match else position


def _expect(text: str, position: int, token: str) -> int:
    start = _skip(text, position)
    if text[start : start + 1] != token:
        message = f"expected {token} at character {start}"
        raise ValueError(message)
    return _skip(text, start + 1)
