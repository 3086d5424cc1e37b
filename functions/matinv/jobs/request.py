"""A job's request: its options and its input, and the message that it came in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from functools import cache
from typing import Any, Final

import numpy as np

from matinv.errors import MatinvError
from matinv.formats.codecs import Format
from matinv.jobs.ids import matrix_digest
from matinv.jobs.record import InputInfo
from matinv.linalg.types import Accuracy, Matrix, Method, OnIllConditioned


class Output(StrEnum):
    """The place for the result."""

    AUTO = "auto"
    S3 = "s3"
    DYNAMODB = "dynamodb"


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a job; ``format=None`` means the input's own.

    `named` are those that somebody chose, if only what is the default anyway: they win over what
    a file says itself. They make no difference to what is asked.
    """

    method: Method = Method.AUTO
    output: Output = Output.AUTO
    format: Format | None = None
    on_ill_conditioned: OnIllConditioned = OnIllConditioned.WARN
    tags: Mapping[str, str] = field(default_factory=dict)
    accuracy: Accuracy = Accuracy.STANDARD
    run: str = ""
    expires_in_s: int | None = None
    named: frozenset[str] = field(default=frozenset(), compare=False, repr=False)


# An answer is the same whatever they are; every other option, also one yet to come, shapes it.
_BESIDE_THE_ANSWER: Final = frozenset({"tags", "run", "expires_in_s", "named"})


def answer_options(options: Options, own_format: Format | None) -> dict[str, str]:
    """Return the options that shape an answer; where none says its format, it is `own_format`."""
    chosen = {f.name: getattr(options, f.name) for f in fields(options)}
    chosen["format"] = options.format or own_format
    return {n: str(v) for n, v in chosen.items() if v is not None and n not in _BESIDE_THE_ANSWER}


@dataclass(frozen=True, slots=True)
class Inline:
    """A matrix that travelled inside its message.

    Parameters
    ----------
    array : ndarray, shape (n, n) or (k, n, n)
        The matrix, or the stack.
    format : Format
        How it was written in the message.
    size_bytes : int
        Bytes that it took there.
    """

    array: Matrix = field(repr=False)  # no value gets into a log by way of a text of its owner
    format: Format
    size_bytes: int
    _digests: list[str] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def digest(self) -> str:
        """The array's SHA-256 (`matrix_digest`), computed once: 0.1 ms for 256 KiB."""
        if not self._digests:
            self._digests.append(matrix_digest(self.array))
        return self._digests[0]


_SCHEME: Final = "s3://"


@dataclass(frozen=True, slots=True)
class Reference:
    """An object in S3 that holds a matrix.

    Parameters
    ----------
    bucket, key : str
        The object's bucket and key; `key` is decoded.
    version_id, etag : str or None
        Which content, as far as the sender knows; `etag` is without quotes.
    order : str or None
        For uploads: S3's sequencer, which orders those of one key, or ``""`` if the notification
        had none. None for a reference in a message, unless a redrive knows it from a notification.
    """

    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None
    order: str | None = None

    @classmethod
    def at(cls, uri: str, version_id: str | None = None, etag: str | None = None) -> Reference:
        """Return the reference to the object at an address."""
        bucket, _, key = uri.removeprefix(_SCHEME).partition("/")
        return cls(bucket, key, version_id, etag)

    @property
    def uri(self) -> str:
        """The object's address, without its version."""
        return f"{_SCHEME}{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Request:
    """One job that somebody asked for: what to invert, how, and under which id.

    Of a file that was dropped the options are in its metadata, to be read with it, and so is
    `replace`: whether this question may take its job id from another one. A message that refers to
    a file of text, which may have options of its own, wins with those that it names.
    """

    job_id: str
    input: Inline | Reference
    options: Options = Options()
    redrive: int = 0
    dropped: bool = False
    replace: bool | None = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """One job inside one received message; a notification with several records is several.

    Parameters
    ----------
    message_id, receipt : str
        SQS's handles of the message. Only `message_id` is ever reported as failed.
    body : str
        The body of a copy of this delivery: the message's own, or for one of several records
        of a notification, a notification of that record alone.
    receive_count : int
        How many times SQS has delivered the message, this time included.
    sent_at_ms : int
        When the message was sent, milliseconds since the epoch.
    job_id : str
        The job's id, or, where the message does not say one that is valid, ``sha256-…`` of it.
    content : Request or MatinvError
        The job, or why the body is not one.
    error_code : str
        Why the message lay among the dead letters before somebody moved it back, if it did.
    """

    message_id: str
    receipt: str
    body: str = field(repr=False)
    receive_count: int
    sent_at_ms: int
    job_id: str
    content: Request | MatinvError
    error_code: str = ""


MESSAGE_SOURCE: Final = "message"


def input_info(request: Request) -> InputInfo:
    """Return a request's input as far as it is known before anything is read.

    The identity of a reference that names neither a version nor an ETag is ``""``: it is known
    once the object is open (`opened`).
    """
    match request.input:
        case Inline(array, _, size_bytes) as inline:
            name = _name_of(array.dtype)
            id_ = f"sha256:{inline.digest}"
            return InputInfo(MESSAGE_SOURCE, id_, None, size_bytes, array.shape, name)
        case Reference(version_id=version_id, etag=etag, order=order) as reference:
            return InputInfo(reference.uri, _object_id(version_id, etag), order)


@cache
def _name_of(dtype: np.dtype[Any]) -> str:
    """Return a dtype's name, which numpy puts together anew each time, for 2 us."""
    return dtype.name


def opened(info: InputInfo, version_id: str | None, etag: str, size_bytes: int) -> InputInfo:
    """Complete `info` with S3's answer about the object; of version and ETag the version counts."""
    return replace(info, id=_object_id(version_id, etag), size_bytes=size_bytes)


def identities(reference: Reference) -> frozenset[str]:
    """Return all identities by which an input may name the content of an object."""
    found = {_object_id(reference.version_id, None), _object_id(None, reference.etag)}
    return frozenset(found - {""})


def reference_of(info: InputInfo) -> Reference:
    """Return the object, and the content of it, that a record names as its input."""
    kind, _, identity = info.id.partition(":")
    return Reference.at(
        info.source,
        identity if kind == "version" else None,
        identity if kind == "etag" else None,
    )


def _object_id(version_id: str | None, etag: str | None) -> str:
    if version_id and version_id != "null":  # S3's name for what an unversioned bucket holds
        return f"version:{version_id}"
    return f"etag:{etag}" if etag else ""
