"""The table of families, complete: import it from here."""

from __future__ import annotations

from support.matrices.hostile import (  # noqa: F401 - each enters its families into the table
    classic,
    discrete,
    edges,
    extremes,
    growth,
    hermitian,
    projections,
    ranks,
    scaled,
    singular,
    sly,
    strays,
)
from support.matrices.hostile.drawing import FAMILIES, Draw, Drawn, Family, rounded

__all__ = ["FAMILIES", "Draw", "Drawn", "Family", "draw"]


def draw(name: str, n: int, dtype: str, seed: int) -> Drawn:
    """Return the matrix of a family, order, dtype and seed; the order may be another."""
    import zlib  # noqa: PLC0415

    import numpy as np  # noqa: PLC0415

    kind = np.dtype(dtype)
    rng = np.random.default_rng([zlib.crc32(name.encode()), n, ord(kind.char), seed])
    with np.errstate(all="ignore"):
        return rounded(np.asarray(FAMILIES[name].draw(Draw(rng, n, kind))), kind)
