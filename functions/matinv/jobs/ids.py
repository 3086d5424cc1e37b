"""Job ids: which are valid, and how one follows from a key, a file's name or content."""

from __future__ import annotations

import hashlib
import re
from typing import Final
from unicodedata import is_normalized, normalize

import numpy as np

from matinv.errors import Code, Refused
from matinv.formats.codecs import ENDINGS, either
from matinv.linalg.types import Matrix

JOB_ID_BYTES: Final = 512  # half of what S3 allows a key, whose rest is the result's own

JOB_ID_RULE: Final = (
    f"1 to {JOB_ID_BYTES} bytes of printable text in Unicode's normal form C, without '..', '//' "
    f"or a part '.', no '/' or blank at either end, no {either(ENDINGS)} at the end"
)

_STEM_BYTES: Final = 96  # of the readable part of an id that is made up


def valid_job_id(text: str) -> bool:
    """Whether `text` may be a job id (`JOB_ID_RULE`).

    Printable is what Python prints as it is (`str.isprintable`): no control, format or private
    characters, no blank but the space. So an id fits a log line, a header, a URL and an XML answer.
    A part ``.`` would be lost on the way: whoever reads a URL resolves it (RFC 3986, 5.2.4).
    """
    return is_plain_name(text, JOB_ID_BYTES) and not text.lower().endswith(ENDINGS)


def is_plain_name(text: str, most_bytes: int) -> bool:
    """Whether `text` may name something that people write into paths, headers and log lines."""
    return (
        text.isprintable()
        and 0 < len(text.encode()) <= most_bytes
        and text == text.strip()
        and ".." not in text
        and not {"", "."} & set(text.split("/"))
        and is_normalized("NFC", text)
    )


def checked_id(given: object) -> str:
    """Return the id that somebody gives a job, in normal form C.

    Raises
    ------
    Refused
        BAD_JOB_ID.
    """
    text = normalize("NFC", given) if isinstance(given, str) else ""
    if valid_job_id(text):
        return text
    stem = without_ending(text)
    leave_out = stem != text and valid_job_id(stem)
    raise Refused(
        Code.BAD_JOB_ID,
        "this is not a valid job id",
        f"leave the file's ending out: {stem}" if leave_out else "choose another, or leave it out",
        observed=given if isinstance(given, str) else "not a string",
        limit=JOB_ID_RULE,
    )


def job_id_of(name: str) -> str:
    """Return the id of the job that a key, a file's name or an id names: the one rule for it.

    It is the name without its ending, in normal form C. A name that makes no valid id gets a
    readable one with 32 hex digits of its hash, so that other names have other ids.

    Examples
    --------
    >>> job_id_of("run 7/größe.npy"), job_id_of("run 7/größe")
    ('run 7/größe', 'run 7/größe')
    >>> job_id_of("run//7.npy")
    'run/7-b16defc9d2c61a1ff3e327d9fb66c3b5'
    """
    text = normalize("NFC", without_ending(name))
    if valid_job_id(text):
        return text
    # File names that are not UTF-8 come from the operating system with lone surrogates.
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    # What an id can keep of a name that makes none.
    plain = "".join(c if c.isprintable() else " " for c in text)
    parts = ["-".join(re.sub(r"\.{2,}", ".", part).split()) for part in plain.split("/")]
    joined = "/".join(part for part in parts if part.strip("."))
    short = joined.encode()[:_STEM_BYTES].decode(errors="ignore")
    readable = normalize("NFC", short.strip("/. ")) or "file"
    return f"{readable}-{digest}"


def names_of(job_id: str) -> list[str]:
    """Return the keys under which the file of a job may lie, as far as its id tells."""
    forms = dict.fromkeys((job_id, normalize("NFD", job_id)))
    return [form + ending for form in forms for ending in ENDINGS]


def without_ending(name: str) -> str:
    """Return a name without the ending that says its format, if it has one."""
    ending = next((e for e in ENDINGS if name.lower().endswith(e)), "")
    return name[: len(name) - len(ending)]


def hashed_id(content: bytes) -> str:
    """Return ``sha256-`` and the first 32 hex digits of the hash of `content`."""
    return "sha256-" + hashlib.sha256(content).hexdigest()[:32]


def matrix_digest(array: Matrix) -> str:
    """Return the SHA-256 of a matrix: its dtype, shape and C-ordered little-endian bytes.

    Examples
    --------
    >>> matrix_digest(np.eye(2)) == matrix_digest(np.asfortranarray(np.eye(2)))
    True
    """
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    digest = hashlib.sha256(f"{little.dtype.str}{little.shape}".encode())
    digest.update(little.data)
    return digest.hexdigest()
