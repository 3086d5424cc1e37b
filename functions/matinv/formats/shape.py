"""Which shapes are allowed."""

from __future__ import annotations

from matinv.errors import Code, Refused
from matinv.formats.foreign import COMPLEX

_SHOWN = 32  # dimensions; numpy has no more than 64


def check_shape(shape: tuple[int, ...]) -> None:
    """Refuse a shape other than (n, n) and (k, n, n).

    Raises
    ------
    Refused
        EMPTY or NOT_SQUARE.
    """
    found = str(shape) if len(shape) <= _SHOWN else f"{len(shape)} dimensions"
    if 0 in shape:
        raise Refused(
            Code.EMPTY,
            "the array has no elements",
            "send at least one matrix of order 1",
            observed=found,
        )
    if len(shape) not in {2, 3} or shape[-1] != shape[-2]:
        raise Refused(
            Code.NOT_SQUARE,
            f"an array of shape {found} is neither a square matrix nor a stack of them",
            _advice(shape),
            observed=found,
            limit="(n, n) or (k, n, n)",
        )


def _advice(shape: tuple[int, ...]) -> str:
    """Return how an array of another shape may have been meant, as numpy that makes it fit."""
    lengths = [length for length in shape if length != 1]
    match shape:
        case (n, m, 1) if n == m:
            return "the last axis is one too many: send a[..., 0]"
        case (n, m, 2) if n == m:
            return (
                "if the pairs are complex numbers, send a[..., 0] + 1j * a[..., 1], "
                f"in JSON {COMPLEX}"
            )
        case (n, m, _) if n == m:
            return "a stack counts its matrices on the first axis: send np.moveaxis(a, -1, 0)"
        case (n, _, m) if n == m:
            return "a stack counts its matrices on the first axis: send np.moveaxis(a, 1, 0)"
    if len(shape) > 3 and shape[-1] == shape[-2]:
        return "a stack has one axis before the matrices: send a.reshape(-1, *a.shape[-2:])"
    if len(shape) > 3 and len(lengths) == 2 and lengths[0] == lengths[1]:
        return "remove the axes of length 1: send np.squeeze(a)"
    return "only square matrices have an inverse; for other shapes see numpy.linalg.pinv"
