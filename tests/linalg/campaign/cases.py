"""Cases of a campaign: which matrix, and how it is given to the product."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from linalg.campaign import product
from support.matrices.hostile.table import FAMILIES, draw

Array = NDArray[Any]
DTYPES: Final = ("float32", "float64", "complex64", "complex128")
PINV_GROUPS: Final = ("rank", "classic", "singular", "hermitian")


@dataclass(frozen=True, slots=True)
class Case:
    """One matrix, drawn again from its name whenever it is asked for.

    Parameters
    ----------
    family : str
        Of `support.matrices.hostile`.
    n : int
        The order that the family is asked for.
    dtype, method : str
        As numpy and matinv spell them.
    seed : int
        Of the family's generator.
    order : str
        ``C`` or ``F``.
    accuracy : str
        ``standard`` or ``verified``.
    """

    family: str
    n: int
    dtype: str
    seed: int
    method: str = "auto"
    order: str = "C"
    accuracy: str = "standard"

    def __str__(self) -> str:
        return "/".join(
            map(
                str,
                (
                    self.family,
                    self.n,
                    self.dtype,
                    self.seed,
                    self.method,
                    self.order,
                    self.accuracy,
                ),
            )
        )

    @classmethod
    def parse(cls, spelled: str) -> Self:
        """Return the case that ``str`` spelled."""
        family, n, dtype, seed, *rest = spelled.split("/")
        return cls(family, int(n), dtype, int(seed), *rest)

    def matrix(self) -> Array:
        """Return the matrix in its memory order."""
        return np.asarray(draw(self.family, self.n, self.dtype, self.seed), order=self.order)

    def in_other_order(self) -> Case:
        """Return the same matrix in the other memory order."""
        return replace(self, order="F" if self.order == "C" else "C")


def cases(count: int, seed: int, largest: int, families: list[str] | None = None) -> Iterator[Case]:
    """Yield cases, every family about equally often, small orders more often than large ones."""
    rng = np.random.default_rng([seed, 2026])
    names = sorted(families or FAMILIES)
    for k in range(count):
        family = FAMILIES[names[k % len(names)]]
        low, high = family.low, min(family.high, max(largest, family.low))
        n = int(np.clip(round(low * np.exp(rng.exponential(1.0))) + rng.integers(0, 8), low, high))
        if rng.random() < 0.02:
            n = int(rng.integers(low, high + 1))
        method = _method(family.group, n, rng)
        verified = product.ACCURACY and method != "pinv" and n <= 24 and rng.random() < 0.15
        yield Case(
            family.name,
            n,
            str(rng.choice(DTYPES, p=[0.25, 0.4, 0.1, 0.25])),
            int(rng.integers(1 << 31)),
            method,
            str(rng.choice(["C", "F"])),
            "verified" if verified else "standard",
        )


def _method(group: str, n: int, rng: np.random.Generator) -> str:
    if group == "rank":
        return "pinv" if n <= 30 and rng.random() < 0.85 else "auto"
    if group in PINV_GROUPS and n <= 24 and rng.random() < 0.15:
        return "pinv"
    if group == "hermitian":
        return str(rng.choice(["auto", "spd", "general"], p=[0.5, 0.35, 0.15]))
    return str(rng.choice(["auto", "general", "spd"], p=[0.75, 0.23, 0.02]))


def stack(seed: int, largest: int) -> tuple[Array, str, list[str]]:
    """Return a stack of slices of all kinds, a method, and what each slice is.

    Slices are good and singular, hold a NaN or an infinity, or have other exponents than the rest.
    """
    rng = np.random.default_rng([seed, 77])
    n = int(min(largest, rng.choice([1, 2, 3, 4, 5, 8, 16, 17, 33, 64, 65, 80])))
    dtype = str(rng.choice(DTYPES))
    method = str(rng.choice(["auto", "general", "spd", "pinv"], p=[0.5, 0.2, 0.15, 0.15]))
    method = "auto" if method == "pinv" and n > 33 else method
    groups = ("hermitian", "rank") if method in ("spd", "pinv") else ()
    names = [
        f.name
        for f in FAMILIES.values()
        if f.low <= n <= f.high and (not groups or f.group in groups)
    ]
    names = names or ["near-orthogonal"]
    count = int(rng.integers(2, 12 if n < 40 else 5))
    if n <= 17 and rng.random() < 0.2:  # many of one kind, that all need more than the ordinary way
        names, count = [str(rng.choice(names))], 40
    slices, what = [], []
    for _ in range(count):
        name = str(rng.choice(names))
        a = draw(name, n, dtype, int(rng.integers(1 << 31)))
        if len(a) != n:
            continue
        if rng.random() < 0.15:
            a = a.copy()
            a[rng.integers(n), rng.integers(n)] = rng.choice([np.nan, np.inf, -np.inf])
            name += "+non-finite"
        slices.append(a)
        what.append(name)
    slices.append(np.eye(n, dtype=dtype))
    what.append("identity")
    out = np.stack(slices)
    layout = rng.integers(4)
    if layout == 1:
        out = np.asfortranarray(out)
    elif layout == 2:
        out = np.ascontiguousarray(out.transpose(0, 2, 1)).transpose(0, 2, 1)
    elif layout == 3:
        out = np.repeat(out, 2, axis=0)[::2]
    return out, method, what
