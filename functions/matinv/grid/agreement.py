"""Agreement of ranks, so that all fail if one fails: an error of any of them is raised by each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from matinv.errors import MatinvError
from matinv.grid.wire import error_of, said

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

T = TypeVar("T")


def agreed(comm: Comm, call: Callable[[], T]) -> T:
    """Return this rank's result of `call`, once `call` has returned in all ranks.

    Raises
    ------
    MatinvError
        The first one that it raised in any of them.
    """
    value: list[T] = []
    error: MatinvError | None = None
    try:
        value.append(call())
    except MatinvError as raised:
        error = raised
    errors = [found for found in comm.allgather(error and said(error)) if found]
    if errors:
        raise error_of(errors[0])
    return value[0]
