"""Messages between a worker and its ranks, as JSON: the assignment, its answer, errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

import numpy as np

from matinv.errors import MatinvError, Misconfigured, Refused, Transient
from matinv.formats.npy_header import Header
from matinv.jobs.request import Reference
from matinv.linalg.certificate import Certificate
from matinv.linalg.types import Method, OnIllConditioned
from matinv.ports import Stored

_KINDS: Final = {kind.__name__: kind for kind in (Refused, Transient, Misconfigured)}


def said(error: MatinvError) -> dict[str, Any]:
    """Return an error as JSON can hold it."""
    info = error.info
    numbers = {"observed": info.observed, "limit": info.limit}
    return {
        "kind": type(error).__name__,
        "error": [str(info.code), info.message, info.hint],
        "numbers": numbers,
    }


def error_of(document: Mapping[str, Any]) -> MatinvError:
    """Return the error that a document says."""
    return _KINDS[document["kind"]](*document["error"], **document["numbers"])


@dataclass(frozen=True, slots=True)
class Assignment:
    """One matrix for many ranks.

    Parameters
    ----------
    reference : Reference
        The object, with its version or its etag: each rank opens it by itself.
    header : Header
        Of the object: one matrix.
    begin : int
        The offset of its body.
    method, on_ill_conditioned
        As the submitter chose.
    wide : bool
        Whether single precision is computed in double.
    result_key : str
        Of the result.
    metadata : mapping
        Its metadata, beside its certificate.
    memory_bytes : int
        Memory that each rank may take for it.
    """

    reference: Reference
    header: Header
    begin: int
    method: Method
    on_ill_conditioned: OnIllConditioned
    wide: bool
    result_key: str
    metadata: Mapping[str, str]
    memory_bytes: int

    def document(self) -> dict[str, Any]:
        """Return the assignment as JSON can hold it."""
        header = asdict(self.header) | {"dtype": self.header.dtype.str}
        return asdict(self) | {"header": header}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Return the assignment that a document says."""
        header = document["header"]
        known = {
            "reference": Reference(**document["reference"]),
            "header": Header(
                tuple(header["shape"]), np.dtype(header["dtype"]), header["fortran_order"]
            ),
            "method": Method(document["method"]),
            "on_ill_conditioned": OnIllConditioned(document["on_ill_conditioned"]),
        }
        return cls(**{**document, **known})


@dataclass(frozen=True, slots=True)
class Published:
    """An inverse that many ranks have written.

    Parameters
    ----------
    certificate : Certificate
        Its own.
    warnings : tuple of str
        The warnings of its record.
    stored : Stored
        The object; with metadata, if one was there already.
    sha256 : str
        The hash of the hashes of its parts.
    part_bytes : int
        The length of those, but for the last.
    size_bytes : int
        The length of the object.
    """

    certificate: Certificate
    warnings: tuple[str, ...]
    stored: Stored
    sha256: str
    part_bytes: int
    size_bytes: int

    def document(self) -> dict[str, Any]:
        """Return the answer as JSON can hold it."""
        return asdict(self) | {"certificate": self.certificate.document()}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Return the answer that a document says."""
        known = {
            "certificate": Certificate.of(document["certificate"]),
            "warnings": tuple(document["warnings"]),
            "stored": Stored(**document["stored"]),
        }
        return cls(**{**document, **known})


class UnvouchedError(Exception):
    """ScaLAPACK's way does not vouch for a matrix; one process has other ways.

    Parameters
    ----------
    error : MatinvError
        The verdict, if there is no other way.
    """

    def __init__(self, error: MatinvError) -> None:
        super().__init__(str(error))
        self.error = error
