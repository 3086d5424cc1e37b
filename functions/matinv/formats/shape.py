"""Which shapes are allowed."""

from __future__ import annotations

from matinv.errors import Code, Refused


def check_shape(shape: tuple[int, ...]) -> None:
    """Refuse what is neither (n, n) nor (k, n, n).

    Raises
    ------
    Refused
        EMPTY or NOT_SQUARE.
    """
    if 0 in shape:
        raise Refused(
            Code.EMPTY,
            "the array has no elements",
            "send at least one matrix of order 1",
            observed=shape,
        )
    if len(shape) not in {2, 3} or shape[-1] != shape[-2]:
        raise Refused(
            Code.NOT_SQUARE,
            f"an array of shape {shape} is neither a square matrix nor a stack of them",
            "only square matrices have an inverse; for other shapes see numpy.linalg.pinv",
            observed=shape,
            limit="(n, n) or (k, n, n)",
        )
