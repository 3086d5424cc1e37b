"""From a matrix, a file or the content of one to something that can be sent, checked on the way.

Small matrices travel inside a message, others as a file in the inputs bucket. Both are judged here
by the same code that judges them in the worker, so that a bad one gets the same error before
anything is sent.
"""

from __future__ import annotations

import io
import json
import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matinv.client.message_text import edited, members
from matinv.client.submission import Content, Submission
from matinv.errors import Code, Refused
from matinv.formats import npy
from matinv.formats.codecs import (
    CODECS,
    Format,
    Headed,
    format_of_content,
    format_of_key,
    open_file,
)
from matinv.formats.foreign import (
    check_encoding,
    check_text,
    eight_bit,
    is_split,
    without_mark,
)
from matinv.formats.opened import OpenedFile
from matinv.jobs.ids import checked_id, job_id_of
from matinv.jobs.message import (
    checked_options,
    encode,
    fields_of,
    id_of_content,
    metadata_of,
    parse_file,
)
from matinv.jobs.record import InputInfo
from matinv.jobs.request import Inline, Options, Reference, Request, input_info
from matinv.linalg.types import Matrix
from matinv.ports import Part

Source = ArrayLike | str | os.PathLike[str] | bytes

# The queue takes 256 KiB. A message at that limit costs 4 + 4 + 1 requests of $0.40 per million
# (64 KiB each), $3.60; an upload costs a PUT of $5, a GET of $0.40 and 3 requests, $6.60. So
# whatever fits travels inline. 4 KiB stay free for the attributes of a copy in the dead-letter
# queue.
INLINE_LIMIT_BYTES: Final = (256 - 4) * 1024

_WRITE: Final = "write [[1, 2], [3, 4]], or an object with a matrix"


def prepare(
    source: Source,
    job_id: str | None = None,
    options: Options = Options(),  # noqa: B008 - frozen
) -> Submission:
    """Check a matrix and make it ready to be sent.

    Parameters
    ----------
    source : array_like, path or bytes
        A matrix or stack; the path of a file that holds one; or the content of such a file.
    job_id : str, optional
        By default the name of the file without extension, made valid; without a file the id
        that the worker gives a message that names none: ``sha256-…`` of the matrix.
    options : Options
        The job's options. In a .json file that is a message itself, they win over its own.

    Raises
    ------
    Refused
        If the matrix, the id or an option is not allowed.
    OSError
        If the file cannot be read.
    """
    if job_id is not None:
        job_id = checked_id(job_id)
    options = checked_options(options)
    match source:
        case str() | os.PathLike():
            return _of_file(Path(source), job_id, options)
        case bytes():
            return _of_bytes(source, format_of_content(source), job_id, options)
    array = _as_array(source)
    return _of_headed(npy.as_read(array), Format.NPY, npy.parts(array), job_id, options)


def checked_array(source: ArrayLike) -> Matrix:
    """Return a matrix, or a stack, as the service has it once it is sent; raises as `prepare`."""
    matrix = npy.as_read(_as_array(source))
    _check_finite(matrix)
    return matrix


def matrix_of(source: Source) -> Matrix:
    """Return a matrix as the service reads it; raises as `prepare`.

    Parameters
    ----------
    source : array_like or path
        As for `prepare`.
    """
    if isinstance(source, str | os.PathLike):
        with Path(source).open("rb") as file:
            size_bytes = os.fstat(file.fileno()).st_size
            opened = open_file(format_of_key(Path(source).name), file, size_bytes)
            if isinstance(opened, OpenedFile):
                return opened.read()
            text = _text(file.read())
        text = edited(text, {"job_id": None}) if _is_message(text) else text
        return _judged(text.encode(), Options())[0].array
    return npy.as_read(_as_array(source))


def _of_file(path: Path, job_id: str | None, options: Options) -> Submission:
    format_ = format_of_key(path.name)
    job_id_of_path = job_id_of(path.name)
    with path.open("rb") as file:
        size_bytes = os.fstat(file.fileno()).st_size
        opened = open_file(format_, file, size_bytes)
        if not isinstance(opened, OpenedFile):
            return _of_json(file.read(), job_id, job_id_of_path, options)
        job_id = job_id or job_id_of_path
        if _base64_bytes(size_bytes) < INLINE_LIMIT_BYTES:
            file.seek(0)
            data = file.read()  # whose content counts, not its name: it travels without
            return _of_bytes(data, format_of_content(data), job_id, options)
        _check_finite(opened.read())
    info = InputInfo("", "", None, size_bytes, opened.header.shape, opened.header.dtype.name)
    content, metadata = partial(_mapped, path), metadata_of(options)
    return Submission(job_id, options, info, format_, metadata=metadata, content=content)


def _of_bytes(data: bytes, form: Format, job_id: str | None, options: Options) -> Submission:
    opened = open_file(form, io.BytesIO(data), len(data))
    if isinstance(opened, OpenedFile):
        return _of_headed(opened.read(), form, [data], job_id, options)
    return _of_json(data, job_id, None, options)


