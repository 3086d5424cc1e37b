"""Times as records write them."""

from __future__ import annotations

from datetime import UTC, datetime


def timestamp(seconds: float) -> str:
    """Return seconds since the epoch as ISO 8601 in UTC, to the millisecond.

    Examples
    --------
    >>> timestamp(0.5)
    '1970-01-01T00:00:00.500Z'
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def seconds_of(time_: str) -> float:
    """Return a record's time as seconds since the epoch.

    Examples
    --------
    >>> seconds_of("1970-01-01T00:00:00.500Z")
    0.5
    """
    return datetime.fromisoformat(time_).timestamp()
