"""The table of formats: what each is called, how its files are read, how results are written.

A new format is a module beside this one, a member of `Format` and a row of `CODECS`. Nobody else
asks which format it is: all that differs between formats is a column here.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import prod
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from matinv.errors import Code, Refused
from matinv.formats import json_matrix, npy, npz
from matinv.formats.npy_header import Reader
from matinv.formats.opened import OpenedFile
from matinv.formats.result import Result
from matinv.linalg.types import Matrix

Part = bytes | memoryview


class Format(StrEnum):
    """How a matrix is written."""

    NPY = "npy"
    JSON = "json"
    NPZ = "npz"


@dataclass(frozen=True, slots=True)
class Headed:
    """Files with a header, so that their memory is known before the rest is read.

    Parameters
    ----------
    begins : bytes
        The first bytes of every such file.
    open : callable
        Reads the header of a file, given with its length, and leaves the body.
    message_field : str or None
        The field of a message that holds such a file in base64, if there is one.
    """

    begins: bytes
    open: Callable[[Reader, int], OpenedFile]
    message_field: str | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """JSON: only its length is known before it is read, and it may be a whole message.

    Parameters
    ----------
    memory_ratio : int
        Bytes of memory that a job takes at most for each byte of text, the result included.
    element_bytes : int
        How many bytes of text an element has at least.
    """

    memory_ratio: int
    element_bytes: int


@dataclass(frozen=True, slots=True)
class Written:
    """How a result is written, and its inverse read again.

    Parameters
    ----------
    write : callable
        Returns the file in pieces; large arrays are not copied.
    read : callable
        Reads the inverse from a result of so many bytes; slices that failed are NaN.
    memory_bytes : callable
        Most memory that writing takes beyond the inverse itself, given its shape and dtype.
    python : str
        An expression that reads the inverse from ``{content}``, for people's own programs.
    is_text : bool
        Whether the file is text in UTF-8.
    """

    write: Callable[[Result], list[Part]]
    read: Callable[[Reader, int], Matrix]
    memory_bytes: Callable[[tuple[int, ...], np.dtype[Any]], int]
    python: str
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class Codec:
    """A row of the table.

    Parameters
    ----------
    title : str
        The format's name for people.
    endings : tuple of str
        Endings of its files' names, in lower case; new files get the first.
    media_type : str
        For HTTP and S3.
    input, output : Headed or Text, Written
        How matrices are read, and how results are written.
    by_rows : bool
        Whether each row stands at a place that the header tells, in inputs and in results, so that
        many processes can share a matrix.
    """

    title: str
    endings: tuple[str, ...]
    media_type: str
    input: Headed | Text = field(repr=False)
    output: Written = field(repr=False)
    by_rows: bool = False


def _json_result_bytes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    # An element takes 20.4 bytes as written. The text exists twice while its document is put
    # together, of a complex matrix three times.
    return 3 * prod(shape) * (2 if dtype.kind == "c" else 1) * 21


CODECS: Final[Mapping[Format, Codec]] = MappingProxyType(
    {
        Format.NPY: Codec(
            ".npy",
            (".npy",),
            "application/x-npy",
            Headed(npy.MAGIC, npy.opened, message_field="npy"),
            Written(
                lambda result: npy.parts(result.inverse),
                lambda reader, size_bytes: npy.opened(reader, size_bytes).read(),
                lambda _shape, _dtype: 0,  # written from where the inverse is
                "np.load(io.BytesIO({content}))",
            ),
            by_rows=True,
        ),
        Format.JSON: Codec(
            "JSON",
            (".json",),
            "application/json",
            # An element takes at least 2 bytes as read ("1,"), 8 in the matrix, 20.4 as written,
            # two times; of a complex matrix 4, 16 and 41, three times: (16 + 3 * 41) / 4 = 35 times
            # the text read, and that text. A list of "{}" takes orjson 37 times its text until it
            # is refused, and that text (tests/jobs/test_refusals.py).
            Text(memory_ratio=38, element_bytes=2),
            Written(
                lambda result: [json_matrix.document(result)],
                lambda reader, size_bytes: json_matrix.decode_document(reader.read(size_bytes)),
                _json_result_bytes,
                'json.loads({content})["inverse"]',
                is_text=True,
            ),
        ),
        Format.NPZ: Codec(
            ".npz",
            (".npz",),
            "application/x-npz",
            Headed(npz.MAGIC, npz.opened),
            Written(
                npz.parts,
                npz.read_inverse,
                npz.memory_bytes,
                'np.load(io.BytesIO({content}))["inverse"]',
            ),
        ),
    }
)

# The endings of files that hold a matrix, in the order in which they are looked for.
ENDINGS: Final = tuple(ending for codec in CODECS.values() for ending in codec.endings)
MEDIA_TYPES: Final = {form: codec.media_type for form, codec in CODECS.items()}


def either(names: Collection[str], last: str = "or") -> str:
    """Return names as people list them.

    Examples
    --------
    >>> either([".npy", ".json"])
    '.npy or .json'
    """
    *others, final = names
    return f"{', '.join(others)} {last} {final}" if others else final


def format_of_key(key: str) -> Format:
    """Return the format that the ending of an object's key, or of a file's name, says.

    Raises
    ------
    Refused
        BAD_FORMAT.
    """
    name = key.rpartition("/")[2]
    for form, codec in CODECS.items():
        if name.lower().endswith(codec.endings):
            return form
    raise Refused(
        Code.BAD_FORMAT,
        "the object's name does not say its format",
        f"name it {either([f'<job_id>{ending}' for ending in ENDINGS])}",
        observed=name,
        limit=f"an extension {either(ENDINGS)}",
    )


def media_type_of(key: str) -> str:
    """Return the media type of an object by the ending of its key."""
    try:
        return MEDIA_TYPES[format_of_key(key)]
    except Refused:
        return "application/octet-stream"


def format_of_content(content: bytes) -> Format:
    """Return the format of a file whose name nobody knows.

    Raises
    ------
    Refused
        BAD_FORMAT.
    """
    for form, codec in CODECS.items():
        if isinstance(codec.input, Headed):
            if content.startswith(codec.input.begins):
                return form
        elif json_matrix.may_be_json(content):
            return form
    raise Refused(
        Code.BAD_FORMAT,
        "the content has no known format",
        f"send the content of {either([codec.title for codec in CODECS.values()])}",
        observed="an empty file" if not content else None,
    )


def open_file(form: Format, reader: Reader, size_bytes: int) -> OpenedFile | Text:
    """Read the header of a file; of one that has none, return what is known of its format.

    A file that holds another format with a header than its name says is taken for what it holds.

    Parameters
    ----------
    form : Format
        The format that the name says.
    reader : Reader
        At the start of the file.
    size_bytes : int
        Length of the whole file.

    Raises
    ------
    Refused
        Errors of the format's own reader.
    """
    named = CODECS[form].input
    if isinstance(named, Text):
        return named
    columns = [codec.input for codec in CODECS.values() if isinstance(codec.input, Headed)]
    start = reader.read(max(len(column.begins) for column in columns))
    held = next((column for column in columns if start.startswith(column.begins)), named)
    return held.open(_Resumed(start, reader), size_bytes)


class _Resumed:
    """A reader of which the first bytes were looked at."""

    def __init__(self, start: bytes, reader: Reader) -> None:
        self._start = io.BytesIO(start)
        self._reader = reader

    def read(self, size: int, /) -> bytes:
        start = self._start.read(size)
        return start + self._reader.read(size - len(start)) if len(start) < size else start

    def readinto(self, buffer: memoryview, /) -> int:
        return self._start.readinto(buffer) or self._reader.readinto(buffer)