def _of_headed(
    matrix: Matrix, form: Format, content: Sequence[Part], job_id: str | None, options: Options
) -> Submission:
    """Take a matrix and its file; inline, if it is small and messages have a field for it."""
    _check_finite(matrix)
    size_bytes = _base64_bytes(sum(memoryview(part).nbytes for part in content))
    file = CODECS[form].input
    if isinstance(file, Headed) and file.message_field and size_bytes < INLINE_LIMIT_BYTES:
        # What was sent is what `Job.result` verifies against, whatever becomes of the caller's.
        inline = Inline(matrix.copy(order="K"), form, size_bytes)
        request = Request(job_id or id_of_content(inline, options), inline, options)
        body = encode(request, content)
        if len(body) <= INLINE_LIMIT_BYTES:
            info = input_info(request)
            return Submission(request.job_id, options, info, form, body, inline.array)
    return upload_of(matrix, form, content, job_id, options)


def _of_json(data: bytes, job_id: str | None, default: str | None, options: Options) -> Submission:
    """Take a matrix as JSON, or a message that holds one; `options` win over the message's own.

    Its text travels as it is: reading and writing could change a digit.
    """
    text = _text(data)
    changes = fields_of(options)
    if _is_message(text):
        own = json.loads(members(text).get("job_id", "null"))
        job_id = job_id or (default if own is None else checked_id(own))
        body = edited(text, {**changes, "job_id": None})
        data = body.encode()
        inline, options = _judged(data, options)
    else:
        job_id = job_id or default
        inline, options = _judged(data, options)  # first: what it is not could end the object early
        body = edited(f'{{"matrix":{text}}}', changes)
    request = Request(job_id or id_of_content(inline, options), inline, options)
    body = edited(body, {"job_id": request.job_id})
    if len(body.encode()) <= INLINE_LIMIT_BYTES:
        info = input_info(request)
        return Submission(request.job_id, options, info, inline.format, body, inline.array)
    return upload_of(inline.array, Format.JSON, [data], request.job_id, options)


def _judged(data: bytes, options: Options) -> tuple[Inline, Options]:
    return parse_file(data, Request("any", Reference("", ""), options))


def _is_message(text: str) -> bool:
    if text.lstrip()[:1] != "{":
        return False
    try:
        found = members(text)
    except ValueError as error:
        raise Refused(Code.BAD_FORMAT, f"the text is not valid JSON: {error}", _WRITE) from None
    return not found.keys() & {"re", "im"} and not is_split(found)


def _text(data: bytes) -> str:
    text = without_mark(data)
    check_encoding(text, Code.BAD_FORMAT)
    check_text(text, Code.BAD_FORMAT)
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise eight_bit(Code.BAD_FORMAT) from None


def _check_finite(matrix: Matrix) -> None:
    """Refuse as the worker does: a matrix, or every slice of a stack, with NaN or infinity."""
    stack = matrix.reshape(-1, *matrix.shape[-2:])
    if not any(np.isfinite(one).all() for one in stack):  # most end at the first
        raise Refused(
            Code.NON_FINITE,
            "the matrix has elements that are NaN or infinite",
            "such a matrix has no inverse: fill in or remove these elements",
        )


def upload_of(
    matrix: Matrix, form: Format, parts: Sequence[Part], job_id: str | None, options: Options
) -> Submission:
    """Return a matrix as a file of any size, with `parts` as its content."""
    size_bytes = sum(memoryview(part).nbytes for part in parts)
    info = InputInfo("", "", None, size_bytes, matrix.shape, matrix.dtype.name)
    job_id = job_id or id_of_content(Inline(matrix, form, size_bytes), options)
    content: Content = partial(nullcontext, parts)  # type: ignore[assignment] # of its overload for None
    return Submission(job_id, options, info, form, metadata=metadata_of(options), content=content)


def _base64_bytes(size_bytes: int) -> int:
    return 4 * -(-size_bytes // 3)


def _as_array(source: ArrayLike) -> NDArray[Any]:
    if _is_masked(source):
        raise _missing("masked")
    try:
        array = np.asarray(source)
    except ValueError:  # numpy: "setting an array element with a sequence … inhomogeneous shape"
        raise Refused(
            Code.RAGGED,
            "the rows do not have the same length",
            "give every row as many elements as there are rows",
        ) from None
    if array.dtype == object and any(
        element is None or type(element).__name__ in {"NAType", "NaTType"}  # those are pandas'
        for element in array.flat
    ):
        raise _missing("missing")
    return array


def _is_masked(source: object) -> bool:
    """Whether an array, or one of the arrays in a list, has masked elements: numpy drops masks."""
    if isinstance(source, list | tuple):
        return any(map(_is_masked, source))
    return bool(np.ma.is_masked(source))


def _missing(how: str) -> Refused:
    return Refused(
        Code.NON_FINITE,
        f"the matrix has elements that are {how}",
        "such a matrix has no inverse: fill in or remove these elements",
    )


@contextmanager
def _mapped(path: Path) -> Iterator[Sequence[Part]]:
    """Map a file into memory: the kernel reads it as it is sent, and nothing holds it whole."""
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as view,
    ):
        yield [view]
