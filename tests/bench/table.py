"""Rows of the table: what was measured, what must be reached, and whether it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

COLUMNS: Final = ("#", "work", "ours", "peer", "ratio", "reach", "limit", "ok")


@dataclass(frozen=True, slots=True)
class Reach:
    """What a number must be: at least or at most `bound`.

    Parameters
    ----------
    sign : {'≥', '≤'}
        Which of the two.
    bound : float
        The number.
    of_ours : bool
        Whether our own figure is judged, not the ratio of both.
    """

    sign: str
    bound: float
    of_ours: bool = False

    def met(self, value: float) -> bool:
        """Whether a number is so; NaN never is."""
        return value >= self.bound if self.sign == "≥" else value <= self.bound

    def __str__(self) -> str:
        return f"{'ours ' if self.of_ours else ''}{self.sign} {number(self.bound)}"


def at_least(bound: float) -> Reach:
    return Reach("≥", bound)


def at_most(bound: float, *, of_ours: bool = False) -> Reach:
    return Reach("≤", bound, of_ours)


@dataclass(frozen=True, slots=True)
class Limit:
    """How near we are to what cannot be beaten.

    Parameters
    ----------
    what : str
        What `value` is.
    value : float
        As measured.
    reach : Reach or None
        What it must be, where something is asked.
    """

    what: str
    value: float
    reach: Reach | None = None

    def __str__(self) -> str:
        asked = f" ({self.reach})" if self.reach else ""
        return f"{number(self.value)} {self.what}{asked}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Parameters
    ----------
    row : int
        Its number among those that are asked for.
    work : str
        What was done, with the unit of both figures in brackets.
    ours, peer : float
        The figures.
    ratio : float
        How many times better ours is; where the reach is an upper bound, ours over the peer's.
    reach : Reach or None
        What the ratio, or our figure, must be.
    limit : Limit or None
        What else it is held against.
    """

    row: int
    work: str
    ours: float
    peer: float
    ratio: float
    reach: Reach | None = None
    limit: Limit | None = None

    @property
    def ok(self) -> bool:
        """Whether everything that is asked of this row is reached."""
        limit, reach = self.limit, self.reach
        within = limit is None or limit.reach is None or limit.reach.met(limit.value)
        return within and (reach is None or reach.met(self.ours if reach.of_ours else self.ratio))

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON knows it: numbers are numbers."""
        limit = self.limit
        return asdict(self) | {
            "reach": self.reach.bound if self.reach else None,
            "limit": limit
            and {
                "what": limit.what,
                "value": limit.value,
                "reach": limit.reach.bound if limit.reach else None,
            },
            "ok": self.ok,
        }

    def cells(self) -> list[str]:
        """Return the row as people read it."""
        figures = [number(value) for value in (self.ours, self.peer, self.ratio)]
        asked = [str(cell) if cell else "-" for cell in (self.reach, self.limit)]
        return [str(self.row), self.work, *figures, *asked, "yes" if self.ok else "**no**"]


def number(value: float) -> str:
    """Return three digits of a number, and all that stand before the point."""
    if abs(value) >= 1000:
        return f"{value:.0f}"
    return np.format_float_positional(value, precision=3, fractional=False, trim="-")


def markdown(rows: Sequence[Row]) -> str:
    """Return the table, its columns aligned."""
    lines = [list(COLUMNS), *(row.cells() for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    lines.insert(1, ["-" * width for width in widths])
    return "".join(
        f"| {' | '.join(c.ljust(w) for c, w in zip(line, widths, strict=True))} |\n"
        for line in lines
    )
