"""`Result`: all that a result file may hold; each format takes of it what it can."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from matinv.linalg.inverse import Inverses
from matinv.linalg.types import Matrix


@dataclass(frozen=True, slots=True)
class Result:
    """The content of a result: the inverse of a job with its certificate.

    Parameters
    ----------
    inverse : ndarray, shape (n, n) or (k, n, n)
        The inverses; slices that failed are NaN.
    failed : collection of int
        Which these are.
    facts : mapping
        Fields beside the inverse in a document: ``job_id``, ``certificate`` and so on.
    inverses : Inverses or None
        The figures of each slice; None where only the stored inverse is at hand.
    """

    inverse: Matrix = field(repr=False)
    failed: Collection[int]
    facts: Mapping[str, object]
    inverses: Inverses | None = field(default=None, repr=False)
