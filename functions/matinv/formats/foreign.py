"""Foreign layouts: what other tools write as JSON, read where it is plain, else named with advice.

References
----------
.. [1] pandas, ``DataFrame.to_json``: orients split, columns, index, records, values, table.
.. [2] RFC 8259, "The JavaScript Object Notation (JSON) Data Interchange Format", 8.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from matinv.errors import Code, Refused

_UTF8_MARK: Final = b"\xef\xbb\xbf"
# Longer marks first: that of UTF-32 begins with that of UTF-16. JSON begins with ASCII, so zeros
# among the first bytes tell the others without a mark.
_WIDE: Final = (
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)

COMPLEX: Final = '{"re": [[…]], "im": [[…]]}'
_VALUES: Final = 'df.to_json(orient="values")'

# Beginnings that no JSON text of ours has: numpy's repr and str, CSV, a dict of Python; then a
# .npy file, an archive and JSON in base64, whose first bytes are always the same; then JSON in a
# string of JSON.
_BEGINNINGS: Final = re.compile(
    rb"[ \t\r\n]*+(?:"
    rb"(?P<printed>[a-z]{0,8}\.?(?:[Aa]rray|[Mm]atrix|[Tt]ensor)\("
    rb"|\{[ \t\r\n]*+'"
    rb"|(?:\[[\[ \t\r\n]*+[-+.0-9eE]++[ \t\r\n]++|[-+.0-9eE]++[ \t]*+[,;\t ][ \t]*+)[-+.0-9])"
    rb'|"?(?P<npy>k05VTVBZ)|"?(?P<zip>UEsDB)|"?(?P<base64>eyJ)|(?P<string>"[ \t\r\n]*+[{\[]))'
)
_TEXTS: Final = {
    "printed": (
        "this is how a program prints a matrix, not JSON",
        'write it with a JSON library: json.dumps({"matrix": a.tolist()})',
    ),
    "npy": (
        "this is a .npy file in base64 without a field",
        'put it into a field: {"npy": "…"}',
    ),
    "zip": (
        "this is a zip archive in base64: no message holds one",
        'send the array in it as {"npy": "…"}, or upload the archive as a .npz file',
    ),
    "base64": ("this is JSON in base64", "send the JSON itself"),
    "string": (
        "this is JSON inside a string of JSON",
        "encode it only once: send the text inside the string",
    ),
}


def without_mark(text: bytes) -> bytes:
    """Return a file's text without the byte order mark that some editors put before UTF-8."""
    return text.removeprefix(_UTF8_MARK)


def check_encoding(text: bytes, syntax: Code) -> None:
    """Refuse text of another encoding than UTF-8, as far as its first bytes tell.

    Raises
    ------
    Refused
        `syntax`.
    """
    if text.startswith(_UTF8_MARK):
        raise Refused(
            syntax,
            "the text begins with a byte order mark (BOM)",
            'leave it out: in Python, encode with "utf-8", not "utf-8-sig"',
            observed="EF BB BF",
            limit="UTF-8 without a mark",
        )
    start = text[:4]
    name = next((name for mark, name in _WIDE if start.startswith(mark)), None)
    if name is None and b"\0" in start:
        name = "UTF-32" if start.count(0) >= 3 else "UTF-16"
    if name:
        raise _encoded(name, syntax)


def check_text(text: bytes, syntax: Code) -> None:
    """Refuse other formats that people send in place of JSON, by their first bytes.

    Raises
    ------
    Refused
        `syntax`.
    """
    found = _BEGINNINGS.match(text)
    if found:
        message, hint = _TEXTS[str(found.lastgroup)]
        raise Refused(syntax, message, hint)


def eight_bit(syntax: Code) -> Refused:
    """Return the refusal of text that is not UTF-8."""
    return _encoded("ISO-8859-1 (Latin-1) or another 8-bit encoding", syntax, "ISO-8859-1")


def unwrapped(tree: object) -> object:
    """Return the data of pandas' ``orient="split"``, or the document as it is."""
    return tree["data"] if isinstance(tree, dict) and is_split(tree) else tree


def is_split(tree: Mapping[str, object]) -> bool:
    """Whether an object has the members that pandas writes with ``orient="split"``."""
    return {"columns", "data"} <= tree.keys() <= {"columns", "index", "data"}


def check_layout(tree: Mapping[str, object]) -> None:
    """Refuse an object of another layout of pandas, with the call that writes one that is read.

    Raises
    ------
    Refused
        BAD_FORMAT.
    """
    if {"schema", "data"} <= tree.keys():
        raise of_pandas("table")
    lines = [value.values() for value in tree.values() if isinstance(value, dict)]
    numbers = all(isinstance(number, int | float | None) for line in lines for number in line)
    if lines and len(lines) == len(tree) and numbers:
        raise of_pandas("columns or index")


def advice_on_elements(kinds: set[str]) -> str:
    """Return advice on elements of these kinds."""
    if "an object" in kinds:
        return f"write complex numbers as {COMPLEX}, a pandas table by {_VALUES}"
    if "null" in kinds:
        return "null is no number: fill in the missing elements"
    return "every element must be a JSON number, every row a list of them"


def of_pandas(orient: str) -> Refused:
    """Return the refusal of a table that pandas wrote with this orient."""
    return Refused(
        Code.BAD_FORMAT,
        f"this is a table of pandas, written with orient {orient}",
        f'write {{"matrix": …}} with {_VALUES} in it, or submit df.to_numpy()',
        observed=f"orient {orient}",
        limit="orient values or split",
    )


def _encoded(name: str, syntax: Code, convert_from: str = "") -> Refused:
    return Refused(
        syntax,
        f"the text is in {name}, not in UTF-8",
        f"convert it: iconv -f {convert_from or name} -t UTF-8 IN.json > OUT.json",
        observed=name,
        limit="UTF-8",
    )
