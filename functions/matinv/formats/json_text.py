"""JSON text from outside: strict, in linear time, its number arrays left as text.

A message is a handful of fields around one large array of numbers. `parse` takes the arrays out of
the text, lets orjson parse what is left, and hands the arrays back as `Unread`, for
`matinv.formats.json_matrix` to read without a list of all their numbers.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from matinv.errors import Code, Refused
from matinv.formats.foreign import check_encoding, check_layout, check_text, eight_bit

_ARRAY_NAMES: Final = ("matrix", "re", "im", "data")
_LONGEST_NAME: Final = 6 * len("matrix")  # bytes, every letter written like \u006d

# A message has two arrays at most, and no object in a message or event has so many fields. More of
# either are keys that stand twice, or unknown: kept apart, each would take 40 times its text.
_ARRAYS_LIMIT: Final = 100
_FIELDS_LIMIT: Final = 1000

_LIST: Final = re.compile(rb"[ \t\r\n]*+\[")
_COLON_AND_LIST: Final = re.compile(rb"[ \t\r\n]*+:[ \t\r\n]*+(?=\[)")
# A string, or the rest of the text if the string does not end: so a search never starts over.
_STRING: Final = re.compile(rb'"((?:[^"\\]++|\\.)*+)(?:"|\\?+\Z)', re.DOTALL)


_NON_FINITE: Final = re.compile(rb"-?(?:NaN|nan|Infinity|[Ii]nf)\b")


@dataclass(frozen=True, slots=True)
class Unread:
    """A list that was left unread, inside a larger text: ``text[start:end]``."""

    text: bytes = field(repr=False)
    start: int
    end: int

    @property
    def size_bytes(self) -> int:
        """Its length."""
        return self.end - self.start

    def find(self, part: bytes) -> int:
        """Return where in the larger text `part` stands first, or -1."""
        return self.text.find(part, self.start, self.end)

    def count(self, part: bytes) -> int:
        """Return how often `part` stands in it."""
        return self.text.count(part, self.start, self.end)


def parse(text: bytes, syntax: Code) -> Any:
    """Parse JSON `text`, but leave its arrays unread, as `Unread`.

    These are the lists under the keys matrix, re, im and data, and text that is one list.

    Parameters
    ----------
    text : bytes
        UTF-8 without a byte order mark.
    syntax : Code
        The code to raise when the text is not JSON: BAD_MESSAGE or BAD_FORMAT.

    Raises
    ------
    Refused
        `syntax`; BAD_MESSAGE for a key that stands twice in one object, or for 1,000 keys there.
    """
    check_encoding(text, syntax)
    check_text(text, syntax)
    if _LIST.match(text):
        return Unread(text, 0, len(text))
    keys, strings = _array_keys(text)
    skeleton, lists = _take_out(text, keys if len(keys) <= _ARRAYS_LIMIT else [])
    try:
        tree = orjson.loads(skeleton)
    except orjson.JSONDecodeError:
        tree, lists = loads(text, syntax), []
    if _put_back(tree, lists) != strings:
        raise Refused(
            Code.BAD_MESSAGE,
            "the same key appears twice in one object",
            "remove one of the two",
        )
    return tree


def loads(text: bytes, syntax: Code) -> Any:
    """Parse JSON `text`, arrays and all; of a key that stands twice, the last one counts.

    Raises
    ------
    Refused
        `syntax`.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if "UTF-8" in error.msg:
            try:
                text.decode("utf-8", "surrogatepass")  # a lone surrogate is no other encoding
            except UnicodeDecodeError:
                raise eight_bit(syntax) from None
        raise non_finite(text, error.pos, syntax) or not_json(
            error.msg, error.pos, syntax
        ) from None


def non_finite(text: bytes, position: int, syntax: Code) -> Refused | None:
    """Return the refusal of a NaN or Infinity at `position`, where the text stops being JSON.

    Readers of files take these words for what they mean; a message must be JSON.
    """
    if not _NON_FINITE.match(text, position) and not _NON_FINITE.match(text, position - 1):
        return None
    if syntax is Code.BAD_FORMAT:
        return Refused(
            Code.NON_FINITE,
            "the matrix has elements that are NaN or infinite",
            "such a matrix has no inverse: fill in or remove these elements",
        )
    return Refused(
        syntax,
        "the text is not valid JSON: it has NaN or Infinity",
        "such a matrix has no inverse: fill in or remove these elements",
        observed=f"the error is at character {position}",
    )


def not_json(reason: str, position: int, syntax: Code) -> Refused:
    """Return the refusal of text that stops being JSON at `position`."""
    return Refused(
        syntax,
        f"the text is not valid JSON: {reason}",
        "check it with a JSON parser; NaN, Infinity, comments and trailing commas are not JSON",
        observed=f"the error is at character {position}",
    )


def _array_keys(text: bytes) -> tuple[list[int], int]:
    """Return where the keys of arrays end, and how many strings there are, if `text` is JSON."""
    ends = []
    if b"\\" not in text:  # every quote begins or ends a string, and C can do the searching
        for name in _ARRAY_NAMES:
            key = b'"%b"' % name.encode()
            start = text.find(key)
            while start >= 0:
                ends.append(start + len(key))
                start = text.find(key, start + len(key))
        return sorted(ends), text.count(b'"') // 2
    strings = 0
    for match in _STRING.finditer(text):
        strings += 1
        start, end = match.span(1)
        if end - start <= _LONGEST_NAME:
            with suppress(orjson.JSONDecodeError):
                if orjson.loads(text[start - 1 : end + 1]) in _ARRAY_NAMES:
                    ends.append(end + 1)
    return ends, strings


def _take_out(text: bytes, keys: list[int]) -> tuple[bytes, list[Unread]]:
    """Return `text` with ``[i]`` in place of its i-th array, and the arrays.

    An array is taken to end with the last bracket before the next string. Where that is wrong,
    what is left is not JSON, or the array is not.
    """
    pieces: list[bytes] = []
    lists: list[Unread] = []
    position = 0
    for key in keys:
        start = _COLON_AND_LIST.match(text, key)
        if not start:
            continue
        quote = text.find(b'"', key)
        last = text.rfind(b"]", start.end(), quote if quote >= 0 else len(text))
        if last >= 0:
            pieces += (text[position : start.end()], b"[%d]" % len(lists))
            lists.append(Unread(text, start.end(), last + 1))
            position = last + 1
    return b"".join((*pieces, text[position:])), lists


def _put_back(tree: Any, lists: list[Unread]) -> int:
    """Replace the placeholders in `tree` by `lists`; return how many strings it has, keys too."""
    strings = 0
    stack = [tree]
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            strings += 1
        elif isinstance(value, list):
            stack += value
        elif isinstance(value, dict):
            if len(value) > _FIELDS_LIMIT:
                check_layout(value)  # a table has an object for each of its columns
                raise Refused(
                    Code.BAD_MESSAGE,
                    "an object has more fields than any message or event",
                    "functions/matinv/jobs/README.md lists the fields of a message",
                    observed=len(value),
                    limit=_FIELDS_LIMIT,
                )
            strings += len(value)
            for name in _ARRAY_NAMES if lists else ():
                # Lists left in the text hold a string or an object, or their brackets do not pair.
                found = value.get(name)
                if isinstance(found, list) and len(found) == 1 and type(found[0]) is int:
                    value[name] = lists[found[0]]
            stack += value.values()
    return strings
