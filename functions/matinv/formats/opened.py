"""`OpenedFile`: a file whose header was read, and whose body was not yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from matinv.formats.npy_header import Header
from matinv.linalg.types import Matrix


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A file whose header was read, and whose body was not yet.

    Parameters
    ----------
    header : Header
        Shape and dtype.
    read : callable
        Reads the body: the matrix or stack, writeable.
    read_s : float
        CPU time that reading takes beyond the transfer, as predicted, in seconds.
    begin : int or None
        Offset of the body, if it stands in the file as it is, so that any of its bytes can be
        read alone.
    """

    header: Header
    read: Callable[[], Matrix] = field(repr=False)
    read_s: float = 0.0
    begin: int | None = None
