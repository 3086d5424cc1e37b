"""JSON text as it comes from outside: strict, in linear time, its number arrays left as text.

A message is a handful of fields around one large array of numbers. `parse` takes the arrays out of
the text, lets orjson parse what is left, and hands the arrays back as `Run`, for
`matinv.core.jsonmat` to read without building lists of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

from matinv.core.errors import Code, Refused

_ARRAY_KEYS: Final = frozenset({b"matrix", b"re", b"im"})
_ARRAY_NAMES: Final = tuple(key.decode() for key in _ARRAY_KEYS)
_ESCAPED_KEY_LENGTH: Final = 6 * len("matrix")  # every letter written as \u006d

_LIST: Final = re.compile(rb"[ \t\r\n]*+\[")
_STRING: Final = re.compile(rb'"((?:[^"\\]++|\\.)*+)"', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Run:
    """A list, as text, inside a larger text: ``text[start:end]``."""

    text: bytes
    start: int
    end: int

    @property
    def size_bytes(self) -> int:
        """Its length."""
        return self.end - self.start


def parse(text: bytes, syntax: Code) -> Any:
    """Parse JSON `text`, but leave its arrays unread, as `Run`.

    These are the lists under the keys matrix, re and im, and a text that is a list as a whole.

    Parameters
    ----------
    text : bytes
        UTF-8 without a byte order mark.
    syntax : Code
        What to raise when the text is not JSON: BAD_MESSAGE or BAD_FORMAT.

    Raises
    ------
    Refused
        `syntax`, also for a key that stands twice in one object.
    """
    if _LIST.match(text):
        return Run(text, 0, len(text))
    skeleton, runs, strings = _take_out(text)
    try:
        tree = orjson.loads(skeleton)
    except orjson.JSONDecodeError:
        tree, runs = _loads(text, syntax), []
    if _put_back(tree, runs) != strings:
        raise Refused(
            Code.BAD_MESSAGE,
            "the same key stands twice in one object",
            "keep one of the two",
        )
    return tree


def not_json(error: orjson.JSONDecodeError, syntax: Code, offset: int = 0) -> Refused:
    """Return the refusal of text that orjson could not parse from `offset` on."""
    return Refused(
        syntax,
        f"the text is not valid JSON: {error.msg}",
        "check it with a JSON parser; NaN, Infinity, comments and trailing commas are not JSON",
        observed=f"the error is at character {error.pos + offset}",
    )


def _loads(text: bytes, syntax: Code) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise not_json(error, syntax) from None


def _take_out(text: bytes) -> tuple[bytes, list[Run], int]:
    """Return `text` with ``[i]`` in place of its i-th array, the arrays, and its strings' number.

    The text between two strings is judged by its first ``[`` and last ``]`` alone. Where that is
    wrong, what is left is not JSON, or the array is not.
    """
    pieces: list[bytes] = []
    runs: list[Run] = []
    strings = position = 0
    for start, end in _strings(text):
        strings += 1
        if end - start > _ESCAPED_KEY_LENGTH or not _is_array_key(text[start:end]):
            continue
        following = text.find(b'"', end + 1)
        limit = following if following >= 0 else len(text)
        first = text.find(b"[", end, limit)
        last = text.rfind(b"]", first, limit)
        if first >= 0 and last >= 0 and text[end + 1 : first].strip(b" \t\r\n") == b":":
            pieces += (text[position:first], b"[%d]" % len(runs))
            runs.append(Run(text, first, last + 1))
            position = last + 1
    return b"".join((*pieces, text[position:])), runs, strings


def _strings(text: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the content of each string begins and ends."""
    if b"\\" in text:
        yield from (match.span(1) for match in _STRING.finditer(text))
        return
    quote = text.find(b'"')
    while quote >= 0:
        end = text.find(b'"', quote + 1)
        if end < 0:
            return
        yield quote + 1, end
        quote = text.find(b'"', end + 1)


def _is_array_key(content: bytes) -> bool:
    if b"\\" not in content:
        return content in _ARRAY_KEYS
    try:
        return orjson.loads(b'"%b"' % content) in _ARRAY_NAMES
    except orjson.JSONDecodeError:
        return False


def _put_back(tree: Any, runs: list[Run]) -> int:
    """Replace the placeholders in `tree` by `runs`; return how many strings there are, keys too.

    A list of one integer under an array's key is a placeholder: an array that was left in the text
    holds a string or an object, or its brackets do not pair.
    """
    strings = 0
    stack = [tree]
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            strings += 1
        elif isinstance(value, list):
            stack += value
        elif isinstance(value, dict):
            strings += len(value)
            for name in _ARRAY_NAMES if runs else ():
                if isinstance(value.get(name), list):
                    value[name] = _run_or_list(value[name], runs)
            stack += value.values()
    return strings


def _run_or_list(value: list[Any], runs: list[Run]) -> Run | list[Any]:
    return runs[value[0]] if len(value) == 1 and type(value[0]) is int else value
