"""Job ids: which are valid, and how one follows from a key or from content."""

from __future__ import annotations

import hashlib
import re
from typing import Final

import numpy as np

from matinv.linalg.types import Matrix

JOB_ID_RULE: Final = (
    "1 to 128 of A-Z a-z 0-9 . _ / -, the first a letter or digit, no '..', no '//', "
    "no '/' at the end"
)
_JOB_ID = re.compile(r"(?!.*(?:\.\.|//|/\Z))[A-Za-z0-9][A-Za-z0-9._/-]{0,127}", re.ASCII)


def valid_job_id(text: str) -> bool:
    """Whether `text` may be a job id (`JOB_ID_RULE`)."""
    return _JOB_ID.fullmatch(text) is not None


def job_id_of_key(key: str) -> str:
    """Return the job id of an object dropped at `key`: the key without its extension.

    A key that makes no valid id (blanks, letters outside ASCII, …) is accepted all the same: its
    job id is ``sha256-`` and the first 32 hex digits of the hash of the key without extension.
    """
    name = key.rpartition("/")[2]
    text = key.removesuffix(name) + (name.rpartition(".")[0] or name)
    return text if valid_job_id(text) else hashed_id(text.encode())


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
